"""Usage as each choice reports it -> the response's.

Spec: ours (`docs/events.md`): outputs are added, the prompt, which all choices share, is counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headgate.events import Usage


def in_all(reports: Sequence[Usage]) -> Usage:
    """Return the response's usage.

    Args:
        reports: the last report of each choice, at least one.
    """
    first = reports[0]
    if len(reports) == 1:
        return first
    return Usage(
        input_tokens=first.input_tokens,
        output_tokens=_sum(report.output_tokens for report in reports),
        cached_tokens=first.cached_tokens,
        cache_write_tokens=first.cache_write_tokens,
        reasoning_tokens=_sum(report.reasoning_tokens for report in reports),
        timings=next((report.timings for report in reversed(reports) if report.timings), None),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum of what was reported; None where nothing was."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
