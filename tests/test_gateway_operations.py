"""One operation's life: whose errors, its body, its deadlines, its cancelling, and that it is settled exactly once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_http import Client, Reply, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.errors import RequestError
from headgate.events import Usage
from headgate.gateway import Gateway, create_app
from headgate.gateway.operations.base import Asked as Question
from headgate.gateway.operations.base import Operation, Response
from headgate.gateway.policy import MemoryPolicy, Outcome, Settlement
from headgate.gateway.routes import Routes
from headgate.limits import Limits
from headgate.surfaces import surface
from headgate.testing.fake_engine import CUT, HANG, Answer, FakeEngine, plain, streamed

BODY = b'{"model":"m","input":"x"}'
VECTORS = plain(b'{"object":"list","data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":3,"total_tokens":3}}')


class Stage:
    """A gateway over one engine, and a client of it."""

    def __init__(self, app: Gateway, engine: FakeEngine, client: Client, policy: MemoryPolicy) -> None:
        self.app = app
        self.engine = engine
        self.client = client
        self.policy = policy

    async def embeddings(self, body: bytes = BODY, **headers: str) -> Reply:
        return await self.client.ask("POST", "/v1/embeddings", body, **headers)

    async def settled(self) -> Settlement:
        async with asyncio.timeout(5):
            while not self.policy.settled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        [settlement] = self.policy.settled
        return settlement


@asynccontextmanager
async def stage(
    answer: Answer = VECTORS, *, policy: MemoryPolicy | None = None, limits: Limits | None = None, **config: Any
) -> AsyncGenerator[Stage]:
    asked = MemoryPolicy() if policy is None else policy
    async with FakeEngine(answer) as engine:
        upstreams = (UpstreamConfig(name="u", url=engine.url),)
        app = create_app(Config(upstreams=upstreams, **config), limits=limits or Limits(), policy=asked)
        async with served(app) as url, connected(url) as client:
            yield Stage(app, engine, client, asked)


# Whose errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/chat", 405),
        ("GET", "/api/embed", 405),
        ("POST", "/api/tags", 405),
        ("POST", "/", 405),
    ],
)
def test_below_api_errors_are_ollamas(method: str, path: str, status: int) -> None:
    async def main() -> None:
        async with stage() as on:
            reply = await on.client.ask(method, path)

            assert (status, {"error"}) == (reply.status, set(reply.json()))
            assert "expected" in reply.json()["error"]

    asyncio.run(main())


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/messages"), ("GET", "/v1/messages/count_tokens")])
def test_below_messages_errors_are_anthropics(method: str, path: str) -> None:
    async def main() -> None:
        async with stage() as on:
            reply = await on.client.ask(method, path)

            assert (405, "POST", "error") == (reply.status, reply.headers["allow"], reply.json()["type"])
            assert 404 == (await on.client.ask("GET", "/v1/messages/nothing")).status

    asyncio.run(main())


def test_a_404_names_the_paths_of_the_api_that_is_asked() -> None:
    async def main() -> None:
        async with stage() as on:
            ollamas = (await on.client.ask("GET", "/api/nothing")).json()["error"]
            openais = (await on.client.ask("GET", "/v1/nothing")).json()["error"]["message"]

            assert ("/api/tags" in ollamas, "/v1/embeddings" in ollamas) == (True, False)
            assert ("/api/tags" in openais, "/v1/embeddings" in openais) == (False, True)

    asyncio.run(main())


def test_a_refusal_at_the_door_has_the_form_of_the_api_too() -> None:
    async def main() -> None:
        async with stage(api_keys=("sk-x",)) as on:
            assert isinstance((await on.client.ask("GET", "/api/tags")).json()["error"], str)
            assert "error" == (await on.client.ask("POST", "/v1/messages/count_tokens", b"{}")).json()["type"]
            assert "error" == (await on.client.ask("GET", "/v1/models", anthropic_version="2023-06-01")).json()["type"]
            assert "unauthorized" == (await on.client.ask("GET", "/v1/models")).json()["error"]["code"]

    asyncio.run(main())


def test_without_the_surface_errors_are_the_default_ones() -> None:
    chat = surface("chat")
    routes = Routes([chat], chat)

    assert chat is routes.spoken("/api/tags", routes.find("/api/tags")[0], {})
    assert chat is routes.spoken("/v1/models", None, {"anthropic-version": "2023-06-01"})


def test_an_operation_is_a_line_in_a_table() -> None:
    async def echo(asked: Question) -> Response:
        return Response(200, asked.rest.encode())

    routes = Routes([], surface("chat"), [Operation("/echo/{text}", ("GET",), "echo", echo, "Says it again.")])
    route, rest = routes.find("/echo/a/b")

    assert route is not None
    assert ("echo", ("GET",), "a/b") == (route.action, route.methods, rest)
    assert (None, "") == routes.find("/echo/")


# What is read


def test_a_body_may_be_as_large_as_an_exchanges() -> None:
    async def main() -> None:
        async with stage(limits=Limits(body_bytes_max=100)) as on:
            assert 200 == (await on.embeddings(BODY + b" " * (100 - len(BODY)))).status
            too_large = await on.embeddings(BODY + b" " * (101 - len(BODY)))

            assert (413, "body_too_large") == (too_large.status, too_large.json()["error"]["code"])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "/model"),
        (b'{"model":7}', "/model"),
        (b'{"model":"m","model":"n"}', "/model"),
        (b'{"model":"a\\u0000"}', "/model"),
        (b'{"model":"m","input":"\xff"}', "/input"),
    ],
)
def test_a_body_that_names_no_model_is_a_400_that_says_where(body: bytes, param: str | None) -> None:
    async def main() -> None:
        async with stage() as on:
            reply = await on.embeddings(body)

            assert (400, "invalid_request", param) == (
                reply.status,
                reply.json()["error"]["code"],
                reply.json()["error"]["param"],
            )
            assert [] == on.engine.asked
            settlement = await on.settled()
            assert (Outcome.REFUSED, 400, len(body)) == (settlement.outcome, settlement.status, settlement.bytes_in)

    asyncio.run(main())


def test_a_body_of_a_web_page_must_be_json() -> None:
    async def main() -> None:
        async with stage(cors_origins=("https://chat.example",)) as on:
            page: dict[str, Any] = {"origin": "https://chat.example"}

            assert 415 == (await on.embeddings(content_type="text/plain", **page)).status
            assert 200 == (await on.embeddings(content_type="application/json", **page)).status

    asyncio.run(main())


# Who may, and what became of it


class _Strict(MemoryPolicy):
    def authorise(self, principal: str, action: str, model: str | None, /) -> None:
        super().authorise(principal, action, model)
        if model == "secret":
            raise RequestError("forbidden", "not for you.")


@pytest.mark.parametrize("name", ["secret", "nick"])
def test_the_policy_is_asked_about_what_an_alias_stands_for(name: str) -> None:
    async def main() -> None:
        async with stage(policy=_Strict(), aliases={"nick": "secret"}) as on:
            reply = await on.embeddings(json.dumps({"model": name, "input": "x"}).encode())

            assert (403, "forbidden") == (reply.status, reply.json()["error"]["code"])
            assert ([], 1, {Outcome.REFUSED: 1}) == (on.engine.asked, on.policy.authorised, on.policy.outcomes)

    asyncio.run(main())


def test_a_good_one_is_authorised_and_settled_once_and_says_who_answered() -> None:
    async def main() -> None:
        async with stage() as on:
            reply = await on.embeddings(x_request_id="mine")
            settlement = await on.settled()

            assert (200, "u", "m", "mine") == (
                reply.status,
                reply.headers["x-headgate-upstream"],
                reply.headers["x-headgate-model"],
                reply.headers["x-request-id"],
            )
            assert 0 <= int(reply.headers["x-headgate-overhead-us"]) < 1_000_000
            assert 1 == on.policy.authorised
            assert (Outcome.OK, None, 200, "embeddings", "u", "m", len(BODY), len(reply.body)) == (
                settlement.outcome,
                settlement.code,
                settlement.status,
                settlement.action,
                settlement.upstream,
                settlement.model,
                settlement.bytes_in,
                settlement.bytes_out,
            )
            assert Usage(input_tokens=3) == settlement.usage

    asyncio.run(main())


def test_what_the_engine_takes_is_not_our_overhead() -> None:
    async def main() -> None:
        async with stage([0.3, *VECTORS]) as on:
            assert int((await on.embeddings()).headers["x-headgate-overhead-us"]) < 250_000

    asyncio.run(main())


# Ends


def test_a_client_that_goes_away_stops_the_engine() -> None:
    async def main() -> None:
        async with stage([HANG]) as on:
            on.client.send("POST", "/v1/embeddings", BODY)
            await asked(on.engine)
            on.client.vanish()
            await on.engine.left()

            settlement = await on.settled()
            assert (Outcome.CLIENT_GONE, "cancelled", 0) == (settlement.outcome, settlement.code, settlement.status)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("named", "limits"), [("first_byte_s", Limits(first_byte_s=0.2)), ("total_s", Limits(total_s=0.2))]
)
def test_an_engine_that_lets_a_deadline_pass_is_a_504(named: str, limits: Limits) -> None:
    async def main() -> None:
        async with stage([HANG], limits=limits) as on:
            reply = await on.embeddings()

            assert (504, "upstream_timeout", "u") == (
                reply.status,
                reply.json()["error"]["code"],
                reply.headers["x-headgate-upstream"],
            )
            assert named in reply.json()["error"]["message"]
            await on.engine.left()
            assert Outcome.UPSTREAM_FAILED is (await on.settled()).outcome

    asyncio.run(main())


def test_a_reply_that_never_ends_is_ended_by_the_total_deadline() -> None:
    async def main() -> None:
        async with stage(streamed(b"{", HANG), limits=Limits(total_s=0.2)) as on:
            assert 504 == (await on.embeddings()).status
            await on.engine.left()

    asyncio.run(main())


def test_a_reply_that_breaks_off_is_a_failure_and_never_half_a_reply() -> None:
    async def main() -> None:
        async with stage(streamed(b'{"data":[', CUT)) as on:
            reply = await on.embeddings()

            assert (502, "upstream_truncated") == (reply.status, reply.json()["error"]["code"])

    asyncio.run(main())


def test_a_reply_is_held_only_up_to_the_limit() -> None:
    async def main() -> None:
        limits = Limits(body_bytes_max=1000)
        async with stage(plain(b'{"x":"%b"}' % (b"y" * 1000)), limits=limits) as on:
            reply = await on.embeddings()

            assert (502, "body_too_large") == (reply.status, reply.json()["error"]["code"])

    asyncio.run(main())


def test_while_draining_nothing_is_asked_and_what_tells_still_tells() -> None:
    async def main() -> None:
        async with stage() as on:
            on.app.drain()
            reply = await on.embeddings()

            assert (503, "shutting_down", []) == (reply.status, reply.json()["error"]["code"], on.engine.asked)
            assert 200 == (await on.client.ask("GET", "/api/version")).status

    asyncio.run(main())


def test_who_waits_when_all_is_over_is_told_so() -> None:
    async def main() -> None:
        async with stage([HANG]) as on:
            on.client.send("POST", "/v1/embeddings", BODY)
            await asked(on.engine)
            on.app.stop()
            reply = await on.client.reply()

            assert (503, "shutting_down") == (reply.status, reply.json()["error"]["code"])
            await on.engine.left()
            assert Outcome.INTERRUPTED is (await on.settled()).outcome

    asyncio.run(main())


def test_a_fault_of_ours_is_a_500_without_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("the prompt")

    async def main() -> None:
        async with stage() as on:
            monkeypatch.setattr("headgate.gateway.operations.passing.renamed", broken)
            reply = await on.embeddings()

            assert (500, "internal") == (reply.status, reply.json()["error"]["code"])
            assert b"the prompt" not in reply.body
            assert Outcome.INTERRUPTED is (await on.settled()).outcome

    asyncio.run(main())


async def asked(engine: FakeEngine) -> None:
    async with asyncio.timeout(5):
        while not engine.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
