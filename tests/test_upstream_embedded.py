"""An upstream before a process that starts, dies and starts again; the process is scripted, the engine a fake one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import msgspec
import pytest
from upstream_engine import on_each_loop

from headgate.errors import UpstreamError
from headgate.limits import DEFAULTS
from headgate.messages import HttpRequest
from headgate.testing.fake_engine import CUT, Asked, FakeEngine, Script, cut, plain
from headgate.upstream.embedded import EmbeddedUpstream
from headgate.upstream.embedded_engine import Phase, Status
from headgate.upstream.http import HttpUpstream

REQUEST = HttpRequest(method="GET", path="/health")
SHORT = msgspec.structs.replace(DEFAULTS, connect_s=0.2)


class Scripted:
    """A process whose phases the test decides."""

    def __init__(self, status: Status | None = None) -> None:
        self.status = status or Status(Phase.STARTING)
        self.starts = 0
        self.stopped = 0
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def start(self) -> Status:
        self.starts += 1
        return self.status

    def stop(self) -> None:
        self.stopped += 1

    def join(self) -> None:
        assert self.stopped

    def becomes(self, status: Status) -> None:
        self.status = status
        for listener in self._listeners:
            listener()


def ready(engine: FakeEngine, key: str = "k1") -> Status:
    return Status(Phase.READY, engine.url, key)


def well(asked: Asked) -> Script:
    return plain(asked.headers.get("authorization", "").encode())


def upstream(process: Scripted) -> EmbeddedUpstream:
    def connect(url: str, key: str) -> HttpUpstream:
        return HttpUpstream("own", url, headers=[("authorization", f"Bearer {key}")])

    return EmbeddedUpstream("own", process, connect, limits=SHORT)


@on_each_loop
async def test_a_request_is_answered_with_the_key_of_the_process() -> None:
    async with FakeEngine(well) as engine:
        own = upstream(process := Scripted(ready(engine)))

        assert b"Bearer k1" == (await own.fetch(REQUEST)).body
        assert 1 == process.starts
        await own.close()


@on_each_loop
async def test_a_request_waits_for_an_engine_that_starts() -> None:
    async with FakeEngine(well) as engine:
        own = upstream(process := Scripted())
        waiting = asyncio.create_task(own.fetch(REQUEST))
        await asyncio.sleep(0.02)
        assert not waiting.done()

        process.becomes(ready(engine))

        assert 200 == (await waiting).status
        await own.close()


@on_each_loop
async def test_a_request_that_waits_too_long_fails() -> None:
    own = upstream(Scripted())

    with pytest.raises(UpstreamError, match=r"expected the embedded engine own to start within 0\.2 s"):
        await own.fetch(REQUEST)
    await own.close()


@pytest.mark.parametrize("late", [True, False])
@on_each_loop
async def test_a_request_to_an_engine_that_does_not_start_says_why(late: bool) -> None:  # noqa: FBT001
    failed = Status(Phase.FAILED, reason="llama.cpp cannot load it.")
    own = upstream(process := Scripted(None if late else failed))
    waiting = asyncio.create_task(own.fetch(REQUEST))
    await asyncio.sleep(0)
    if late:
        process.becomes(failed)

    with pytest.raises(UpstreamError, match=r"upstream_connect: llama\.cpp cannot load it\."):
        await waiting
    await own.close()


@on_each_loop
async def test_a_refused_request_waits_once_for_the_next_process() -> None:
    """Nothing listens any more where the process that has died did, and nobody knows yet."""
    async with FakeEngine(well) as engine:
        own = upstream(process := Scripted(Status(Phase.READY, "http://127.0.0.1:1", "k1")))
        waiting = asyncio.create_task(own.fetch(REQUEST))
        await asyncio.sleep(0.05)
        process.becomes(Status(Phase.STARTING))
        await asyncio.sleep(0.01)
        process.becomes(ready(engine, "k2"))

        assert b"Bearer k2" == (await waiting).body
        await own.close()


@on_each_loop
async def test_a_request_that_a_dying_process_took_waits_once_for_the_next() -> None:
    """It accepts connections until the last moment, and resets them."""
    async with FakeEngine([CUT]) as dying, FakeEngine(well) as engine:
        own = upstream(process := Scripted(ready(dying)))
        waiting = asyncio.create_task(own.fetch(REQUEST))
        await asyncio.sleep(0.05)
        process.becomes(ready(engine, "k2"))

        assert b"Bearer k2" == (await waiting).body
        await own.close()


@on_each_loop
async def test_a_request_that_breaks_the_next_process_too_fails() -> None:
    async with FakeEngine([CUT]) as one, FakeEngine([CUT]) as other:
        own = upstream(process := Scripted(ready(one)))
        waiting = asyncio.create_task(own.fetch(REQUEST))
        await asyncio.sleep(0.05)
        process.becomes(ready(other, "k2"))

        with pytest.raises(UpstreamError, match="got nothing"):
            await waiting
        assert [1, 1] == [len(one.asked), len(other.asked)]
        await own.close()


@on_each_loop
async def test_a_reply_that_has_begun_is_not_asked_for_again() -> None:
    [whole] = plain(b"hello")
    assert isinstance(whole, bytes)
    begun = cut([whole], len(whole) - 1)
    async with FakeEngine(begun) as dying, FakeEngine(well) as engine:
        own = upstream(process := Scripted(ready(dying)))
        waiting = asyncio.create_task(own.fetch(REQUEST))
        await asyncio.sleep(0.05)
        process.becomes(ready(engine, "k2"))

        with pytest.raises(UpstreamError, match="of 5 body bytes"):
            await waiting
        assert [] == engine.asked
        await own.close()


@on_each_loop
async def test_a_refused_request_fails_with_the_refusal_where_no_other_process_comes() -> None:
    own = upstream(Scripted(Status(Phase.READY, "http://127.0.0.1:1", "k1")))

    with pytest.raises(UpstreamError, match="nothing listens at 127"):
        await own.fetch(REQUEST)
    await own.close()


@on_each_loop
async def test_closing_fails_who_waits_and_ends_the_process() -> None:
    own = upstream(process := Scripted())
    waiting = asyncio.create_task(own.fetch(REQUEST))
    await asyncio.sleep(0)
    await own.close()

    with pytest.raises(UpstreamError, match="was closed here before it was ready"):
        await waiting
    assert process.stopped


@on_each_loop
async def test_a_call_that_is_given_up_waits_no_more() -> None:
    async with FakeEngine(well) as engine:
        own = upstream(process := Scripted())
        waiting = asyncio.create_task(own.fetch(REQUEST))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        process.becomes(ready(engine))
        await asyncio.sleep(0.02)

        assert [] == engine.asked
        await own.close()


@on_each_loop
async def test_the_process_ends_with_whoever_held_its_upstream() -> None:
    """As after a reload, when the last reply is over."""
    process = Scripted()
    own = upstream(process)

    del own
    gc.collect()

    assert 1 == process.stopped
