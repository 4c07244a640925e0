"""How long something takes by the processor's time, at its best: what others do is no fault of ours."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

Prepared = Callable[[], object]


class Case(NamedTuple):
    """What is timed: `prepare` makes what runs once, and `passing` chunks or requests pass in that."""

    name: str
    prepare: Callable[[], Prepared]
    passing: int
    unit: str = "chunk"


def measured_us(case: Case) -> float:
    """One run, in microseconds of this process for each chunk or request."""
    run = case.prepare()
    start_s = time.process_time()
    run()
    return 1e6 * (time.process_time() - start_s) / case.passing


def best_us(cases: Sequence[Case], runs: int) -> dict[str, float]:
    """The least of several runs of each, taken in turn, so that a slow moment is not one case's alone."""
    best = {case.name: float("inf") for case in cases}
    gc.collect()
    gc.disable()
    try:
        for _ in range(runs):
            for case in cases:
                best[case.name] = min(best[case.name], measured_us(case))
    finally:
        gc.enable()
    return best
