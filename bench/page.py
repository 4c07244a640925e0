"""The pages that tell of speed: what stands between their marks is made of a summary; the rest is written by hand."""

from __future__ import annotations

import re
from pathlib import Path

from bench.results import Summary
from bench.table import (
    FIGURE_HEADINGS,
    MEASURE_HEADINGS,
    SPEED_HEADINGS,
    figure_rows,
    markdown,
    measure_rows,
    speed_rows,
    start_rows,
)

_ROOT = Path(__file__).parents[1]
PAGES = (_ROOT / "docs" / "performance.md", _ROOT / "README.md")
_PART = re.compile(r"(<!-- made by make bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def parts(summary: Summary) -> dict[str, str]:
    """What stands between each pair of marks."""
    skipped = "".join(f"\nNot measured: {name}, {reason}.\n" for name, reason in summary.skipped.items())
    counts = sorted({len(values) for values in summary.measures.values()})
    rounds = " to ".join(str(count) for count in (counts[:1] + counts[-1:] if len(counts) > 1 else counts))
    return {
        "machine": f"{summary.date}, `{summary.command}`, {rounds} rounds.\n{summary.machine.sentence()}\n{skipped}",
        "measures": markdown(MEASURE_HEADINGS, measure_rows(summary)) + "\n",
        "speed": markdown(SPEED_HEADINGS, speed_rows(summary)) + "\n",
        "starts": markdown(("gateway", "first answer after s", "RSS MB"), start_rows(summary)) + "\n",
        "figures": markdown(FIGURE_HEADINGS, figure_rows(summary)) + "\n",
    }


def filled(text: str, summary: Summary) -> str:
    """The page's text with its parts made anew.

    Raises:
        KeyError: if a mark names a part that there is not.
    """
    made = parts(summary)
    return _PART.sub(lambda found: f"{found[1]}\n{made[found[2]]}\n{found[3]}", text)


def named_parts(text: str) -> list[str]:
    """The parts that a page has marks for."""
    return [found[2] for found in _PART.finditer(text)]


def rewrite(summary: Summary) -> None:
    """Make the pages' parts anew."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), summary), encoding="utf-8")
