"""Coarse timers for everything that waits: deadlines are seconds, and a timer per chunk costs more than a sweep.

Strategy: whoever waits says how short its shortest deadline is; those who are as patient are swept by one timer, so
that one engine's short deadline wakes nobody else.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

_SWEEP_S_MAX = 0.5
"""How late a long deadline may be noticed; the pools of the upstreams sweep as often."""
_SWEEPS = 4
"""Sweeps within a short deadline."""


class Ticking(Protocol):
    """What wants to know how late it is."""

    def tick(self, now_s: float, /) -> None:
        """Some time has passed; `now_s` is the loop's clock. Must not raise."""


class Ticker:
    """Calls `tick` of what was added, several times within its shortest deadline, until it is discarded."""

    def __init__(self) -> None:
        self._sweeps: dict[float, _Sweep] = {}  # by their pace; engines have few different deadlines

    def __len__(self) -> int:
        return sum(len(sweep.ticking) for sweep in self._sweeps.values())

    def add(self, ticking: Ticking, shortest_s: float, /) -> None:
        """Begin to call it, so often that a deadline of `shortest_s` is noticed soon. Of two calls the later counts."""
        every_s = min(_SWEEP_S_MAX, shortest_s / _SWEEPS)
        sweep = self._sweeps.get(every_s)
        if sweep is None:
            sweep = self._sweeps[every_s] = _Sweep(every_s)
        if len(self._sweeps) > 1:
            self.discard(ticking)
        sweep.ticking.add(ticking)
        if sweep.timer is None:
            sweep.arm()

    def discard(self, ticking: Ticking, /) -> None:
        """Stop calling it, if it was ever added."""
        for sweep in self._sweeps.values():
            sweep.ticking.discard(ticking)

    def close(self) -> None:
        """Stop altogether."""
        for sweep in self._sweeps.values():
            sweep.close()


class _Sweep:
    """One timer, which runs while there is anybody to be called."""

    def __init__(self, every_s: float) -> None:
        self.ticking: set[Ticking] = set()
        self._every_s = every_s
        self.timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        self.ticking.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def arm(self) -> None:
        if self.ticking:
            self.timer = asyncio.get_running_loop().call_later(self._every_s, self._run)

    def _run(self) -> None:
        self.timer = None
        now_s = asyncio.get_running_loop().time()
        for ticking in tuple(self.ticking):
            if ticking in self.ticking:  # a tick may end another one
                ticking.tick(now_s)
        self.arm()
