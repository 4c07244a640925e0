"""One request's life: however it ends, it was authorised once, is settled once, and its reply says who answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from raw_http import Client, chat_body, connected, error_of, served

from headgate.config import Config, UpstreamConfig
from headgate.dialects.base import Reading
from headgate.dialects.openai import OpenAI, OpenAIDecoder
from headgate.errors import RequestError
from headgate.events import Event
from headgate.gateway import Gateway
from headgate.gateway.engines import engines
from headgate.gateway.policy import MemoryPolicy, Outcome, Settlement
from headgate.limits import Limits
from headgate.messages import HttpRequest
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
from headgate.testing.unreachable import unanswered
from headgate.upstream.base import Call, Receiver, Reply

BEGUN = sse(chunk({"role": "assistant", "content": "Hel"}))
USAGE = {**chunk(), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
WITHIN_S = 5.0


def gateway_of(url: str, limits: Limits, policy: MemoryPolicy, **parts: Any) -> Gateway:
    """A gateway over one engine, some parts of which are the test's."""
    config = Config(upstreams=(UpstreamConfig(name="u", url=url),))
    ready = [engine._replace(**parts) for engine in engines(config, {}, {}, limits)]
    return Gateway(ready, limits, config=config, policy=policy)


def again(piece: bytes, every_s: float, times: int) -> list[Step]:
    """The same piece, so many times."""
    pair: list[Step] = [piece, every_s]
    return pair * times


class Stage(NamedTuple):
    """What a test looks at."""

    app: Gateway
    policy: MemoryPolicy
    engine: FakeEngine
    client: Client

    async def settled(self) -> Settlement:
        """The one settlement of the one request, once it is there."""
        policy = self.policy
        async with asyncio.timeout(WITHIN_S):
            while not policy.settled:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)  # a second one would be there by now
        assert (1, 1) == (policy.authorised, len(policy.settled))
        assert 0 == len(self.app._running)
        return policy.settled[0]


@asynccontextmanager
async def staged(
    script: Any, limits: Limits | None = None, policy: MemoryPolicy | None = None, **parts: Any
) -> AsyncGenerator[Stage]:
    policy = policy or MemoryPolicy()
    async with FakeEngine(script) as engine:
        app = gateway_of(engine.url, limits or Limits(), policy, **parts)
        async with served(app) as url, connected(url) as client:
            yield Stage(app, policy, engine, client)


def life(
    script: Any,
    play: Callable[[Stage], Awaitable[None]],
    limits: Limits | None = None,
    policy: MemoryPolicy | None = None,
    **parts: Any,
) -> Settlement:
    """Play one request's life, and return what became of it."""

    async def main() -> Settlement:
        async with staged(script, limits, policy, **parts) as stage:
            await play(stage)
            return await stage.settled()

    return asyncio.run(asyncio.wait_for(main(), 30))


def asks(*, stream: bool, **fields: Any) -> Callable[[Stage], Awaitable[None]]:
    """Ask, and read the reply to its end."""

    async def play(stage: Stage) -> None:
        reply = await stage.client.chat(stream=stream, **fields)
        assert "x-request-id" in reply.headers

    return play


def ended(settlement: Settlement) -> tuple[Outcome, str | None, int]:
    return settlement.outcome, settlement.code, settlement.status


# Ends that the engine makes: script, limits, what a stream's client was told, what a whole reply's was

FAILED = Outcome.UPSTREAM_FAILED
ENDS: dict[str, tuple[Sequence[Step], Limits, tuple[Any, ...], tuple[Any, ...]]] = {
    "ok": (streamed(said("Hello")), Limits(), (Outcome.OK, None, 200), (Outcome.OK, None, 200)),
    "refused": (plain(b'{"error":{"message":"no"}}', 429), Limits(), (FAILED, "upstream_error", 429), ()),
    "failed": ([CUT], Limits(), (FAILED, "upstream_truncated", 502), ()),
    "failed in its stream": (
        streamed(BEGUN, 0.02, CUT),
        Limits(),
        (FAILED, "upstream_truncated", 200),
        (FAILED, "upstream_truncated", 502),
    ),
    "truncated": (
        streamed(BEGUN),
        Limits(),
        (FAILED, "upstream_truncated", 200),
        (FAILED, "upstream_truncated", 502),
    ),
    "said so itself": (
        streamed(BEGUN, sse({"error": {"message": "out of memory"}})),
        Limits(),
        (FAILED, "upstream_error", 200),
        (FAILED, "upstream_error", 502),
    ),
    "too late for a first byte": ([HANG], Limits(first_byte_s=0.1), (FAILED, "upstream_timeout", 504), ()),
    "too late for more": (
        streamed(BEGUN, HANG),
        Limits(idle_s=0.1),
        (FAILED, "upstream_timeout", 200),
        (FAILED, "upstream_timeout", 504),
    ),
    "too late for an end": (
        streamed(*again(BEGUN, 0.03, 100)),
        Limits(total_s=0.2),
        (FAILED, "upstream_timeout", 200),
        (FAILED, "upstream_timeout", 504),
    ),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("end", ENDS)
def test_an_end_that_the_engine_makes_is_settled_once(end: str, *, stream: bool) -> None:
    script, limits, of_a_stream, of_a_whole = ENDS[end]

    settlement = life(script, asks(stream=stream), limits)

    assert (of_a_stream if stream else of_a_whole or of_a_stream) == ended(settlement)
    assert ("anonymous", "chat", "u", "m") == (
        settlement.principal,
        settlement.action,
        settlement.upstream,
        settlement.model,
    )


@pytest.mark.parametrize("stream", [True, False])
def test_a_good_reply_is_settled_with_its_sizes_times_usage_and_repairs(*, stream: bool) -> None:
    sizes: list[int] = []

    async def play(stage: Stage) -> None:
        sizes.extend([len(chat_body(stream=stream)), len((await stage.client.chat(stream=stream)).body)])

    script = streamed(
        0.05, BEGUN, sse(chunk({"role": "assistant", "content": "lo"}), chunk(finish="stop"), USAGE, done=True)
    )
    settlement = life(script, play)

    assert sizes == [settlement.bytes_in, settlement.bytes_out]
    assert settlement.usage is not None
    assert (3, 4) == (settlement.usage.input_tokens, settlement.usage.output_tokens)
    assert {"role_repeated": 1} == {
        code: times for code, times in settlement.repairs.items() if code == "role_repeated"
    }
    assert settlement.first_byte_s is not None
    assert settlement.started_s + 0.04 < settlement.first_byte_s <= settlement.ended_s


def test_it_is_settled_before_its_last_bytes_leave() -> None:
    """A ledger must know before the client does: a client that has its end may ask for the bill."""
    order: list[str] = []

    class Slow(MemoryPolicy):
        def settle(self, settlement: Settlement, /) -> None:
            order.append("settled")
            super().settle(settlement)

    async def play(stage: Stage) -> None:
        await stage.client.chat()
        order.append("told")

    life(streamed(said("Hello")), play, policy=Slow())

    assert ["settled", "told"] == order


# Ends that the client makes


async def until_asked(stage: Stage) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not stage.engine.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)


GOING: dict[str, tuple[Sequence[Step], bool]] = {
    "waiting for the head": ([HANG], False),
    "waiting for the first byte": ([head(content_type="text/event-stream"), HANG], False),
    "waiting for the first event": (streamed(b": ping\n\n", HANG), False),
    "reading an error page": ([head(500, content_length="100"), b'{"err', HANG], False),
    "streaming": (streamed(BEGUN, HANG), True),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("stage", GOING)
def test_a_client_that_goes_is_settled_once_and_never_held_against_the_engine(
    stage: str, caplog: pytest.LogCaptureFixture, *, stream: bool
) -> None:
    script, begins = GOING[stage]

    async def play(staged: Stage) -> None:
        staged.client.send_chat(stream=stream)
        await until_asked(staged)
        if begins and stream:
            await staged.client.head()
        staged.client.vanish()
        await staged.engine.left()

    settlement = life(script, play)

    assert (Outcome.CLIENT_GONE, "cancelled", 200 if begins and stream else 0) == ended(settlement)
    assert "" == caplog.text


def test_a_client_that_goes_while_its_engine_is_being_connected_is_settled_once() -> None:
    async def main() -> Settlement:
        with unanswered() as url:
            policy = MemoryPolicy()
            app = gateway_of(url, Limits(), policy)
            async with served(app) as served_url, connected(served_url) as client, FakeEngine([]) as engine:
                client.send_chat()
                await asyncio.sleep(0.05)
                assert 1 == len(app._running)
                client.vanish()
                return await Stage(app, policy, engine, client).settled()

    assert (Outcome.CLIENT_GONE, "cancelled", 0) == ended(asyncio.run(main()))


def test_a_client_that_goes_before_its_request_is_whole_is_settled_once() -> None:
    async def play(stage: Stage) -> None:
        stage.client.send("POST", "/v1/chat/completions", b'{"model":', content_length="100")
        await asyncio.sleep(0.05)
        stage.client.vanish()

    assert (Outcome.CLIENT_GONE, "cancelled", 0) == ended(life([HANG], play))


def test_a_request_that_its_host_cancels_before_it_is_whole_is_settled_once() -> None:
    """Some ASGI hosts cancel the app's task where others send `http.disconnect`."""

    async def nothing_comes() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def nobody_hears(message: object) -> None:
        raise AssertionError(message)

    async def main() -> Settlement:
        policy = MemoryPolicy()
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [(b"host", b"localhost")]}
        task = asyncio.create_task(
            gateway_of("http://127.0.0.1:9", Limits(), policy)(scope, nothing_comes, nobody_hears)
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [settlement] = policy.settled
        return settlement

    assert (Outcome.CLIENT_GONE, "cancelled", 0) == ended(asyncio.run(main()))


def test_a_client_that_goes_after_its_end_has_had_it() -> None:
    async def play(stage: Stage) -> None:
        await stage.client.chat()
        stage.client.vanish()
        await stage.engine.left()

    assert (Outcome.OK, None, 200) == ended(life(streamed(said("Hello"), HANG), play, Limits(after_finish_s=0.1)))


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_reads_nothing_is_given_up_and_settled_once(*, stream: bool) -> None:
    """A whole reply is settled as it is written; that it is cut short is between the lane and the client."""
    big = [sse(chunk({"content": "x" * 100_000}))] * 200

    async def play(stage: Stage) -> None:
        stage.client.send_chat(stream=stream)
        await stage.client.head()
        if stream:
            await stage.engine.left(WITHIN_S)
        else:
            await stage.settled()
            await asyncio.sleep(0.6)
            assert 20_000_000 > len(await stage.client.reader.read(-1))

    settlement = life(streamed(*big, said()), play, Limits(write_stall_s=0.2))

    assert (Outcome.CLIENT_GONE if stream else Outcome.OK) == settlement.outcome


# Ends that Headgate makes


class _Faulty(OpenAI):
    """A dialect of somebody else, whose decoder fails at its second read, or at once."""

    def __init__(self, reads: int) -> None:
        self._reads = reads

    def decoder(self, reading: Reading, /) -> OpenAIDecoder:
        return _FaultyDecoder(reading, self._reads)


class _FaultyDecoder(OpenAIDecoder):
    record_end = b""  # no record is skipped

    def __init__(self, reading: Reading, reads: int) -> None:
        super().__init__(reading)
        self._left = reads

    def feed(self, data: bytes, /) -> list[Event]:
        if not self._left:
            raise KeyError("my secret prompt")
        self._left -= 1
        return super().feed(data)


@pytest.mark.parametrize(
    ("reads", "stream", "status"), [(0, True, 500), (1, True, 200), (0, False, 500), (1, False, 500)]
)
def test_a_fault_of_ours_is_settled_once(reads: int, status: int, *, stream: bool) -> None:
    settlement = life(streamed(BEGUN, 0.05, BEGUN, HANG), asks(stream=stream), dialect=_Faulty(reads))

    assert (Outcome.INTERRUPTED, "internal", status) == ended(settlement)


@pytest.mark.parametrize(
    ("script", "stream", "status"),
    [
        ([HANG], True, 503),
        ([HANG], False, 503),
        (streamed(BEGUN, HANG), True, 200),
        (streamed(BEGUN, HANG), False, 503),
        ([head(500, content_length="100"), b'{"err', HANG], True, 503),
    ],
)
def test_a_drained_request_is_told_so_and_settled_once(script: Sequence[Step], status: int, *, stream: bool) -> None:
    async def play(stage: Stage) -> None:
        stage.client.send_chat(stream=stream)
        await until_asked(stage)
        for _ in range(2):
            stage.app.stop()
        reply = await stage.client.reply()

        assert (status, "shutting_down") == (reply.status, error_of(reply)["code"])
        await stage.engine.left()

    assert (Outcome.INTERRUPTED, "shutting_down", status) == ended(life(script, play))


def test_a_drain_does_not_touch_what_has_its_end() -> None:
    async def play(stage: Stage) -> None:
        assert "Hello" == (await stage.client.chat()).text()
        stage.app.stop()

    assert (Outcome.OK, None, 200) == ended(life(streamed(said("Hello"), HANG), play))


def test_a_drain_while_the_client_reads_slowly_still_tells_it() -> None:
    async def play(stage: Stage) -> None:
        stage.client.send_chat()
        await stage.client.head()
        await asyncio.sleep(0.2)
        stage.app.stop()
        pieces: list[bytes] = []
        while piece := await stage.client.chunk():
            pieces.append(piece)

        assert 1 == b"".join(pieces).count(b'"code":"shutting_down"')
        assert b"[DONE]" not in pieces[-1]

    script = streamed(*[sse(chunk({"content": "x" * 8000}))] * 3000)
    assert Outcome.INTERRUPTED == life(script, play).outcome


# Ends before an exchange


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", "invalid_request"), (b'{"model":"m"}', "invalid_request"), (b"x" * 2000, "body_too_large")],
)
def test_a_request_that_cannot_be_read_is_settled_once(body: bytes, code: str) -> None:
    async def play(stage: Stage) -> None:
        reply = await stage.client.ask("POST", "/v1/chat/completions", body)
        assert code == reply.json()["error"]["code"]
        assert "x-request-id" in reply.headers
        assert not stage.engine.asked

    settlement = life([HANG], play, Limits(body_bytes_max=1000))

    assert (Outcome.REFUSED, code) == ended(settlement)[:2]
    assert settlement.upstream is None


def test_a_request_that_the_policy_refuses_asks_nobody_and_is_settled_once() -> None:
    class Closed(MemoryPolicy):
        def authorise(self, principal: str, action: str, model: str | None, /) -> None:
            super().authorise(principal, action, model)
            raise RequestError("forbidden", "this key may not use this model.")

    async def play(stage: Stage) -> None:
        assert 403 == (await stage.client.chat()).status
        assert not stage.engine.asked

    settlement = life([HANG], play, policy=Closed())

    assert (Outcome.REFUSED, "forbidden", 403) == ended(settlement)
    assert "m" == settlement.model


class _Unaskable:
    """An upstream with a fault."""

    name = "u"

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        raise KeyError("my secret prompt")

    async def fetch(self, request: HttpRequest, /) -> Reply:
        raise KeyError("my secret prompt")

    async def close(self) -> None:
        """Nothing to close."""


def test_an_upstream_that_cannot_be_asked_is_settled_once() -> None:
    async def play(stage: Stage) -> None:
        assert 500 == (await stage.client.chat()).status

    assert (Outcome.INTERRUPTED, "internal", 500) == ended(life([HANG], play, upstream=_Unaskable()))


# What every reply says of itself


REPLIES: dict[str, tuple[Sequence[Step], Limits]] = {
    "good": (streamed(said("Hello")), Limits()),
    "an error": (plain(b"{}", 500), Limits()),
    "a failure": ([CUT], Limits()),
    "late": ([HANG], Limits(first_byte_s=0.1)),
    "kept alive": ([0.2, *streamed(said("Hello"))], Limits(keepalive_s=0.04)),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", REPLIES)
def test_every_reply_says_who_answered_and_what_it_cost_us(kind: str, *, stream: bool) -> None:
    script, limits = REPLIES[kind]

    async def play(stage: Stage) -> None:
        reply = await stage.client.chat(stream=stream, model="Qwen/q:1", headers={"x_request_id": "mine-1"})

        assert ("u", "Qwen/q:1") == (reply.headers["x-headgate-upstream"], reply.headers["x-headgate-model"])
        assert "mine-1" == reply.headers["x-request-id"]
        assert 0 < int(reply.headers["x-headgate-overhead-us"]) < 100_000

    assert "mine-1" == life(script, play, limits).request_id


def test_what_the_engine_takes_is_no_overhead_of_ours() -> None:
    """A whole reply is held back until its end, and that takes as long as the engine does."""
    script = streamed(0.1, BEGUN, 0.1, sse(chunk({"content": "lo"})), 0.1, sse(chunk(finish="stop"), done=True))

    async def play(stage: Stage) -> None:
        for stream in (True, False):
            reply = await stage.client.chat(stream=stream)
            assert 0 < int(reply.headers["x-headgate-overhead-us"]) < 100_000
        stage.policy.settled.pop()
        stage.policy.authorised -= 1

    life(script, play)


class _Slow(OpenAI):
    """A dialect whose decoder takes its time."""

    def decoder(self, reading: Reading, /) -> OpenAIDecoder:
        return _SlowDecoder(reading)


class _SlowDecoder(OpenAIDecoder):
    def feed(self, data: bytes, /) -> list[Event]:
        time.sleep(0.02)
        return super().feed(data)


@pytest.mark.parametrize(("stream", "reads"), [(True, 1), (False, 2)])
def test_what_we_take_is_overhead_of_ours(reads: int, *, stream: bool) -> None:
    """A stream's first byte needs one read, a whole reply's needs them all."""

    async def play(stage: Stage) -> None:
        reply = await stage.client.chat(stream=stream)
        assert reads * 20_000 <= int(reply.headers["x-headgate-overhead-us"]) < 200_000

    life(streamed(BEGUN, 0.1, sse(chunk(finish="stop"), done=True)), play, dialect=_Slow())


# Deadlines of the gateway's own


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_only_sends_comments_is_late(*, stream: bool) -> None:
    async def play(stage: Stage) -> None:
        reply = await stage.client.chat(stream=stream)

        assert (504, "upstream_timeout") == (reply.status, error_of(reply)["code"])
        assert "first event from u within 0.2 s (limits.first_byte_s)" in error_of(reply)["message"]
        await stage.engine.left()

    life(streamed(*again(b": ping\n\n", 0.02, 100)), play, Limits(first_byte_s=0.2))


def test_the_whole_reply_has_a_deadline_that_names_itself() -> None:
    async def play(stage: Stage) -> None:
        reply = await stage.client.chat()

        assert (200, "upstream_timeout") == (reply.status, error_of(reply)["code"])
        assert "within 0.2 s (limits.total_s)" in error_of(reply)["message"]

    life(streamed(*again(BEGUN, 0.03, 100)), play, Limits(total_s=0.2))


def test_without_that_deadline_a_reply_may_take_for_ever() -> None:
    settlement = life(
        streamed(*again(BEGUN, 0.03, 10), said()), asks(stream=True), Limits(total_s=None, keepalive_s=0.05)
    )

    assert Outcome.OK == settlement.outcome


def test_after_its_finish_an_engine_that_goes_on_is_not_waited_for() -> None:
    """Comments, or anything else, do not extend the time that usage has."""
    finished = sse(chunk({"content": "Hello"}), chunk(finish="stop"))

    async def play(stage: Stage) -> None:
        assert "Hello" == (await stage.client.chat()).text()
        await stage.engine.left()

    life(streamed(finished, *again(b": more\n\n", 0.02, 2000)), play, Limits(after_finish_s=0.1))


def test_a_stream_waits_for_its_first_event_no_longer_than_for_a_keep_alive() -> None:
    """Until then a failure is a status; afterwards proxies and clients would have given up."""

    async def play(stage: Stage) -> None:
        began_s = asyncio.get_running_loop().time()
        stage.client.send_chat()
        status, _ = await stage.client.head()

        assert 200 == status
        assert 0.1 <= asyncio.get_running_loop().time() - began_s < WITHIN_S
        stage.client.vanish()

    life([HANG], play, Limits(keepalive_s=0.1))
