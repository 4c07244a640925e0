"""One request's life over real sockets: what engines send, and how they fail; each test says what its engine does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from raw_http import Reply, answers, connected, error_of, gateway, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.limits import Limits
from headgate.testing import Fixture
from headgate.testing.contract import compare
from headgate.testing.fake_engine import (
    CUT,
    HANG,
    FakeEngine,
    Step,
    chunk,
    head,
    plain,
    said,
    sse,
    streamed,
)

FIXTURES = Path(__file__).parent / "fixtures" / "dialects"
BEGUN = sse(chunk({"role": "assistant", "content": "Hel"}))
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "run", "arguments": '{"a":'}}
TOOLS = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]


# What engines send


def fixture_folders(name: str) -> list[Path]:
    return [folder for folder in sorted((FIXTURES / name).iterdir()) if (folder / "message.json").exists()]


def fails(fixture: Fixture) -> bool:
    return any(message["error"] for message in fixture.messages or ())


_FIELDS = ("content", "reasoning_content", "tool_calls", "finish_reason")


def expected_of(fixture: Fixture) -> list[dict[str, Any]]:
    """The messages as this surface has them: a finish that nobody knows is a stop."""
    messages = [{field: message[field] for field in _FIELDS} for message in fixture.messages or ()]
    return [{**message, "finish_reason": message["finish_reason"].replace("unknown", "stop")} for message in messages]


def ends_inside_a_call(fixture: Fixture) -> bool:
    """Whether a client would run a call that was cut, since the finish does not say that something is missing."""
    missing = ("length", "content_filter")
    return any(
        message["incomplete_calls"] and message["finish_reason"] not in missing for message in fixture.messages or ()
    )


def messages_of(reply: Reply) -> list[dict[str, Any]]:
    blank: dict[str, Any] = {"reasoning_content": None, "tool_calls": []}
    choices = reply.json()["choices"]
    return [{**blank, **choice["message"], "finish_reason": choice["finish_reason"]} for choice in choices]


def scripted(fixture: Fixture) -> list[Step]:
    """The fixture's reply, in the reads of its recording."""
    if fixture.status != 200:
        return plain(fixture.response, fixture.status, fixture.meta["content_type"])
    pieces: list[Step] = []
    start = 0
    for length in fixture.lengths:
        pieces.append(fixture.response[start : start + length])
        start += length
    return streamed(*pieces, content_type=fixture.meta.get("content_type", "text/event-stream"))


@pytest.mark.parametrize("name", ["openai", "ollama"])
def test_every_recorded_reply_leaves_in_contract_and_comes_to_its_message(name: str) -> None:
    """`records()` checks the contract of the stream; the message is that of a whole reply."""

    async def main() -> None:
        async with gateway([], dialect=name) as (engine, client):
            for fixture in map(Fixture.load, fixture_folders(name)):
                engine.answer = scripted(fixture)
                tools = [] if fails(fixture) else fixture.tools  # what is wrong with some is not ours to forward
                async with connected(client.url) as fresh:
                    streamed_reply = await fresh.chat(tools=tools, stream_options={"include_usage": True})
                async with connected(client.url) as fresh:
                    whole = await fresh.chat(tools=tools, stream=False)
                if fails(fixture):
                    assert "upstream" in error_of(streamed_reply)["code"], fixture.folder.name
                    assert "upstream" in error_of(whole)["code"], fixture.folder.name
                else:
                    if ends_inside_a_call(fixture):
                        assert "tool_call_incomplete" == error_of(streamed_reply)["code"], fixture.folder.name
                    else:
                        assert "[DONE]" == streamed_reply.records()[-1], fixture.folder.name
                    assert [] == compare(messages_of(whole), expected_of(fixture)), fixture.folder.name

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False])
def test_the_engine_is_always_asked_for_a_stream_and_for_usage(*, stream: bool) -> None:
    async def main() -> None:
        async with gateway(streamed(said("Hel", "lo"))) as (engine, client):
            await client.chat(stream=stream)

            asked = engine.asked[0].json()
            assert (True, {"include_usage": True}) == (asked["stream"], asked["stream_options"])

    asyncio.run(main())


def test_a_client_that_wants_no_stream_gets_one_reply() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    body = said("Hel", "lo").replace(b"data: [DONE]", sse({**chunk(), "choices": [], "usage": usage}) + b"data: [DONE]")

    reply = answers(streamed(body), stream=False)

    assert (200, "application/json") == (reply.status, reply.headers["content-type"])
    assert str(len(reply.body)) == reply.headers["content-length"]
    assert {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello", "refusal": None},
        "finish_reason": "stop",
    } == (reply.json()["choices"][0])
    assert usage == reply.json()["usage"]


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_answers_whole_is_read_all_the_same(*, stream: bool) -> None:
    message = {"role": "assistant", "content": "Hello"}
    body = {"object": "chat.completion", "model": "x", "choices": [{"message": message, "finish_reason": "stop"}]}

    reply = answers(plain(json.dumps(body).encode()), stream=stream)

    assert "Hello" == (reply.text() if stream else reply.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize("stream", [True, False])
def test_ollamas_lines_become_the_same(*, stream: bool) -> None:
    lines = [
        {"model": "x", "message": {"role": "assistant", "content": "Hel"}, "done": False},
        {"model": "x", "message": {"role": "assistant", "content": "lo"}, "done": False},
        {"model": "x", "message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 2},
    ]
    pieces = [json.dumps(line).encode() + b"\n" for line in lines]

    async def main() -> None:
        script = streamed(*pieces, content_type="application/x-ndjson")
        async with gateway(script, dialect="ollama") as (engine, client):
            reply = await client.chat(stream=stream)

            assert "Hello" == (reply.text() if stream else reply.json()["choices"][0]["message"]["content"])
            assert ("/api/chat", True) == (engine.asked[0].path, engine.asked[0].json()["stream"])

    asyncio.run(main())


def test_what_a_dialect_drops_is_named_in_a_header() -> None:
    done = b'{"message":{"content":"ok"},"done":true}\n'
    dropped: dict[str, Any] = {"parallel_tool_calls": False, "a\r\nb: c": 1}

    async def main() -> None:
        async with gateway(streamed(done), dialect="ollama") as (_, client):
            reply = await client.chat(**dropped)
            whole = await client.chat(stream=False, user="me")
            silent = await client.chat()

        assert "parallel_tool_calls, a%0D%0Ab%3A%20c" == reply.headers["x-headgate-dropped"]
        assert "user" == whole.headers["x-headgate-dropped"]
        assert "x-headgate-dropped" not in silent.headers

    asyncio.run(main())


def test_a_stream_has_the_headers_that_keep_it_one() -> None:
    headers = answers(streamed(said("x"))).headers

    assert ("text/event-stream", "no-cache", "no") == tuple(
        headers[name] for name in ("content-type", "cache-control", "x-accel-buffering")
    )


def test_timings_come_where_they_are_asked_for_or_configured() -> None:
    timed = sse(chunk({"content": "x"}), chunk(finish="stop", timings={"predicted_n": 1}), done=True)

    def has_timings(reply: Reply) -> bool:
        return any("timings" in record for record in reply.records())

    async def main() -> None:
        async with gateway(streamed(timed)) as (_, client):
            assert not has_timings(await client.chat())
            assert has_timings(await client.chat(stream_options={"include_timings": True}))
            assert has_timings(await client.chat(headers={"x-headgate-extras": "timings"}))
        async with gateway(streamed(timed), extras=("timings",)) as (_, client):
            assert has_timings(await client.chat())

    asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "delta"),
    [
        ({}, {"reasoning_content": "Hm."}),
        ({"markup": "off"}, {"content": "<think>Hm.</think>Yes."}),
        ({"markup": ("think",), "starts_in_reasoning": False}, {"reasoning_content": "Hm."}),
    ],
)
def test_markup_is_read_as_the_upstream_is_configured(settings: dict[str, Any], delta: dict[str, str]) -> None:
    async def main() -> None:
        async with gateway(streamed(said("<think>Hm.</think>Yes.")), **settings) as (_, client):
            assert delta == (await client.chat()).records()[1]["choices"][0]["delta"]

    asyncio.run(main())


def test_a_template_that_opens_the_thought_can_be_configured() -> None:
    async def main() -> None:
        async with gateway(streamed(said("Hm.</think>Yes.")), starts_in_reasoning=True) as (_, client):
            message = (await client.chat(stream=False)).json()["choices"][0]["message"]

            assert ("Hm.", "Yes.") == (message["reasoning_content"], message["content"])

    asyncio.run(main())


# Failures before the first word


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("script", "status", "code", "words"),
    [
        (plain(b'{"error":{"message":"too long","code":400}}', 400), 400, "upstream_error", "too long"),
        (plain(b'{"error":"no such model"}', 404), 404, "upstream_error", "no such model"),
        (plain(b'{"detail":"slow down"}', 429), 429, "upstream_error", "slow down"),
        (plain(b"<html>Bad gateway</html>", 502, "text/html"), 502, "upstream_error", "no reason"),
        (plain(b"", 503), 503, "upstream_error", "no reason"),
        (plain(b"", 302, location="http://elsewhere"), 502, "upstream_protocol", "redirect (HTTP 302)"),
        (plain(b"\x1f\x8b", content_encoding="gzip"), 502, "upstream_protocol", "content-encoding gzip"),
        (plain(b"\x1f\x8b", 500, content_encoding="br"), 502, "upstream_protocol", "content-encoding br"),
        ([head(500, content_length="1000") + b'{"error":"cu', CUT], 500, "upstream_error", "no reason"),
        ([CUT], 502, "upstream_truncated", "got nothing"),
        ([b"SSH-2.0-OpenSSH\r\n", HANG], 502, "upstream_protocol", "expected an HTTP/1.1 reply"),
        (streamed(), 502, "upstream_truncated", "0 bytes"),
        (streamed(b"<html>hello</html>"), 502, "upstream_truncated", "without a finish_reason"),
        (streamed(sse({"error": {"message": "out of memory", "code": 503}})), 503, "upstream_error", "out of memory"),
        (streamed(b'error: {"message":"no slot"}\n\n'), 502, "upstream_error", "no slot"),
        (streamed(b"data: {\n\n"), 502, "bad_json", "expected a JSON object"),
        (streamed(HANG, end=False), 504, "upstream_timeout", "first byte"),
        ([HANG], 504, "upstream_timeout", "first byte"),
    ],
)  # fmt: skip
def test_a_failure_before_the_first_word_is_a_status(
    script: Sequence[Step], status: int, code: str, words: str, *, stream: bool
) -> None:
    reply = answers(script, stream=stream, limits=Limits(first_byte_s=0.1))

    assert (status, code) == (reply.status, error_of(reply)["code"])
    assert words in error_of(reply)["message"]
    assert "application/json" == reply.headers["content-type"]


def test_an_engine_that_does_not_run_is_a_502_that_says_so() -> None:
    async def main() -> None:
        async with FakeEngine([]) as engine:
            url = engine.url
        app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=url),)))
        async with served(app) as gateway_url, connected(gateway_url) as client:
            reply = await client.chat()

        assert (502, "upstream_connect") == (reply.status, error_of(reply)["code"])
        assert "nothing listens at 127.0.0.1" in error_of(reply)["message"]

    asyncio.run(main())


def test_what_the_engine_cannot_do_is_refused_before_it_is_asked() -> None:
    async def main() -> None:
        async with gateway([HANG], dialect="ollama") as (engine, client):
            reply = await client.chat(n=2)

            assert (400, "unsupported", "/n") == (reply.status, error_of(reply)["code"], error_of(reply)["param"])
            assert 0 == engine.connections

    asyncio.run(main())


def test_an_endless_error_page_is_cut_off() -> None:
    page: list[Step] = [head(500, transfer_encoding="chunked"), *[b"2000\r\n" + b"x" * 8192 + b"\r\n"] * 20, HANG]

    async def main() -> None:
        async with gateway(page) as (engine, client):
            assert 500 == (await client.chat()).status
            await engine.left()

    asyncio.run(main())


def test_an_error_page_that_never_ends_is_answered_all_the_same() -> None:
    page: list[Step] = [head(503, content_length="1000"), b'{"error":"busy"}', HANG]

    async def main() -> None:
        async with gateway(page, limits=Limits(after_finish_s=0.1)) as (engine, client):
            assert 503 == (await client.chat()).status
            await engine.left()

    asyncio.run(main())


def test_a_whole_reply_over_the_limit_is_refused() -> None:
    limits = Limits(body_bytes_max=1000)

    async def main() -> None:
        async with gateway(streamed(BEGUN, *[BEGUN] * 10, HANG), limits=limits) as (engine, client):
            reply = await client.chat(stream=False)

            assert (502, "body_too_large") == (reply.status, error_of(reply)["code"])
            await engine.left()

    asyncio.run(main())


# Failures after it


@pytest.mark.parametrize(
    ("rest", "code", "words"),
    [
        ([], "upstream_truncated", "without a finish_reason"),
        ([b"data: [DONE]\n\n"], "upstream_truncated", "[DONE] without a finish_reason"),
        ([sse({"error": {"message": "out of memory"}})], "upstream_error", "out of memory"),
        ([sse({"error": "out of memory"})], "upstream_error", "out of memory"),
        ([b"data: {broken\n\n"], "bad_json", "expected a JSON object"),
        ([b"data: " + b"x" * 3000], "line_too_long", "2,000 bytes"),
        ([sse(chunk({"content": "lo"}, "abort"), done=True)], "upstream_aborted", "abort"),
        ([HANG], "upstream_timeout", "limits.idle_s"),
        ([CUT], "upstream_truncated", "no last chunk"),
        ([b'data: {"choices":[{"del', CUT], "upstream_truncated", "no last chunk"),
    ],
)  # fmt: skip
def test_a_failure_in_the_stream_is_one_frame_and_the_connection_closes(
    rest: Sequence[Step], code: str, words: str
) -> None:
    """`error_of` checks that the frame is the only one and the last; there is no [DONE] after it."""
    limits = Limits(idle_s=0.1, line_bytes_max=2000, event_bytes_max=2000)

    async def main() -> None:
        async with gateway(streamed(BEGUN, 0.01, *rest), limits=limits) as (_, client):
            reply = await client.chat()

            assert (200, code, True) == (reply.status, error_of(reply)["code"], reply.ended)
            assert words in error_of(reply)["message"]
            assert await client.is_closed()

    asyncio.run(main())


@pytest.mark.parametrize("rest", [[], [CUT], [sse({"error": {"message": "out of memory"}})], [b"data: {\n\n"]])
def test_a_failure_in_the_stream_is_a_status_for_who_wants_a_whole_reply(rest: Sequence[Step]) -> None:
    reply = answers(streamed(BEGUN, 0.01, *rest), stream=False)

    assert (502, "application/json") == (reply.status, reply.headers["content-type"])


def test_an_engine_that_failed_in_its_stream_is_left_at_once() -> None:
    """It may still be generating."""

    async def main() -> None:
        async with gateway(streamed(BEGUN, b"data: {\n\n", HANG)) as (engine, client):
            assert "bad_json" == error_of(await client.chat())["code"]
            await engine.left()

    asyncio.run(main())


def test_a_call_that_was_cut_off_ends_a_stream_with_an_error() -> None:
    async def main() -> None:
        cut = sse(chunk({"role": "assistant", "tool_calls": [CALL]}), chunk(finish="tool_calls"), done=True)
        async with gateway(streamed(cut)) as (_, client):
            assert "tool_call_incomplete" == error_of(await client.chat(tools=TOOLS))["code"]
            assert await client.is_closed()

    asyncio.run(main())


def test_a_call_that_was_cut_off_is_left_out_of_a_whole_reply() -> None:
    cut = sse(chunk({"content": "Hello", "tool_calls": [CALL]}), chunk(finish="length"), done=True)

    choice = answers(streamed(cut), stream=False, tools=TOOLS).json()["choices"][0]

    assert ("length", "Hello") == (choice["finish_reason"], choice["message"]["content"])
    assert "tool_calls" not in choice["message"]
