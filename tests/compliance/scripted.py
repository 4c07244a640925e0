"""A gateway in front of an engine that a script speaks for, for clients that know no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.limits import DEFAULTS, Limits
from headgate.testing.fake_engine import Answer, FakeEngine
from headgate.testing.live import serving


class Scripted(NamedTuple):
    """The gateway's URL, the engine, and the loop in which that runs."""

    url: str
    engine: FakeEngine
    loop: asyncio.AbstractEventLoop

    def left(self, within_s: float = 2.0) -> None:
        """Wait until the gateway has closed a connection to the engine.

        Raises:
            TimeoutError: if it does not.
        """
        asyncio.run_coroutine_threadsafe(self.engine.left(within_s), self.loop).result(within_s + 1)


@contextmanager
def scripted(
    answer: Answer, dialect: str = "openai", limits: Limits = DEFAULTS, models: tuple[str, ...] = ("m",)
) -> Generator[Scripted]:
    """Serve an engine that answers so, in a loop of its own, and the gateway before it; no models are any model."""
    ready, stop = threading.Event(), threading.Event()
    running: list[tuple[FakeEngine, asyncio.AbstractEventLoop]] = []

    async def run() -> None:
        async with FakeEngine(answer) as engine:
            running.append((engine, asyncio.get_running_loop()))
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="engine")
    thread.start()
    ready.wait()
    engine, loop = running[0]
    upstream = UpstreamConfig(name="u", url=engine.url, dialect=dialect, models=models)
    try:
        with serving(create_app(Config(upstreams=(upstream,)), limits=limits)) as url:
            yield Scripted(url, engine, loop)
    finally:
        stop.set()
        thread.join()
