"""The ratios that are promised, what they must be, and what they aim at.

Each is made of two or more loads of the same round, so that a busy machine weighs on both sides of it alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from bench.results import Figures, NotMeasuredError, Round, Run, Summary, figures, rounds
from bench.scenarios import CAPACITY, SURFACES

_STALLED_CLIENTS = 50


class Measure(NamedTuple):
    """A number that is promised.

    `must` and `aim` are bounds: from below where `more_is_better`, else from above. `aim` is None where `must` is all.
    """

    name: str
    of: Callable[[Round], float]
    must: float
    aim: float | None = None
    more_is_better: bool = False
    unit: str = "times"

    def holds(self, value: float) -> bool:
        """Whether a value is what it must be."""
        return value >= self.must if self.more_is_better else value <= self.must

    def reaches(self, value: float) -> bool:
        """Whether it is even what it aims at."""
        if self.aim is None:
            return self.holds(value)
        return value >= self.aim if self.more_is_better else value <= self.aim


def _ratio(upper: float, lower: float) -> float:
    """A ratio; what is measured too coarsely to divide by is missing."""
    if lower <= 0:
        raise NotMeasuredError
    return upper / lower


def _cpu(one: Round, gateway: str, scenario: str) -> float:
    seen = one.load(gateway, scenario)
    return _ratio(seen.gateway_cpu_s, seen.chunks)


def _capacity(one: Round) -> float:
    return _ratio(one.sample("headgate", CAPACITY).streams, one.sample("nginx", CAPACITY).streams)


def _cpu_ratio(scenario: str, gateway: str, other: str, other_scenario: str = "") -> Callable[[Round], float]:
    return lambda one: _ratio(_cpu(one, gateway, scenario), _cpu(one, other, other_scenario or scenario))


def _saturated(one: Round, gateway: str) -> float:
    """The most chunks a second under any paced load."""
    paced = [seen for seen in one.of(gateway) if seen.scenario.startswith("paced") or seen.scenario == CAPACITY]
    return max((seen.load.chunks_per_s for seen in paced), default=0.0)


def _saturated_ratio(one: Round) -> float:
    return _ratio(_saturated(one, "headgate"), _saturated(one, "litellm"))


def _flooded_ratio(one: Round) -> float:
    ours, theirs = one.load("headgate", "flood"), one.load("litellm", "flood-slow")
    return _ratio(ours.chunks_per_s, theirs.chunks_per_s)


def _added_delay_ratio(one: Round) -> float:
    alone_us = one.load("direct", "paced200").delay_us_p50
    added = (one.load(name, "paced200").delay_us_p50 - alone_us for name in ("headgate", "nginx"))
    return _ratio(*added)


def _added_first_ratio(one: Round) -> float:
    alone_us = one.load("direct", "paced200").first_us_p50
    added = (one.load(name, "paced200").first_us_p50 - alone_us for name in ("headgate", "nginx"))
    return _ratio(*added)


def _first_ratio(one: Round) -> float:
    return _ratio(one.load("litellm", "paced20").first_us_p50, one.load("headgate", "paced20").first_us_p50)


def _whole_ratio(other: str) -> Callable[[Round], float]:
    return lambda one: _ratio(one.load("headgate", "whole").requests_per_s, one.load(other, "whole").requests_per_s)


def _grown_kb(one: Round, scenario: str, each: int) -> float:
    seen = one.load("headgate", scenario)
    return (seen.rss_kb_after - seen.rss_kb_before) / each


def _open_kb(one: Round) -> float:
    """Of a thousand streams or of five thousand, whichever is more."""
    found = [_grown_kb(one, "open1000", 1000)]
    with suppress(NotMeasuredError):  # a quick run leaves it out
        found.append(_grown_kb(one, "open5000", 5000))
    return max(found)


def _stalled_kb(one: Round) -> float:
    return _grown_kb(one, "stalled", _STALLED_CLIENTS)


def _stalled_flat(one: Round) -> float:
    return _ratio(_grown_kb(one, "stalled-longer", _STALLED_CLIENTS), _stalled_kb(one))


def _tail_growth(one: Round) -> float:
    """How much more the p99 delay grows from 64 streams to 1,000 than nginx's does."""
    growths = [
        _ratio(one.load(name, "paced1000").delay_us_p99, one.load(name, "paced64").delay_us_p99)
        for name in ("headgate", "nginx")
    ]
    return _ratio(*growths)


def _start_s(one: Round) -> float:
    return statistics.median(seen.start_s for seen in one.of("headgate"))


def _rss_mb(one: Round) -> float:
    return max(seen.rss_kb for seen in one.of("headgate")) / 1024


MEASURES = (
    Measure("paced capacity on one core, of nginx's", _capacity, 0.75, 0.85, more_is_better=True),
    Measure("CPU per chunk, 200 paced streams, against nginx", _cpu_ratio("paced200", "headgate", "nginx"), 1.3, 1.15),
    # What the capacity comes to, and steadier than it where others use the machine too: CPU time is our own.
    Measure(
        "CPU per chunk, 1,000 paced streams, against nginx", _cpu_ratio("paced1000", "headgate", "nginx"), 1.34, 1.18
    ),
    Measure("CPU per chunk, coalesced, against the relay", _cpu_ratio("coalesced", "headgate", "relay"), 3, 2),
    Measure(
        "saturated chunks/s, paced, against litellm",
        _saturated_ratio,
        30,
        more_is_better=True,
    ),
    Measure(
        "saturated chunks/s, flood, against litellm",
        _flooded_ratio,
        100,
        more_is_better=True,
    ),
    Measure(
        "added chunk delay p50, 200 streams, against nginx's added",
        _added_delay_ratio,
        2,
        1.3,
    ),
    Measure(
        "added time to first token p50, 200 streams, against nginx's added",
        _added_first_ratio,
        4,
        2,
    ),
    Measure("litellm's time to first token p50, 20 streams, against ours", _first_ratio, 200, more_is_better=True),
    Measure("non-streaming requests/s, of nginx's", _whole_ratio("nginx"), 0.25, 0.4, more_is_better=True),
    Measure("non-streaming requests/s, against litellm", _whole_ratio("litellm"), 100, more_is_better=True),
    Measure("memory for an open slow stream", _open_kb, 16, 8, unit="kB"),
    Measure("growth for a stalled client on an endless upstream", _stalled_kb, 300, unit="kB"),
    Measure("that growth after 16 s, against 8 s", _stalled_flat, 1.2),
    Measure("start-up to the first answer", _start_s, 0.4, unit="s"),
    Measure("RSS after the first answer", _rss_mb, 45, unit="MB"),
    *(
        Measure(
            f"CPU per chunk, coalesced, surface {name}, against OpenAI chat",
            _cpu_ratio(f"surface-{name}", "headgate", "headgate", "coalesced"),
            1.5,
        )
        for name in SURFACES
    ),
    Measure(
        "CPU per chunk, coalesced, markup on, against off",
        _cpu_ratio("coalesced", "headgate", "headgate-markup-off"),
        1.3,
    ),
    Measure(
        "CPU per chunk, coalesced, Ollama's NDJSON upstream, against SSE",
        _cpu_ratio("coalesced", "headgate-ndjson", "headgate"),
        1.3,
    ),
    Measure("growth of the p99 delay, 64 to 1,000 streams, against nginx's", _tail_growth, 1.0),
    Measure("CPU per chunk of two workers, against one", _cpu_ratio("paced200", "headgate-2", "headgate"), 1.1),
)


def values(run: Run) -> dict[str, list[float]]:
    """Each measure's value in every round that shows it."""
    found: dict[str, list[float]] = {}
    for one in rounds(run):
        for measure in MEASURES:
            try:
                found.setdefault(measure.name, []).append(float(f"{measure.of(one):.3g}"))
            except NotMeasuredError:
                continue
    return {name: values for name, values in found.items() if values}


def summary(run: Run) -> Summary:
    """Make a run small."""
    medians: list[Figures] = figures(run)
    return Summary(run.machine, run.date, run.command, medians, values(run), run.skipped)
