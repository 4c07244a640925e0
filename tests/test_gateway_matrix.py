"""Host x Origin x Sec-Fetch-Site x content type x key over every route, from a raw socket."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from raw_http import Client, chat_body, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.operations.base import Operation
from headgate.gateway.operations.table import OPERATIONS
from headgate.gateway.policy import MemoryPolicy
from headgate.surfaces import surfaces
from headgate.testing.fake_engine import Asked, FakeEngine, Script, plain, said, streamed

KEY = "sk-of-the-matrix"
PAGE, OTHER_PAGE = "https://chat.example", "https://evil.test"
POSTED = sorted({path for one in surfaces().values() for path in one.paths})


def answered(operation: Operation) -> int:
    """What an operation answers to an empty object, which is nobody's request, or to no body."""
    return 400 if operation.asks else 403 if operation.action == "admin" else 200


# What each route answers to a request that was let in. The client cannot read a reply to HEAD.
ROUTES = {
    **{("POST", path): 400 for path in POSTED},
    **{
        (method, operation.path.replace("{id}", "m").replace("{digest}", "sha256:0")): answered(operation)
        for operation in OPERATIONS
        for method in operation.methods
        if method != "HEAD"
    },
    ("GET", "/openapi.json"): 200,
    ("GET", POSTED[0]): 405,
    ("POST", "/health"): 405,
    ("GET", "/nothing"): 404,
    ("GET", "/api/nothing"): 404,
    ("POST", "/v1/models/"): 404,
    ("OPTIONS", "/health"): 405,
    ("DELETE", "/v1/models/m"): 405,
    ("GET", "/api/embed"): 405,
    ("GET", "/v1/messages/nothing"): 404,
}

# What answers without a key, and then names no engine.
OPEN = {"/health", "/ready"}

HOSTS = ["localhost", "127.0.0.1:80", "gate.example", "evil.test", "localhost.evil.test"]
ORIGINS = [None, PAGE, OTHER_PAGE, "null"]
SITES = [None, "none", "same-origin", "same-site", "cross-site"]
TYPES = [None, "application/json", "text/plain", "application/x-www-form-urlencoded"]
KEYS: list[dict[str, str]] = [
    {},
    {"authorization": f"Bearer {KEY}"},
    {"authorization": f"Bearer {KEY}x"},
    {"x_api_key": KEY},
]


class Case(NamedTuple):
    method: str
    path: str
    host: str
    origin: str | None
    site: str | None
    kind: str | None
    key: dict[str, str]

    def headers(self) -> dict[str, str]:
        given = {"host": self.host, "origin": self.origin, "sec_fetch_site": self.site, "content_type": self.kind}
        return {name: value for name, value in given.items() if value is not None} | self.key

    def turned_away(self) -> int | None:
        """The rules, once more, in the order in which they are told."""
        page = self.origin is not None or self.site in {"same-site", "cross-site"}
        if "evil.test" in self.host:
            return 421
        if page and self.origin != PAGE:
            return 403
        if self.path not in OPEN and not self.has_key():
            return 401
        if page and self.method != "GET" and self.kind != "application/json":
            return 415
        return None

    def expected(self) -> int:
        return self.turned_away() or ROUTES[self.method, self.path]

    def is_let_in(self) -> bool:
        return self.turned_away() is None and ROUTES[self.method, self.path] not in {404, 405}

    def has_key(self) -> bool:
        return KEY in {value.removeprefix("Bearer ") for value in self.key.values()}


def check_envelope(path: str, told: Any) -> None:
    """Each API's clients are told an error in its form."""
    if path == "/" or path.startswith("/api/"):
        assert {"error": str} == {name: type(value) for name, value in told.items()}
    elif path.startswith("/v1/messages"):
        assert "error" == told["type"]
        assert {"type", "message"} <= set(told["error"])
    else:
        assert {"message", "type", "code", "param"} == set(told["error"])


def engine(asked: Asked) -> Script:
    return plain(b'{"data":[{"id":"m"}]}') if asked.method == "GET" else streamed(said("ok"))


@asynccontextmanager
async def gateway(policy: MemoryPolicy) -> AsyncGenerator[tuple[FakeEngine, Client]]:
    async with FakeEngine(engine) as fake:
        config = Config(
            api_keys=("sk-another", KEY),
            allowed_hosts=("gate.example",),
            cors_origins=(PAGE,),
            upstreams=(UpstreamConfig(name="u", url=fake.url),),
        )
        async with served(create_app(config, policy=policy)) as url, connected(url) as client:
            yield fake, client


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_combination_is_answered_by_the_rules_and_by_nothing_else(method: str, path: str) -> None:
    cases = [Case(method, path, *rest) for rest in itertools.product(HOSTS, ORIGINS, SITES, TYPES, KEYS)]
    policy = MemoryPolicy()

    async def main() -> None:
        async with gateway(policy) as (_, client):
            for case in cases:
                reply = await client.ask(method, path, b"{}" if method == "POST" else b"", **case.headers())

                assert case.expected() == reply.status, case
                assert "no-cache" == reply.headers["cache-control"]
                assert reply.headers["x-request-id"]
                allowed = case.origin if case.origin == PAGE and "evil.test" not in case.host else None
                assert allowed == reply.headers.get("access-control-allow-origin"), case
                assert ("Bearer" if reply.status == 401 else None) == reply.headers.get("www-authenticate")
                if reply.status >= 400 and reply.status != 503:
                    check_envelope(path, reply.json())
                assert KEY.encode() not in reply.body
                if reply.status == 200 and path in OPEN:
                    assert case.has_key() == ("upstreams" in reply.json()) == (b'"u"' in reply.body), case

    asyncio.run(main())
    let_in = [case for case in cases if case.is_let_in()]
    assert len(let_in) == policy.authorised == sum(policy.outcomes.values())


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_preflight_is_answered_to_listed_pages_and_needs_no_key(method: str, path: str) -> None:
    async def main() -> None:
        async with gateway(MemoryPolicy()) as (_, client):
            for host, origin, site in itertools.product(HOSTS, ORIGINS, SITES):
                case = Case(method, path, host, origin, site, None, {})
                asks = {
                    "access_control_request_method": method,
                    "access_control_request_headers": "authorization,content-type,x-stainless-lang",
                    "access_control_request_private_network": "true",
                }
                client.send("OPTIONS", path, b"", **case.headers(), **asks)
                if origin == PAGE and "evil.test" not in host:
                    status, headers = await client.head()

                    assert (204, PAGE) == (status, headers["access-control-allow-origin"])
                    assert "authorization, content-type, x-stainless-lang" == headers["access-control-allow-headers"]
                    assert "origin" == headers["vary"]
                    assert headers["x-request-id"].startswith("req_")
                    assert "content-length" not in headers
                    assert set() == {
                        "access-control-allow-credentials",
                        "access-control-allow-private-network",
                    } & set(headers)
                else:
                    reply = await client.reply()

                    assert reply.status in {421, 403, 405 if path in OPEN else 401}, case
                    assert set() == {name for name in reply.headers if name.startswith("access-control")}

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
def test_a_preflight_names_the_methods_of_its_route(path: str) -> None:
    async def main() -> None:
        async with gateway(MemoryPolicy()) as (_, client):
            client.send("OPTIONS", path, b"", origin=PAGE, access_control_request_method="POST")
            _, headers = await client.head()

            expected = "GET, HEAD" if path == "/v1/models" else "POST"
            assert expected == headers["access-control-allow-methods"]

    asyncio.run(main())


def test_a_listed_page_gets_its_stream_and_may_read_what_is_ours() -> None:
    async def main() -> None:
        async with gateway(MemoryPolicy()) as (_, client):
            headers = {
                "origin": PAGE,
                "sec_fetch_site": "cross-site",
                "content_type": "application/json",
                "x_api_key": KEY,
            }
            reply = await client.ask("POST", "/v1/chat/completions", chat_body(), **headers)

            assert (200, "ok", PAGE) == (reply.status, reply.text(), reply.headers["access-control-allow-origin"])
            assert "x-headgate-upstream" in reply.headers["access-control-expose-headers"]
            assert ("no-cache", "no") == (reply.headers["cache-control"], reply.headers["x-accel-buffering"])

    asyncio.run(main())


def test_a_refused_page_never_reaches_an_engine() -> None:
    async def main() -> None:
        async with gateway(MemoryPolicy()) as (fake, client):
            for headers in ({"origin": OTHER_PAGE}, {"sec_fetch_site": "cross-site"}, {"host": "evil.test"}):
                reply = await client.ask("POST", "/v1/chat/completions", chat_body(), x_api_key=KEY, **headers)
                assert reply.status in {403, 421}

            assert 0 == fake.connections

    asyncio.run(main())


def test_no_key_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    async def main() -> None:
        async with gateway(MemoryPolicy()) as (_, client):
            for headers in KEYS:
                await client.ask("POST", "/v1/chat/completions", chat_body(), **headers)
                await client.ask("POST", "/v1/chat/completions", b"{", **headers)

    asyncio.run(main())
    assert KEY not in caplog.text
