"""How many streams of 50 tokens a second something carries without falling behind, found by bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.programs import Load
from bench.scenarios import Scenario, paced

_CHUNKS_PER_S = 50
_SHARE = 0.98
"""Of the chunks that are offered; the rest is the time between one stream of a connection and the next."""
_DELAY_US_MAX = 5000
_FIRST, _LAST, _STEP = 500, 2400, 1.07
_TOKENS = 200
_TRIES = 3


class Capacity(NamedTuple):
    """The greatest number of streams that was carried, and how that went."""

    streams: int
    load: Load


def steps() -> list[int]:
    """The numbers of streams among which the search chooses."""
    found = [_FIRST]
    while found[-1] < _LAST:
        found.append(int(found[-1] * _STEP) + 1)
    return found


def is_carried(streams: int, seen: Load) -> bool:
    """Whether a load was carried: nearly all chunks came, the median one soon, and all of them right."""
    enough = seen.chunks_per_s >= _SHARE * _CHUNKS_PER_S * streams
    return enough and seen.delay_us_p50 < _DELAY_US_MAX and seen.is_right


def capacity(measure: Callable[[Scenario], Load]) -> Capacity | None:
    """Search for the greatest load that is carried; None if not even the smallest is."""
    grid = steps()
    low, high, best = 0, len(grid) - 1, None
    while low <= high:
        middle = (low + high) // 2
        found = _carried(grid[middle], measure)
        if found is not None:
            best, low = found, middle + 1
        else:
            high = middle - 1
    return best


def _carried(streams: int, measure: Callable[[Scenario], Load]) -> Capacity | None:
    """Try a load; one that is not carried is tried again, since a busy moment of the machine can only take away."""
    for _ in range(_TRIES):
        seen = measure(paced(streams, 3.0, name=f"carries-{streams}", tokens=_TOKENS))
        if is_carried(streams, seen):
            return Capacity(streams, seen)
    return None
