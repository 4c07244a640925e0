"""Every fault that an engine can have, over real sockets: the client is told one thing, and the next one is served."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from itertools import chain, repeat

import pytest
from raw_http import WITHIN_S, Client, Reply, connected, error_of, gateway, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.limits import Limits
from headgate.testing.fake_engine import (
    CLOSE,
    CUT,
    HANG,
    Answer,
    Asked,
    Do,
    FakeEngine,
    Script,
    Step,
    chunk,
    cut,
    drip,
    head,
    plain,
    said,
    sse,
    streamed,
    until_close,
)
from headgate.testing.unreachable import refusing, unanswered

GOOD = streamed(said("Hello"))
BEGUN = sse(chunk({"role": "assistant", "content": "Hel"}))
EVENTS = head(content_type="text/event-stream")

both = pytest.mark.parametrize("stream", [True, False])


def faced(answer: Answer, *, stream: bool, limits: Limits | None = None) -> Reply:
    """The reply over an engine with a fault, which leaves no trace: the next client is served."""

    async def main() -> Reply:
        async with gateway(answer, limits=limits) as (engine, client):
            reply = await client.chat(stream=stream)
            engine.answer = GOOD
            async with connected(client.url) as other:
                assert "Hello" == (await other.chat()).text()
            assert engine.written_bytes < 32_000_000
            return reply

    return asyncio.run(asyncio.wait_for(main(), 30))


def told(reply: Reply) -> tuple[int, str]:
    """What a client learns of a failure, once: the status, and the code of its body or of its only error frame."""
    assert reply.ended
    return reply.status, error_of(reply)["code"]


def reached(url: str, *, stream: bool, limits: Limits) -> Reply:
    """The reply over a URL where no engine answers."""

    async def main() -> Reply:
        app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=url),)), limits=limits)
        async with served(app) as served_url, connected(served_url) as client:
            return await client.chat(stream=stream)

    return asyncio.run(asyncio.wait_for(main(), 30))


# No connection, no reply


@both
def test_an_engine_that_does_not_run(*, stream: bool) -> None:
    with refusing() as url:
        reply = reached(url, stream=stream, limits=Limits())

    assert (502, "upstream_connect") == told(reply)
    assert "Start the engine" in error_of(reply)["message"]


@both
def test_an_engine_that_hangs_at_connect(*, stream: bool) -> None:
    with unanswered() as url:
        reply = reached(url, stream=stream, limits=Limits(connect_s=0.2))

    assert (504, "upstream_timeout") == told(reply)
    assert "limits.connect_s" in error_of(reply)["message"]


@both
def test_an_engine_that_sends_no_head(*, stream: bool) -> None:
    reply = faced([HANG], stream=stream, limits=Limits(first_byte_s=0.2))

    assert (504, "upstream_timeout") == told(reply)
    assert "limits.first_byte_s" in error_of(reply)["message"]


@both
def test_an_engine_that_sends_a_head_and_no_body(*, stream: bool) -> None:
    reply = faced([EVENTS, HANG], stream=stream, limits=Limits(first_byte_s=0.2))

    assert (504, "upstream_timeout") == told(reply)


@both
def test_an_engine_that_sends_no_first_event(*, stream: bool) -> None:
    ping: tuple[Step, ...] = b": ping\n\n", 0.02
    steps: Script = chain([EVENTS], chain.from_iterable(repeat(ping)))

    reply = faced(steps, stream=stream, limits=Limits(first_byte_s=0.2))

    assert (504, "upstream_timeout") == told(reply)
    assert "expected the first event" in error_of(reply)["message"]


@both
def test_an_engine_that_stalls_in_its_stream(*, stream: bool) -> None:
    reply = faced(streamed(BEGUN, HANG), stream=stream, limits=Limits(idle_s=0.2))

    assert (200 if stream else 504, "upstream_timeout") == told(reply)
    assert "limits.idle_s" in error_of(reply)["message"]


@both
def test_an_engine_that_drips_for_ever(*, stream: bool) -> None:
    """No silence is ever long enough to count, so only the deadline of the whole reply ends it."""
    drop: tuple[Step, ...] = b" ", 0.02
    steps: Script = chain([EVENTS, b"data: {"], chain.from_iterable(repeat(drop)))

    reply = faced(steps, stream=stream, limits=Limits(total_s=0.3))

    assert (504, "upstream_timeout") == told(reply)
    assert "limits.total_s" in error_of(reply)["message"]


@both
def test_a_slow_drip_that_ends_is_a_good_reply(*, stream: bool) -> None:
    reply = faced(drip(GOOD, 0.0), stream=stream)

    assert "Hello" == (reply.text() if stream else reply.json()["choices"][0]["message"]["content"])


# Replies that break off

SAID = "Hi \N{GRINNING FACE}"
GOLDEN = streamed(
    sse(chunk({"role": "assistant", "content": ""})),
    sse(chunk({"content": SAID[:3]}), chunk({"content": SAID[3:]})),
    sse(chunk(finish="stop"), done=True),
)
GOLDEN_BYTES = b"".join(step for step in GOLDEN if isinstance(step, bytes))


@both
@pytest.mark.parametrize("how", [CUT, CLOSE])
def test_a_reply_that_breaks_off_at_any_byte_is_whole_or_one_failure(how: Do, *, stream: bool) -> None:
    """Never an exception, never both, never neither; and what a client was given before is the beginning of it."""
    finished = GOLDEN_BYTES.index(b'"finish_reason": "stop"')

    async def one(url: str, at: int, gate: asyncio.Semaphore) -> None:
        async with gate, connected(url) as client:
            reply = await client.chat(stream=stream, messages=[{"role": "user", "content": str(at)}])
            is_whole = check_broken(reply, stream=stream)
            assert is_whole <= (at > finished), at
            assert is_whole or at < len(GOLDEN_BYTES), at

    async def main() -> None:
        async with gateway(lambda asked: cut(GOLDEN, place(asked), how)) as (engine, client):
            gate = asyncio.Semaphore(20)
            await asyncio.gather(*(one(client.url, at, gate) for at in range(len(GOLDEN_BYTES) + 1)))

            engine.answer = GOLDEN
            assert SAID == (await client.chat()).text()

    asyncio.run(asyncio.wait_for(main(), 60))


def place(asked: Asked) -> int:
    return int(asked.json()["messages"][0]["content"])


def check_broken(reply: Reply, *, stream: bool) -> bool:
    """Whether a reply is whole; if it is not, it is exactly one failure."""
    assert reply.ended
    if reply.status != 200:
        assert (502, {"error"}) == (reply.status, set(reply.json()))
        return False
    if not stream:
        assert SAID == reply.json()["choices"][0]["message"]["content"]
        return True
    records = reply.records()
    errors = [record for record in records if "error" in record]
    deltas = [record["choices"][0]["delta"] for record in records if "choices" in record]
    text = "".join(delta.get("content", "") for delta in deltas)
    if errors:
        assert [records[-1]] == errors
        assert SAID.startswith(text)
        return False
    assert ("[DONE]", SAID) == (records[-1], text)
    return True


@both
@pytest.mark.parametrize("script", [streamed(BEGUN), until_close(BEGUN), [EVENTS, BEGUN, CUT]])
def test_a_clean_end_without_a_finish_is_a_failure(script: Sequence[Step], *, stream: bool) -> None:
    """The official clients cannot see it: for them a stream that ends is whole."""
    assert (200 if stream else 502, "upstream_truncated") == told(faced(script, stream=stream))


@both
@pytest.mark.parametrize("script", [streamed(), until_close(), [head(204)], plain(b"")])
def test_a_reply_without_a_word_is_a_failure(script: Sequence[Step], *, stream: bool) -> None:
    assert 502 == faced(script, stream=stream).status


# Replies that are something else

PAGE = b"<!doctype html><html><title>Sign in</title><script>secret()</script></html>"


@both
@pytest.mark.parametrize("kind", ["image/png", "application/pdf", "multipart/mixed; boundary=x", "text/xml"])
def test_a_wrong_content_type_is_a_failure(kind: str, *, stream: bool) -> None:
    reply = faced(plain(said("Hello"), content_type=kind), stream=stream)

    assert (502, "upstream_protocol") == told(reply)
    assert kind.partition(";")[0] in error_of(reply)["message"]


@both
def test_an_html_page_is_a_failure_and_is_not_passed_on(*, stream: bool) -> None:
    reply = faced(plain(PAGE, content_type="text/html; charset=utf-8"), stream=stream)

    assert (502, "upstream_protocol") == told(reply)
    assert b"secret" not in reply.body


@both
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain"])
def test_an_html_page_that_is_called_something_else_is_a_failure_too(kind: str, *, stream: bool) -> None:
    reply = faced(plain(PAGE, content_type=kind), stream=stream)

    assert 502 == reply.status
    assert b"secret" not in reply.body


@both
@pytest.mark.parametrize("status", [502, 503, 504, 520])
def test_an_html_error_page_keeps_its_status_and_nothing_else(status: int, *, stream: bool) -> None:
    script = [b"HTTP/1.1 %d X\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n" % (status, len(PAGE)) + PAGE]

    reply = faced(script, stream=stream)

    assert (status, "upstream_error") == told(reply)
    assert b"secret" not in reply.body


@both
def test_a_good_status_with_an_error_in_its_body_is_that_error(*, stream: bool) -> None:
    body = json.dumps({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}).encode()

    reply = faced(plain(body), stream=stream)

    assert (503, "upstream_error") == told(reply)
    assert "Loading model" == error_of(reply)["message"]


@both
def test_a_redirect_is_not_followed(*, stream: bool) -> None:
    """Wherever it leads, our key and the client's words would go with it."""

    async def main() -> None:
        async with FakeEngine(GOOD) as other:
            script = [head(307, location=f"{other.url}/v1/chat/completions", content_length="0")]
            async with gateway(script) as (_, client):
                reply = await client.chat(stream=stream)

            assert (502, "upstream_protocol") == told(reply)
            assert "redirect" in error_of(reply)["message"]
            assert [] == other.asked

    asyncio.run(main())


@both
@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, gzip"])
def test_a_compressed_bomb_is_refused_unopened(coding: str, *, stream: bool) -> None:
    bomb = gzip.compress(b"data: " + bytes(30_000_000))

    reply = faced([head(content_type="text/event-stream", content_encoding=coding), bomb, HANG], stream=stream)

    assert (502, "upstream_protocol") == told(reply)
    assert "content-encoding" in error_of(reply)["message"]


# Replies without end


@both
def test_an_endless_line_is_a_failure(*, stream: bool) -> None:
    steps: Script = chain([EVENTS, b'data: {"x":"'], repeat(b"x" * 65_536))

    reply = faced(steps, stream=stream, limits=Limits(line_bytes_max=1_000_000))

    assert (502, "line_too_long") == told(reply)


@both
@pytest.mark.parametrize("line", [b"x-header: some value\r\n", b"x" * 100])
def test_endless_headers_are_a_failure(line: bytes, *, stream: bool) -> None:
    reply = faced(chain([b"HTTP/1.1 200 OK\r\n"], repeat(line * 100)), stream=stream)

    assert (502, "upstream_protocol") == told(reply)
    assert "limits.head_bytes_max" in error_of(reply)["message"]


@both
def test_an_endless_error_page_is_cut(*, stream: bool) -> None:
    steps: Script = chain([b"HTTP/1.1 500 X\r\n\r\n"], repeat(b"x" * 10_000))

    assert (500, "upstream_error") == told(faced(steps, stream=stream))


def test_an_endless_reply_to_who_wants_it_whole_is_cut() -> None:
    steps: Script = chain([EVENTS], repeat(sse(chunk({"content": "x" * 10_000}))))

    assert (502, "body_too_large") == told(faced(steps, stream=False, limits=Limits(body_bytes_max=1_000_000)))


def test_an_endless_stream_after_its_end_is_cut() -> None:
    steps: Script = chain([EVENTS, said("Hello")], repeat(b": more\n\n" * 1000))

    assert "Hello" == faced(steps, stream=True, limits=Limits(after_finish_s=0.1)).text()


# Statuses


def refused(status: int, *, stream: bool, **headers: str) -> Reply:
    body = json.dumps({"error": {"message": "Incorrect API key provided: sk-secret"}}).encode()
    return faced(plain(body, status, **headers), stream=stream)


@both
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", ["1", "3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_who_may_come_again_is_told_when(status: int, wait: str, *, stream: bool) -> None:
    reply = refused(status, stream=stream, retry_after=wait)

    assert (status, "upstream_error", wait) == (*told(reply), reply.headers["retry-after"])


@both
@pytest.mark.parametrize("wait", ["soon", "-1", "1.5", "1h", "", "1, 2", "9" * 12, "Wed, 21 Oct 2026", "2026-10-21"])
def test_a_wait_that_means_nothing_is_not_passed_on(wait: str, *, stream: bool) -> None:
    reply = refused(429, stream=stream, retry_after=wait)

    assert (429, "upstream_error", False) == (*told(reply), "retry-after" in reply.headers)


@both
@pytest.mark.parametrize("status", [429, 503])
def test_who_may_come_again_without_a_time_is_told_none(status: int, *, stream: bool) -> None:
    reply = refused(status, stream=stream)

    assert (status, False) == (reply.status, "retry-after" in reply.headers)


@both
@pytest.mark.parametrize("status", [400, 404, 413, 422, 500])
def test_other_statuses_pass_without_a_wait(status: int, *, stream: bool) -> None:
    reply = refused(status, stream=stream, retry_after="1")

    assert (status, "upstream_error", False) == (*told(reply), "retry-after" in reply.headers)


@both
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_the_engine_refused_is_not_the_clients(status: int, *, stream: bool) -> None:
    """With the engine's own status a client would ask its user for another key, and show the engine's words."""
    reply = refused(status, stream=stream, retry_after="1")

    assert (502, "upstream_error") == told(reply)
    assert "refused Headgate's key" in error_of(reply)["message"]
    assert b"secret" not in reply.body


@both
def test_a_key_that_was_refused_with_a_good_status_is_not_the_clients_either(*, stream: bool) -> None:
    reply = faced(plain(b'{"error":{"code":401,"message":"Invalid key sk-secret"}}'), stream=stream)

    assert (502, "upstream_error") == told(reply)
    assert b"secret" not in reply.body


# More than one reply


def echo(asked: Asked) -> bytes:
    return said(asked.json()["messages"][0]["content"])


async def says(client: Client, word: str, *, stream: bool) -> None:
    reply = await client.chat(stream=stream, messages=[{"role": "user", "content": word}])
    assert word == (reply.text() if stream else reply.json()["choices"][0]["message"]["content"])


def at_once(*scripts: Script) -> list[Step]:
    """Everything that they write, in one write."""
    return [b"".join(step for script in scripts for step in script if isinstance(step, bytes))]


SURPLUS: dict[str, Callable[[Asked], Script]] = {
    "bytes": lambda asked: at_once(streamed(echo(asked)), [b"surplus"]),
    "a second reply": lambda asked: at_once(streamed(echo(asked)), GOOD),
    "a second reply, later": lambda asked: [*streamed(echo(asked)), 0.02, *GOOD],
    "a second whole reply": lambda asked: at_once(plain(echo(asked)), plain(said("Hello"))),
    "events after its end": lambda asked: streamed(echo(asked), said("Hello")),
    "an error after its end": lambda asked: streamed(echo(asked), sse({"error": {"message": "no"}})),
}


@both
@pytest.mark.parametrize("kind", SURPLUS)
def test_what_follows_a_whole_reply_reaches_nobody(kind: str, *, stream: bool) -> None:
    """The next request on that connection would get the answer to another one."""

    async def main() -> None:
        async with gateway(SURPLUS[kind]) as (engine, client):
            for turn in range(4):
                await says(client, f"word {turn}", stream=stream)
                if kind.endswith("later"):
                    # What comes once the next request is out cannot be told from its reply; HTTP has no number for it.
                    await engine.left(WITHIN_S)

    asyncio.run(asyncio.wait_for(main(), 30))
