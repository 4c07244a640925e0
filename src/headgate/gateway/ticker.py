"""One coarse timer for everything that waits: deadlines are seconds, and a timer per chunk costs more than it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from headgate.limits import Limits

_SWEEP_S_MAX = 0.5
"""How late a deadline may be noticed; the pools of the upstreams sweep as often."""


class Ticking(Protocol):
    """What wants to know how late it is."""

    def tick(self, now_s: float, /) -> None:
        """Some time has passed; `now_s` is the loop's clock. Must not raise."""


class Ticker:
    """Calls `tick` of what was added, several times within the shortest deadline, while there is anything.

    Args:
        limits: the deadlines that are watched with it.
    """

    def __init__(self, limits: Limits) -> None:
        waits_s = limits.keepalive_s, limits.after_finish_s, limits.write_stall_s, limits.first_byte_s
        shortest_s = min(waits_s if limits.total_s is None else (*waits_s, limits.total_s))
        self._sweep_s = min(_SWEEP_S_MAX, shortest_s / 4)
        self._ticking: set[Ticking] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ticking)

    def add(self, ticking: Ticking, /) -> None:
        """Begin to call it."""
        self._ticking.add(ticking)
        self._arm()

    def discard(self, ticking: Ticking, /) -> None:
        """Stop calling it, if it was ever added."""
        self._ticking.discard(ticking)

    def close(self) -> None:
        """Stop altogether."""
        self._ticking.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._ticking:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        for ticking in tuple(self._ticking):
            if ticking in self._ticking:  # a tick may end another one
                ticking.tick(now_s)
        self._arm()
