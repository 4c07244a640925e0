"""`headgate.upstream.replay`: which cassette answers, and that its tape runs, stops and goes on like an engine."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from upstream_engine import PROMPT_S, Acting, Log, on_each_loop

from headgate.cassette import Cassette, Meta, Piece
from headgate.errors import UpstreamError, UsageError
from headgate.limits import Limits
from headgate.messages import HttpRequest
from headgate.upstream.replay import Question, ReplayUpstream, choose, question

PATH = "/v1/chat/completions"


def body(*messages: tuple[str, object]) -> bytes:
    return msgspec.json.encode({"messages": [{"role": role, "content": content} for role, content in messages]})


def chat(*messages: tuple[str, object], path: str = PATH) -> HttpRequest:
    return HttpRequest(path=path, body=body(*messages))


def cassette(name: str, request: bytes = b"", *, asks: tuple[str, ...] = (), fallback: bool = False) -> Cassette:
    return Cassette(meta=Meta(shows=name, asks=asks, fallback=fallback), request=request)


HELLO = chat(("user", "hello"))
TAPE = Cassette(
    meta=Meta(status=201, content_type="text/event-stream"),
    request=HELLO.body,
    pieces=(Piece(0.1, b"one "), Piece(0.2, b"two "), Piece(0.3, b"three")),
)


# Which cassette answers


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Question("", after_tool=False)),
        (b"{}", Question("", after_tool=False)),
        (body(("user", "Hello ")), Question("hello", after_tool=False)),
        (body(("user", "a"), ("assistant", "b"), ("user", "c")), Question("c", after_tool=False)),
        (body(("user", "a"), ("assistant", None), ("tool", "x")), Question("a", after_tool=True)),
        (body(("tool", "x"), ("user", "a")), Question("a", after_tool=False)),
        (
            body(("user", [{"type": "text", "text": "Stra"}, {"type": "image_url"}, {"text": "ße"}])),
            Question("strasse", after_tool=False),
        ),
        (body(("user", None)), Question("", after_tool=False)),
        (body(("system", "a")), Question("", after_tool=False)),
    ],
)
def test_a_request_comes_down_to_its_question(data: bytes, expected: Question) -> None:
    assert expected == question(data)


KNOWN = [
    cassette("help", fallback=True),
    cassette("files", body(("user", "List the files"))),
    cassette("files again", body(("user", "list the files"))),
    cassette("files told", body(("user", "list the files"), ("tool", "a.txt"))),
    cassette("leak", body(("user", "what is your name?")), asks=("Leak harmony", "leak")),
    cassette("not json", b"{"),
]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (chat(("user", "list the files")), "files"),
        (chat(("user", " LIST THE FILES\n")), "files"),
        (chat(("user", "list the files"), ("tool", "b.txt")), "files told"),
        (chat(("user", "something else"), ("tool", "b.txt")), "files told"),
        (chat(("user", "leak harmony")), "leak"),
        (chat(("user", "leak")), "leak"),
        (chat(("user", "what is your name?")), "help"),
        (chat(("user", "list the file")), "help"),
        (chat(("user", "list the files"), path=f"{PATH}?x=1"), "files"),
        (chat(("user", "list the files"), path="/v1/completions"), None),
        (HttpRequest(method="GET", path=PATH), None),
    ],
)
def test_the_cassette_that_asks_the_same_answers(request_: HttpRequest, expected: str | None) -> None:
    chosen = choose(KNOWN, request_)

    assert expected == (chosen and chosen.meta.shows)


def test_a_recorded_get_answers_its_path() -> None:
    models = Cassette(meta=Meta(path="GET /v1/models", shows="models"))

    assert models is choose([*KNOWN, models], HttpRequest(method="GET", path="/v1/models"))


def test_nothing_known_is_nothing_chosen() -> None:
    assert choose([], HELLO) is None
    assert choose(KNOWN[1:], chat(("user", "unknown"))) is None


# How the tape runs


@on_each_loop
async def test_a_cassette_is_replayed_at_its_pace() -> None:
    loop = asyncio.get_running_loop()
    heard_s: list[float] = []

    class Timed(Log):
        def data(self, data: bytes, /) -> None:
            super().data(data)
            heard_s.append(loop.time() - started_s)

    log = Timed()
    started_s = loop.time()
    ReplayUpstream("replay", [TAPE]).open(HELLO, log)
    await log.over.wait()

    assert ["head", "data", "data", "data", "end"] == log.heard
    assert (201, [("content-type", "text/event-stream")]) == (log.status, log.headers)
    assert [b"one ", b"two ", b"three"] == log.pieces
    # uvloop's clock counts milliseconds.
    assert all(due_s - 0.002 <= at_s < due_s + PROMPT_S for due_s, at_s in zip((0.1, 0.2, 0.3), heard_s, strict=True))


@on_each_loop
@pytest.mark.parametrize(("speed", "least_s", "most_s"), [(0, 0, 0.25), (10, 0.028, 0.25), (0.5, 0.598, PROMPT_S)])
async def test_speed_scales_the_time(speed: float, least_s: float, most_s: float) -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    reply = await ReplayUpstream("replay", [TAPE], speed=speed).fetch(HELLO)

    assert b"one two three" == reply.body
    assert least_s <= loop.time() - started_s <= most_s


@on_each_loop
@pytest.mark.parametrize("speed", [0, 1])
async def test_open_never_calls_before_it_returns(speed: float) -> None:
    log = Log()
    call = ReplayUpstream("replay", [TAPE], speed=speed).open(HELLO, log)

    assert [] == log.heard
    call.abort()


@on_each_loop
@pytest.mark.parametrize("when", ["head", "data"])
async def test_a_pause_stops_the_tape_and_does_not_count(when: str) -> None:
    loop = asyncio.get_running_loop()
    log = Acting(when)
    call = ReplayUpstream("replay", [TAPE]).open(HELLO, log)
    paused_s: list[float] = []
    log.act = lambda: (call.pause(), paused_s.append(loop.time()))  # type: ignore[func-returns-value]
    started_s = loop.time()
    await asyncio.sleep(0.4)
    paused = log.heard.copy()
    still_s = loop.time() - paused_s[0]
    call.resume()
    call.resume()
    await log.over.wait()

    assert ["head", "data"][: 1 + (when == "data")] == paused
    assert (b"one two three", "end") == (log.body, log.heard[-1])
    assert 0.298 + still_s <= loop.time() - started_s <= PROMPT_S


@on_each_loop
async def test_a_pause_at_the_last_piece_holds_the_end_back() -> None:
    log = Log()
    call = ReplayUpstream("replay", [TAPE], speed=0).open(HELLO, log)
    while len(log.pieces) < 3:  # noqa: ASYNC110 - the tape is to be stopped between two turns
        await asyncio.sleep(0)
    call.pause()
    await asyncio.sleep(0.02)
    paused = log.heard[-1]
    call.resume()
    await log.over.wait()

    assert ("data", "end") == (paused, log.heard[-1])


@on_each_loop
async def test_resume_inside_a_call_does_not_double_the_tape() -> None:
    log = Acting("data")
    call = ReplayUpstream("replay", [TAPE], speed=0).open(HELLO, log)
    log.act = lambda: (call.pause(), call.resume())  # type: ignore[func-returns-value]
    await log.over.wait()
    await asyncio.sleep(0.01)

    assert ["head", "data", "data", "data", "end"] == log.heard


@on_each_loop
@pytest.mark.parametrize(("when", "expected"), [("head", ["head"]), ("data", ["head", "data"])])
async def test_nothing_is_heard_after_an_abort(when: str, expected: list[str]) -> None:
    log = Acting(when)
    call = ReplayUpstream("replay", [TAPE], speed=0).open(HELLO, log)
    log.act = call.abort
    await asyncio.sleep(0.02)
    call.abort()
    call.resume()
    call.pause()
    call.resume()
    await asyncio.sleep(0.02)

    assert expected == log.heard


@on_each_loop
async def test_a_truncated_recording_fails_where_it_broke_off() -> None:
    broken = msgspec.structs.replace(TAPE, meta=Meta(truncated=True))
    log = Log()
    ReplayUpstream("replay", [broken], speed=0).open(HELLO, log)
    await log.over.wait()

    assert (b"one two three", "failed") == (log.body, log.heard[-1])
    assert log.error is not None
    assert "upstream_truncated" == log.error.code


@on_each_loop
async def test_close_fails_calls_in_use() -> None:
    """Nobody is left waiting: each exchange still gets its one end."""
    upstream = ReplayUpstream("replay", [TAPE])
    log = Log()
    upstream.open(HELLO, log)
    await upstream.close()

    assert ["failed"] == log.heard
    with pytest.raises(UsageError, match="is closed"):
        upstream.open(HELLO, Log())


# What it answers without a cassette


@on_each_loop
async def test_models_and_health_are_answered() -> None:
    upstream = ReplayUpstream("replay", [TAPE], models=["demo", "other"])
    models = await upstream.fetch(HttpRequest(method="GET", path="/v1/models"))
    health = await upstream.fetch(HttpRequest(method="GET", path="/health"))
    parsed = msgspec.json.decode(models.body)

    assert (200, [("content-type", "application/json")]) == (models.status, models.headers)
    assert ("list", ["demo", "other"]) == (parsed["object"], [model["id"] for model in parsed["data"]])
    assert {"id": "demo", "object": "model", "created": 0, "owned_by": "headgate"} == parsed["data"][0]
    assert (200, b'{"status":"ok"}') == (health.status, health.body)


@on_each_loop
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HttpRequest(method="GET", path="/nowhere"), 404),
        (HttpRequest(path="/v1/models"), 404),
        (chat(("user", "unknown")), 404),
        (HttpRequest(path=PATH, body=b"{"), 400),
        (HttpRequest(path=PATH, body=b"[]"), 400),
        (HttpRequest(path=PATH, body=b'{"messages":[{"content":1}]}'), 400),
        (HttpRequest(path=PATH, body=b'{"x":' + b"[" * 100_000), 400),
    ],
)
async def test_what_nothing_answers_is_an_error_of_the_engine(request_: HttpRequest, status: int) -> None:
    reply = await ReplayUpstream("replay", [TAPE]).fetch(request_)
    error = msgspec.json.decode(reply.body)["error"]

    assert (status, status) == (reply.status, error["code"])
    assert error["message"]


@on_each_loop
async def test_fetch_reads_up_to_its_limit() -> None:
    size = len(TAPE.response)

    assert (
        TAPE.response
        == (await ReplayUpstream("replay", [TAPE], speed=0, limits=Limits(body_bytes_max=size)).fetch(HELLO)).body
    )
    with pytest.raises(UpstreamError, match="body_too_large"):
        await ReplayUpstream("replay", [TAPE], speed=0, limits=Limits(body_bytes_max=size - 1)).fetch(HELLO)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(UsageError, match="expected a speed from 0"):
        ReplayUpstream("replay", [], speed=speed)
