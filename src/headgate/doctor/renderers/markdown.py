"""A report for an issue or a wiki: Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate.doctor.findings import breaks, sentence
from headgate.doctor.renderers import heading
from headgate.doctor.report import Report, printable


def render(reports: Sequence[Report]) -> str:
    """Write every report as a section."""
    return "\n".join("".join(f"{line}\n" for line in _lines(report)) for report in reports)


def _lines(report: Report) -> Iterator[str]:
    yield f"## {_cell(report.url)}"
    yield ""
    if report.failure is not None:
        yield f"Could not run: {_cell(report.failure)}"
        return
    yield f"{_cell(heading.subject(report))}: {heading.counts(report)}."
    yield ""
    yield "| check | outcome | findings | detail |"
    yield "|---|---|---|---|"
    for result in report.results:
        codes = ", ".join(f"`{finding.code}`" for finding in result.findings)
        yield f"| {result.name} | {result.outcome.value} | {codes} | {_cell(result.detail)} |"
    found = report.found()
    if found:
        yield ""
        yield "| finding | what it is | what breaks | seen in |"
        yield "|---|---|---|---|"
        yield from (f"| `{code}` | {sentence(code)} | {breaks(code)} | {', '.join(found[code])} |" for code in found)
    if said := heading.times(report):
        yield ""
        yield f"{said[0].upper()}{said[1:]}."


def _cell(text: str) -> str:
    """A text that came from outside, as one that means nothing to Markdown."""
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>|#!~" else character for character in printable(text))
