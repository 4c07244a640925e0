"""While the gateway serves: the configuration is read again when it changes, and engines are looked for.

Strategy: a bad configuration changes nothing but one line of output. Whatever is found takes over between two requests;
what runs goes on as it began.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from headgate.cli._banner import engines
from headgate.cli._engines import Chosen, Demo, choose
from headgate.cli._hangup import Hangups
from headgate.cli._settings import Found, Source
from headgate.config.values import Config
from headgate.errors import ConfigError
from headgate.upstream.base import Upstream

FILE_S = 2.0
"""How often the file is looked at."""
LOOK_S = 10.0
"""How often engines are looked for while there is none."""


class Gateway(Protocol):
    """What can be given another configuration while it serves."""

    def reload(self, config: Config, upstreams: Mapping[str, Upstream] | None = None) -> None:
        """Use another configuration from the next request on, or raise `ConfigError` and keep the one it has."""


class Watch:
    """Keeps a gateway up to date.

    Args:
        gateway: what is reloaded.
        source: where the configuration is read.
        found: what was read at the start.
        chosen: what the gateway serves at the start.
        environ: the environment.
        own_port: which the gateway listens on.
        say: tells the operator a sentence.
        demo: as for `choose`.
        file_s: seconds between two looks at the file.
        look_s: seconds between two looks for engines.
    """

    def __init__(
        self,
        gateway: Gateway,
        source: Source,
        found: Found,
        chosen: Chosen,
        *,
        environ: Mapping[str, str],
        own_port: int,
        say: Callable[[str], None],
        demo: Demo | None = None,
        file_s: float = FILE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._gateway = gateway
        self._source = source
        self._found = found
        self._chosen = chosen
        self._environ = environ
        self._own_port = own_port
        self._demo: Demo | None = demo
        self._file_s = file_s
        self._look_s = look_s
        self._say = say
        self._stamp = found.stamp
        self._told = asyncio.Event()
        self._lock = asyncio.Lock()  # the file and the engines may change in one moment
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, hangups: Hangups | None = None) -> None:
        """Begin to watch, in the running event loop. SIGHUP reads the configuration at once, where there is one.

        Args:
            hangups: what noted the signal until now; if it came, the configuration is read again.
        """
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow()), loop.create_task(self._search())]
        if hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, self._told.set)
        if hangups is not None and hangups.came:
            self._told.set()

    async def stop(self) -> None:
        """Watch no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            told = await self._pause()
            stamp = await asyncio.to_thread(self._source.stamp)
            if told or stamp != self._stamp:
                self._stamp = stamp
                await self._reread(told=told)

    async def _pause(self) -> bool:
        """Wait for the next look at the file; True if somebody asked for it."""
        try:
            async with asyncio.timeout(self._file_s):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True

    async def _reread(self, *, told: bool) -> None:
        try:
            found = await asyncio.to_thread(self._source.read)
            if not told and found.data == self._found.data and found.path == self._found.path:
                return  # touched, or saved without a change
            async with self._lock:
                self._take(await self._choose(found.settings.config))
        except ConfigError as error:
            self._say(f"{error} The configuration stays as it was.")
            return
        self._report(self._found, found)
        self._found = found

    async def _search(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            async with self._lock:
                if self._chosen.searching:
                    await self._look()

    async def _look(self) -> None:
        chosen = await self._choose(self._found.settings.config)
        if not chosen.searching:
            self._take(chosen)
            self._say(f"found {'; '.join(engines(chosen, self._look_s))}. The demo engine rests.")

    async def _choose(self, config: Config) -> Chosen:
        return await choose(config, self._environ, own_port=self._own_port, demo=self._demo)

    def _take(self, chosen: Chosen) -> None:
        # The listener stays where it is until a restart, and so does the rule who may reach it without a key.
        before = self._chosen.config
        config = msgspec.structs.replace(chosen.config, host=before.host, port=before.port)
        self._gateway.reload(config, chosen.given)
        self._chosen = chosen._replace(config=config)

    def _report(self, before: Found, found: Found) -> None:
        for warning in found.warnings:
            self._say(f"warning: {warning}")
        listed = "; ".join(engines(self._chosen, self._look_s))
        self._say(f"read {found.path or 'the configuration'} again. {listed}.")
        old, new = before.settings.config, found.settings.config
        if (old.host, old.port) != (new.host, new.port):
            self._say("host and port stay as they are until a restart.")
