"""How much longer four times the input takes: the measure of the tests of time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

LONG_ENOUGH_S = 0.006
SIZE_MAX = 256 * 1024
RUNS = 5
RUNS_MAX = 10
GROWTH = 4
AT_MOST = 6.0


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """A garbage collection in the middle of a run measures the other tests."""
    gc.disable()
    yield
    gc.enable()


Pieces = Sequence[Any]
Run = Callable[[Pieces], object]


class Case(NamedTuple):
    """A parser, and an input of about so many bytes, characters or events."""

    run: Run
    made: Callable[[int], Pieces]


def measured(run: Run, pieces: Pieces, times: int = 1) -> float:
    """How long it takes to run so many times, in seconds of this process: what others do is no fault of ours."""
    start = time.process_time()
    for _ in range(times):
        run(pieces)
    return time.process_time() - start


def growth(case: Case, size: int = 256) -> float:
    """How much longer four times the input takes, by the fastest of several runs; `size` is the least to begin with."""
    while (took := measured(case.run, small := case.made(size))) < LONG_ENOUGH_S and size < SIZE_MAX:
        size *= 2
    # Beyond some size it is the machine's memory that is measured: what is fast is run several times instead.
    repeat = max(1, round(LONG_ENOUGH_S / max(took, 1e-6)))
    fastest = min(measured(case.run, small, repeat) for _ in range(RUNS))
    large = case.made(size * GROWTH)
    slowest = float("inf")
    for _ in range(RUNS_MAX):
        slowest = min(slowest, measured(case.run, large, repeat))
        if slowest <= AT_MOST * fastest:
            break  # the fastest of more runs can only be faster
    return slowest / fastest


# -- inputs ------------------------------------------------------------------------------------------------------------


def whole(unit: Any, head: Any = None, tail: Any = None) -> Callable[[int], Pieces]:
    """About so much of `unit`, between a head and a tail, in one piece."""

    def made(size: int) -> Pieces:
        body = unit * max(size // len(unit), 1)
        return [(head or body[:0]) + body + (tail or body[:0])]

    return made


def one_by_one(unit: Any, head: Any = None, tail: Any = None) -> Callable[[int], Pieces]:
    """The same, one byte, character or event at a time."""
    made = whole(unit, head, tail)

    def cut(size: int) -> Pieces:
        data = made(size)[0]
        return [data[place : place + 1] for place in range(len(data))]

    return cut


WAYS = {"whole": whole, "one by one": one_by_one}
