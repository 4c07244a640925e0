"""A report, written for people or for programs: `name -> text of all reports`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.doctor.renderers import document, junit, markdown, table
from headgate.doctor.report import Report

RENDERERS: dict[str, Callable[[Sequence[Report]], str]] = {
    "table": table.render,
    "json": document.render,
    "junit": junit.render,
    "markdown": markdown.render,
}
"""Every renderer, by name."""
