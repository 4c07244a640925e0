"""How many clients may be connected, in all and from one address.

Strategy: a process that has no file left can accept nobody and ask no engine, and notices it in the middle of anything.
So it stops before that: who comes too many is told so, and in a flood only dropped.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from enum import Enum

from headgate.limits import Limits

_FILES = 10_240
"""Open files that are enough for 4,096 clients; macOS gives no process more."""
_TOLD_MAX = 64
"""Clients that are being told, at once; each holds a file for as long as it takes."""


class Verdict(Enum):
    """What becomes of a new connection."""

    SERVED = "served"
    TOLD = "told"  # that there are too many
    DROPPED = "dropped"  # without a word, since too many are being told


class Crowd:
    """Counts the connections of one server.

    Args:
        limits: `connections_max` and `connections_per_address_max`.
        files_max: how many files the process may have open; None if as many as it likes.
    """

    def __init__(self, limits: Limits, files_max: int | None) -> None:
        usual = None if files_max is None else files_max * 2 // 5
        self._in_all_max = _at_least_one(usual, limits.connections_max)
        share = None if self._in_all_max is None else self._in_all_max * 3 // 4
        self._address_max = _at_least_one(share, limits.connections_per_address_max)
        self._told_max = _TOLD_MAX if self._in_all_max is None else min(_TOLD_MAX, self._in_all_max // 8 + 1)
        self._in_all = self._told = 0
        self._of_address: Counter[str] = Counter()

    def enter(self, address: str, /) -> Verdict:
        """Count a new connection; `leave` with the verdict when it is gone."""
        if self._has_room(address):
            self._in_all += 1
            self._of_address[address] += 1
            return Verdict.SERVED
        if self._told < self._told_max:
            self._told += 1
            return Verdict.TOLD
        return Verdict.DROPPED

    def leave(self, address: str, verdict: Verdict, /) -> None:
        """Count a connection no longer."""
        if verdict is Verdict.TOLD:
            self._told -= 1
        elif verdict is Verdict.SERVED:
            self._in_all -= 1
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def _has_room(self, address: str) -> bool:
        if self._in_all_max is not None and self._in_all >= self._in_all_max:
            return False
        return self._address_max is None or self._of_address[address] < self._address_max


def files_max() -> int | None:
    """How many files this process may have open; None if as many as it likes."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - Windows has none

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def more_files() -> None:
    """Let this process open some thousand files, if it may: systems begin with 256 or 1,024."""
    now = files_max()
    if sys.platform == "win32" or now is None:
        return
    import resource  # noqa: PLC0415 - as above

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if now < wanted:
        # A system may have a limit of its own below the one that it tells; then the number stays as it is.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _at_least_one(usual: int | None, said: int | None) -> int | None:
    most = usual if said is None else said
    return None if most is None else max(1, most)
