"""Many clients at once, who leave or will not read: those who stay get their own reply, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from raw_http import Client, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.policy import MemoryPolicy, Outcome
from headgate.limits import Limits
from headgate.testing.fake_engine import Answer, Asked, FakeEngine, Step, chunk, sse, streamed
from headgate.upstream.http import HttpUpstream

SETTLE_S = 10.0
"""What a busy machine may take to close what nobody uses."""

STORM = 300
CALM = 20
TEXT = "x" * 8000


class Place(NamedTuple):
    """A gateway over one engine, and what can be seen of both."""

    url: str
    engine: FakeEngine
    upstream: HttpUpstream
    policy: MemoryPolicy


@asynccontextmanager
async def place(answer: Answer, limits: Limits) -> AsyncGenerator[Place]:
    async with FakeEngine(answer) as engine:
        upstream, policy = HttpUpstream("u", engine.url, limits=limits), MemoryPolicy()
        config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
        app = create_app(config, upstreams={"u": upstream}, limits=limits, policy=policy)
        async with served(app) as url:
            yield Place(url, engine, upstream, policy)


def echo(asked: Asked) -> Sequence[Step]:
    """Each reply carries its request's own word, in several pieces."""
    word = asked.json()["messages"][0]["content"]
    pieces: list[Step] = []
    for character in word:
        pieces += [0.001, sse(chunk({"content": character}))]
    return streamed(0.002, *pieces, sse(chunk(finish="stop"), done=True))


async def stays(url: str, word: str, *, stream: bool) -> None:
    """Ask, and get what was asked for."""
    async with connected(url) as client:
        reply = await client.chat(stream=stream, messages=[{"role": "user", "content": word}])
        text = reply.text() if stream else reply.json()["choices"][0]["message"]["content"]
        assert word == text


async def goes(url: str, word: str, patience_s: float, *, stream: bool, politely: bool) -> None:
    """Ask, and do not wait for the answer."""
    async with connected(url) as client:
        client.send_chat(stream=stream, messages=[{"role": "user", "content": word}])
        await asyncio.sleep(patience_s)
        if politely:
            client.writer.close()
        else:
            client.vanish()


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(SETTLE_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only how many


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")


def test_after_a_storm_of_leaving_clients_the_next_ones_are_served_and_nothing_is_settled_twice() -> None:
    dice = random.Random(7)
    limits = Limits(pool_idle_s=0.2)

    async def storm(at: Place) -> None:
        going = (
            goes(
                at.url,
                f"gone {number}",
                dice.uniform(0, 0.06),
                stream=dice.random() < 0.6,
                politely=dice.random() < 0.5,
            )
            for number in range(STORM)
        )
        staying = (stays(at.url, f"stays {number}", stream=bool(number % 2)) for number in range(STORM // 5))
        await asyncio.gather(*going, *staying)

    async def main() -> None:
        async with place(echo, limits) as at:
            await storm(at)
            await until(lambda: "0 in use" in repr(at.upstream))
            for number in range(CALM):
                await stays(at.url, f"calm {number}", stream=bool(number % 2))

            await until(lambda: at.policy.authorised == at.policy.outcomes.total())
            assert STORM // 5 + CALM <= at.policy.outcomes[Outcome.OK]
            assert {Outcome.OK, Outcome.CLIENT_GONE} == set(at.policy.outcomes)
            ids = [settlement.request_id for settlement in at.policy.settled]
            assert len(ids) == len(set(ids))

    asyncio.run(asyncio.wait_for(main(), 40))


@needs_proc
def test_after_a_storm_open_sockets_and_tasks_are_as_many_as_before() -> None:
    limits = Limits(pool_idle_s=0.1)

    async def main() -> None:
        async with place(echo, limits) as at:
            await stays(at.url, "first", stream=True)
            await until(lambda: "0 kept" in repr(at.upstream))
            await asyncio.sleep(0.1)
            files, tasks = open_files(), len(asyncio.all_tasks())
            for turn in range(3):
                await asyncio.gather(
                    *(
                        goes(at.url, f"{turn} {number}", number / 2000, stream=bool(number % 3), politely=False)
                        for number in range(STORM // 3)
                    )
                )

            await until(lambda: "0 in use, 0 kept" in repr(at.upstream))
            await until(lambda: 0 == at.engine.open_connections)
            await until(lambda: open_files() <= files)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            await stays(at.url, "last", stream=True)

    asyncio.run(asyncio.wait_for(main(), 40))


def test_slow_readers_are_bounded_and_harm_nobody() -> None:
    """What waits for one of them is a mark, and what the systems' sockets hold; the engine is not read on."""
    readers = 20

    def endless(asked: Asked) -> Sequence[Step]:
        word = asked.json()["messages"][0]["content"]
        return echo(asked) if word != "endless" else streamed(*[sse(chunk({"content": TEXT}))] * 4000)

    async def main() -> None:
        async with place(endless, Limits()) as at, open_all(at.url, readers) as slow:
            for client in slow:
                client.send_chat(messages=[{"role": "user", "content": "endless"}])
                await client.head()
            before, quiet = -1, 0
            while quiet < 3:  # a busy machine may rest once
                quiet = quiet + 1 if before == at.engine.written_bytes else 0
                before = at.engine.written_bytes
                await asyncio.sleep(0.05)
            assert before < readers * 16_000_000  # of 32 MB that each of them asked for

            began_s = asyncio.get_running_loop().time()
            await asyncio.gather(*(stays(at.url, f"calm {number}", stream=True) for number in range(CALM)))
            assert asyncio.get_running_loop().time() - began_s < SETTLE_S
            assert before >= at.engine.written_bytes - 100_000

            for client in slow:
                client.vanish()
            await until(lambda: "0 in use" in repr(at.upstream))
            await until(lambda: readers == at.policy.outcomes[Outcome.CLIENT_GONE])

    asyncio.run(asyncio.wait_for(main(), 40))


@asynccontextmanager
async def open_all(url: str, count: int) -> AsyncGenerator[list[Client]]:
    """So many clients."""
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(connected(url)) for _ in range(count)]
