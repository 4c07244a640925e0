"""Summaries as tables: the measures against what they must be, and the medians behind them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.measures import MEASURES, Measure
from bench.results import Figures, Summary

MEASURE_HEADINGS = ("measure", "must be", "aim", "median", "rounds", "")
SPEED_HEADINGS = ("measure", "must be", "measured", "")
FIGURE_HEADINGS = (
    "gateway",
    "load",
    "chunks/s",
    "requests/s",
    "CPU µs/chunk",
    "CPU µs/request",
    "delay p50/p99 µs",
    "first p50/p99 µs",
    "grown MB",
    "streams",
    "waited",
)
UNMEASURED = "-"


def measure_rows(summary: Summary) -> list[tuple[str, ...]]:
    """A row for each measure, in its order; `rounds` shows the least and the greatest value."""
    return [_measure_row(one, summary.measures.get(one.name, [])) for one in MEASURES]


def _measure_row(measure: Measure, values: Sequence[float]) -> tuple[str, ...]:
    sign = "≥" if measure.more_is_better else "≤"
    must = f"{sign} {_number(measure.must)} {measure.unit}"
    aim = f"{sign} {_number(measure.aim)}" if measure.aim is not None else ""
    if not values:
        return (measure.name, must, aim, UNMEASURED, "", "not measured")
    median = statistics.median(values)
    spread = f"{_number(min(values))} to {_number(max(values))}" if len(values) > 1 else ""
    verdict = "reached" if measure.reaches(median) else "held" if measure.holds(median) else "**missed**"
    return (measure.name, must, aim, f"{_number(median)} {measure.unit}", spread, verdict)


def speed_rows(summary: Summary) -> list[tuple[str, ...]]:
    """A short row for each measure that was measured."""
    rows = [(name, must, median, verdict) for name, must, _, median, _, verdict in measure_rows(summary)]
    return [row for row in rows if row[2] != UNMEASURED]


def figure_rows(summary: Summary) -> list[tuple[str, ...]]:
    """A row for each load on each gateway."""
    return [_figure_row(one) for one in summary.figures]


def _figure_row(one: Figures) -> tuple[str, ...]:
    return (
        one.gateway,
        one.scenario,
        _number(one.chunks_per_s),
        _number(one.requests_per_s),
        _number(one.cpu_us_per_chunk),
        _number(one.cpu_us_per_request),
        _pair(one.delay_us_p50, one.delay_us_p99),
        _pair(one.first_us_p50, one.first_us_p99),
        _number(one.grown_kb / 1024 if one.grown_kb is not None else None),
        _number(one.streams),
        f"{one.waited:.0%}" if one.waited is not None else "",
    )


def start_rows(summary: Summary) -> list[tuple[str, ...]]:
    """How long each gateway takes to its first answer, and its memory then."""
    first = {one.gateway: one for one in reversed(summary.figures) if one.start_s is not None}
    return [(name, f"{one.start_s or 0:.2f}", _number(one.rss_mb)) for name, one in reversed(first.items())]


def _pair(median: float | None, tail: float | None) -> str:
    return "" if median is None else f"{_number(median)} / {_number(tail)}"


def _number(value: float | None) -> str:
    """Three digits, without powers of ten."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def plain(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return "\n".join(lines)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of a Markdown page."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
