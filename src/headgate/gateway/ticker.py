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
        self._sweeps: dict[float, _Sweep] = {}  # as many as engines have different deadlines
        self._sweep_of: dict[Ticking, _Sweep] = {}

    def __len__(self) -> int:
        return len(self._sweep_of)

    def add(self, ticking: Ticking, shortest_s: float, /) -> None:
        """Begin to call it, so often that a deadline of `shortest_s` is noticed soon. Of two calls the later counts."""
        if ticking in self._sweep_of:
            self.discard(ticking)
        every_s = min(_SWEEP_S_MAX, shortest_s / _SWEEPS)
        sweep = self._sweeps.get(every_s)
        if sweep is None:
            sweep = self._sweeps[every_s] = _Sweep(every_s)
        self._sweep_of[ticking] = sweep
        sweep.add(ticking)

    def discard(self, ticking: Ticking, /) -> None:
        """Stop calling it, if it was ever added."""
        sweep = self._sweep_of.pop(ticking, None)
        if sweep is not None:
            sweep.ticking.discard(ticking)

    def close(self) -> None:
        """Stop altogether."""
        self._sweep_of.clear()
        for sweep in self._sweeps.values():
            sweep.close()


class _Sweep:
    """One timer, which runs while there is anybody to be called."""

    def __init__(self, every_s: float) -> None:
        self.ticking: set[Ticking] = set()
        self._every_s = every_s
        self._timer: asyncio.TimerHandle | None = None

    def add(self, ticking: Ticking, /) -> None:
        self.ticking.add(ticking)
        if self._timer is None:
            self._arm()

    def close(self) -> None:
        self.ticking.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self.ticking:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._run)

    def _run(self) -> None:
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        for ticking in tuple(self.ticking):
            if ticking in self.ticking:  # a tick may end another one
                ticking.tick(now_s)
        self._arm()
