"""One llama.cpp process, kept running: started, told about, started again when it dies, ended.

Strategy: a thread makes the process and waits for its end, since Linux ends a process with the thread that made it
(`PR_SET_PDEATHSIG`), and since the engine must be up before there is an event loop.
"""

from __future__ import annotations

import enum
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from headgate.config.embedded import EmbeddedConfig
from headgate.errors import ConfigError
from headgate.upstream.embedded_log import EngineLog
from headgate.upstream.embedded_orphans import PidFile, end_orphans, forget, remember, state_folder
from headgate.upstream.embedded_restarts import WINDOW_S, Restarts
from headgate.upstream.embedded_start import Child, StartError, check, ended, spawn, start

_logger = logging.getLogger(__name__)
_END_S = 5.0
"""How long a killed process may take to end, in `stop`."""


class Phase(enum.Enum):
    """Where an engine is in its life."""

    IDLE = "idle"  # nobody has asked for it yet
    STARTING = "starting"  # also the pause before another start
    READY = "ready"
    FAILED = "failed"  # it did not start, or died too often
    STOPPED = "stopped"


class Status(NamedTuple):
    """A phase; when it is ready, where it listens and its key; when it failed, why."""

    phase: Phase
    url: str = ""
    key: str = ""
    reason: str = ""


class EmbeddedEngine:
    """Keeps an engine running from `start` to `stop`. All methods may be called in any thread, and only `wait` waits.

    Args:
        name: what messages call it.
        config: what to start.
        model: the name under which its model is served; the file's own by default.
        state: the folder for its log and process id; by default where the process's environment says.

    Raises:
        ConfigError: if it cannot be started (`embedded_start.check`).
    """

    def __init__(
        self, name: str, config: EmbeddedConfig, *, model: str | None = None, state: Path | None = None
    ) -> None:
        check(config)
        self.name = name
        self.config = config
        self.model = model or Path(config.gguf).stem
        self._state = state or state_folder(os.environ)
        self.log = EngineLog(None if self._state is None else self._state / f"engine-{_file_name(name)}.log")
        self._changed = threading.Condition(threading.RLock())
        self._status = Status(Phase.IDLE)
        self._failed_s = 0.0
        self._listeners: list[Callable[[], None]] = []
        self._waiting = 0
        self._stopping = threading.Event()
        self._child: Child | None = None
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> Status:
        """Where it is now."""
        return self._status

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called, in another thread, whenever the status has changed."""
        self._listeners.append(listener)

    def start(self) -> Status:
        """Start it, unless that was done. One that has failed is tried again when a minute has passed."""
        with self._changed:
            rested = self._status.phase is Phase.FAILED and time.monotonic() - self._failed_s > WINDOW_S
            if self._status.phase is Phase.IDLE or rested:
                self._tell(Status(Phase.STARTING))
                self._thread = threading.Thread(target=self._run, name="headgate-engine", daemon=True)
                self._thread.start()
            return self._status

    def wait(self, seconds: float) -> Status:
        """Wait until it is started or has failed, at most for some seconds."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._status.phase is not Phase.STARTING, seconds)
            self._waiting -= 1
            return self._status

    def stop(self) -> None:
        """End it for good. It has nothing to save, so it is killed."""
        with self._changed:
            self._stopping.set()
            if self._child is not None:
                self._child.process.kill()
            self._tell(Status(Phase.STOPPED))

    def join(self) -> None:
        """Wait until a stopped one has ended."""
        if self._thread is not None:
            self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            self._keep()
        except Exception as error:
            _logger.exception("%s: Headgate itself failed; please report it.", self.name)
            self._give_up(f"Headgate itself failed ({type(error).__name__}); please report it.")

    def _keep(self) -> None:
        """Start it, and again when it has died, until it is stopped or has died too often."""
        restarts = Restarts()
        for pid in end_orphans(self._state):
            _logger.warning("ended an engine (process %d) that a gateway before this one has left behind.", pid)
        was_ready = False
        while not self._stopping.is_set():
            try:
                child = self._begin()
            except (StartError, ConfigError, OSError) as error:
                death = str(error)
            else:
                was_ready = True
                death = self._live(child)
            if self._stopping.is_set():
                return
            pause_s = restarts.pause_s(time.monotonic()) if was_ready else None
            if pause_s is None:
                self._give_up(death if not was_ready else f"{death} It died {restarts.count} times in {WINDOW_S:g} s.")
                return
            _logger.warning("%s: %s Starting it again in %g s.", self.name, death, pause_s)
            self._tell(Status(Phase.STARTING))
            self._stopping.wait(pause_s)

    def _begin(self) -> Child:
        """Make the process, and wait until it serves.

        Raises:
            StartError: if it does not.
            ConfigError: if its template cannot be read any more.
            OSError: if there can be no process.
        """
        with self._changed:
            if self._stopping.is_set():
                raise StartError("it was stopped.")
            self._child = child = spawn()
        remember(self._state, PidFile(child.process.pid, os.getpid(), child.run))
        try:
            return start(child, self.config, self.model, self.log)
        except BaseException:
            self._end(child)
            raise

    def _live(self, child: Child) -> str:
        """Wait for the end of a process that serves. Returns how it ended, as a sentence."""
        self._tell(Status(Phase.READY, child.url, child.key))
        code = child.process.wait()
        self._end(child)
        seen = f" ({self.log.complaints[-1]})" if self.log.complaints else ""
        where = "" if self.log.path is None else f" Its log is {self.log.path}."
        return f"llama.cpp died: {ended(code)}{seen}.{where}"

    def _end(self, child: Child) -> None:
        child.process.kill()
        child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()
        forget(self._state, child.run)

    def _give_up(self, reason: str) -> None:
        if not self._waiting:  # else whoever waits is told
            _logger.error("%s: %s It is not started again.", self.name, reason)
        self._failed_s = time.monotonic()
        self._tell(Status(Phase.FAILED, reason=reason))

    def _tell(self, status: Status) -> None:
        with self._changed:
            if self._status.phase is not Phase.STOPPED:
                self._status = status
            self._changed.notify_all()
        for listener in tuple(self._listeners):
            listener()


def _file_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in name)
