"""docs/adding.md: its surface and its operation, as another package brings them, in a gateway that listens."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pieces import chunk
from raw_http import Reply, connected, served
from test_docs import DOCS, FENCE, python_blocks

import headgate
from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.operations.table import operations
from headgate.limits import Limits
from headgate.surfaces import surfaces
from headgate.testing.fake_engine import CUT, Answer, FakeEngine, plain, said, sse, streamed

PAGE = DOCS / "adding.md"
MODULE = "guest_of_adding"
HELLO = b'{"say":"Hel"}\n{"say":"lo"}\n{"over":"stop"}\n'
STREAM = sse(chunk({"reasoning_content": "hm"})) + said("Hel", "lo")


def blocks_of(*names: str) -> str:
    """The blocks of the page that define these."""
    found = [block.lstrip("\n") for block in python_blocks(PAGE) if any(f"\n{name} = " in block for name in names)]
    assert len(names) == len(found)
    return "\n\n".join(found)


def entry_points_of(group: str) -> dict[str, Any]:
    """What the page's block of TOML with this group names, by group."""
    blocks = [fence["code"] for fence in FENCE.finditer(PAGE.read_text(encoding="utf-8")) if fence["info"] == "toml"]
    (found,) = (block for block in blocks if f'"{group}"' in block)
    points: dict[str, Any] = tomllib.loads(found)["project"]["entry-points"]
    return points


def as_installed(points: dict[str, Any]) -> str:
    """The same as pip writes it, of a module of another name."""
    lines = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in of.items()) for group, of in points.items()
    )
    return "\n".join(lines).replace("my_package.tell", MODULE)


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's code as a module, and its entry points in the metadata of a package."""
    info = tmp_path / f"{MODULE}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(as_installed(entry_points_of("headgate.surfaces")), encoding="utf-8")
    (tmp_path / f"{MODULE}.py").write_text(blocks_of("SURFACE", "MODELS"), encoding="utf-8")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    surfaces.cache_clear()
    yield
    surfaces.cache_clear()


def told(answer: Answer, *asked: tuple[str, str, bytes], limits: Limits | None = None) -> list[Reply]:
    """What a gateway over an engine with this answer replies to each request."""

    async def ask(url: str, method: str, path: str, body: bytes) -> Reply:
        async with connected(url) as client:  # one for each: a stream that fails ends its connection
            return await client.ask(method, path, body)

    async def main() -> list[Reply]:
        async with FakeEngine(answer) as engine:
            config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url, models=("m",)),), default_model="m")
            async with served(create_app(config, limits=limits or Limits())) as url:
                return [await ask(url, *one) for one in asked]

    return asyncio.run(main())


def question(**fields: Any) -> tuple[str, str, bytes]:
    return "POST", "/tell", json.dumps({"ask": "Who are you?", **fields}).encode()


def test_the_entry_points_of_the_page_bring_both() -> None:
    assert {"headgate.surfaces", "headgate.operations"} == set(entry_points_of("headgate.surfaces"))
    assert ("tell", "/tell/models") == (surfaces()["tell"].name, operations()[-1].path)


def test_the_library_writes_it_by_name_at_every_split() -> None:
    for step in (len(STREAM), 64, 7, 1):
        pieces = [STREAM[place : place + step] for place in range(0, len(STREAM), step)]
        translator = headgate.translator("openai", "tell")
        encoder, decoder = headgate.encoder("tell"), headgate.decoder("openai")

        assert HELLO == b"".join(map(translator.feed, pieces)) + translator.close()
        assert HELLO == b"".join(encoder.feed(decoder.feed(piece)) for piece in pieces) + encoder.close()


def test_of_several_answers_the_first_is_written() -> None:
    """An engine may send more than it was asked for; two texts in one would be neither."""
    both = sse(*(chunk({"content": text}, index=index) for text in ("Hel", "lo") for index in (0, 1)))
    stream = both + sse(chunk({}, "length", index=1), chunk({}, "stop")) + b"data: [DONE]\n\n"

    for step in (len(stream), 1):
        translator = headgate.translator("openai", "tell")
        pieces = [stream[place : place + step] for place in range(0, len(stream), step)]
        assert HELLO == b"".join(map(translator.feed, pieces)) + translator.close()


def test_the_text_of_the_fast_way_is_that_of_the_whole_way() -> None:
    """A surface's `frame` must write what its `feed` writes, whatever the text."""
    texts = ["one", "two", ' "quoted" \\', "a\u2028b", "\x01\x7f", "end"]
    records = [sse(chunk({"content": text})) for text in texts]
    translator, encoder, decoder = headgate.translator("openai", "tell"), headgate.encoder("tell"), headgate.decoder()

    for record, text in zip(records, texts, strict=True):
        line = translator.feed(record)
        assert text == json.loads(line)["say"]
        assert line == encoder.feed(decoder.feed(record))


def test_the_gateway_serves_it_streamed_and_whole() -> None:
    stream, whole = told(streamed(STREAM), question(), question(stream=False, tone="kind"))

    assert (200, "application/x-ndjson", HELLO) == (stream.status, stream.headers["content-type"], stream.body)
    assert (200, "application/json") == (whole.status, whole.headers["content-type"])
    assert {"say": "Hello", "over": "stop"} == whole.json()
    assert ("tone", "u") == (whole.headers["x-headgate-dropped"], whole.headers["x-headgate-upstream"])


def test_a_client_that_waits_is_kept_waiting() -> None:
    (reply,) = told(streamed(STREAM[:-20], 0.3, STREAM[-20:]), question(), limits=Limits(keepalive_s=0.05))

    assert HELLO == reply.body.replace(b"{}\n", b"")
    assert b"{}\n" in reply.body


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [(plain(b'{"error":"no"}', 500), 500, "upstream_error"), ([CUT], 502, "upstream_truncated")],
)
def test_a_failure_before_the_answer_is_its_error(answer: Answer, status: int, code: str) -> None:
    (reply,) = told(answer, question())

    assert (status, {"failed", "code"}, code) == (reply.status, set(reply.json()), reply.json()["code"])


def test_a_failure_in_the_answer_is_its_last_line() -> None:
    (reply,) = told(streamed(sse(chunk({"content": "Hel"})), 0.05, CUT), question())
    first, last = reply.body.splitlines()

    assert {"say": "Hel"} == json.loads(first)
    assert ("upstream_truncated", {"failed", "code"}) == (json.loads(last)["code"], set(json.loads(last)))


def test_what_this_api_cannot_say_is_a_failure_streamed_and_whole() -> None:
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    script = streamed(sse(chunk({"tool_calls": [call]}), chunk({}, "tool_calls")) + b"data: [DONE]\n\n")
    stream, whole = told(script, question(), question(stream=False))

    assert "upstream_protocol" == json.loads(stream.body.splitlines()[-1])["code"]
    assert (502, "upstream_protocol") == (whole.status, whole.json()["code"])


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (("POST", "/tell", b"{"), 400, "invalid_request"),
        (("POST", "/tell", b'{"ask":5}'), 400, "invalid_request"),
        (("POST", "/tell", b'{"ask":"a","ask":"b"}'), 400, "invalid_request"),
        (("GET", "/tell", b""), 405, "method_not_allowed"),
        (("POST", "/tell/models", b""), 405, "method_not_allowed"),
    ],
)
def test_a_refusal_wears_its_envelope(asked: tuple[str, str, bytes], status: int, code: str) -> None:
    (reply,) = told(streamed(STREAM), asked)

    assert (status, {"failed", "code"}, code) == (reply.status, set(reply.json()), reply.json()["code"])


def test_its_operation_answers_too() -> None:
    """Also where nothing does, whose errors are then those of the default API, as the page says."""
    models, missing = told(streamed(STREAM), ("GET", "/tell/models", b""), ("GET", "/tell/nothing", b""))

    assert (200, {"models": ["m"]}) == (models.status, models.json())
    assert (404, "not_found") == (missing.status, missing.json()["error"]["code"])


def test_both_are_in_the_published_document() -> None:
    (reply,) = told(streamed(STREAM), ("GET", "/openapi.json", b""))
    paths, schemas = reply.json()["paths"], reply.json()["components"]["schemas"]
    body = paths["/tell"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert "What may be asked." == paths["/tell/models"]["get"]["summary"]
    assert {"ask", "model", "stream"} == set(schemas[body["$ref"].rpartition("/")[2]]["properties"])
