"""A report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate.doctor.findings import breaks, sentence
from headgate.doctor.renderers import heading
from headgate.doctor.report import Report, Result, printable


def render(reports: Sequence[Report]) -> str:
    """Write every report, one under the other."""
    return "\n".join("".join(f"{printable(line)}\n" for line in _lines(report)) for report in reports)


def _lines(report: Report) -> Iterator[str]:
    yield report.url
    if report.failure is not None:
        yield f"  could not run: {report.failure}"
        return
    yield f"  {heading.subject(report)}"
    yield ""
    width = max((len(result.name) for result in report.results), default=0)
    yield from (f"  {result.name:<{width}}  {_said(result)}".rstrip() for result in report.results)
    for code, names in report.found().items():
        yield ""
        yield f"  {code}: {sentence(code)}"
        yield f"    breaks: {breaks(code)}"
        yield f"    seen in: {', '.join(names)}"
    yield ""
    yield f"  {heading.counts(report)}"
    if said := heading.times(report):
        yield f"  {said}"


def _said(result: Result) -> str:
    codes = ", ".join(f"{finding.code} {finding.detail}".strip() for finding in result.findings)
    return f"{result.outcome.value:<9}  {'; '.join(word for word in (codes, result.detail) if word)}"
