"""Blocks -> lines of text in columns, in colours, for terminals.

Spec: https://ecma-international.org/publications-and-standards/standards/ecma-48/ (select graphic rendition)
"""

from __future__ import annotations

from headgate.explain import plain
from headgate.explain.layout import Block, Segment, Style

_RESET = "\x1b[0m"
_CODES = {
    Style.PLAIN: "",
    Style.DIM: "\x1b[2m",
    Style.FACT: "\x1b[32m",
    Style.EVENT: "\x1b[36m",
    Style.REPAIR: "\x1b[33m",
    Style.NOTE: "\x1b[35m",
    Style.ERROR: "\x1b[1;31m",
    Style.TITLE: "\x1b[1m",
}


def text(block: Block, *, timed: bool = False) -> str:
    """Write a block, its line ends included; see `plain.text`."""
    return plain.text(block, timed=timed, paint=_painted)


def _painted(segment: Segment) -> str:
    code = _CODES[segment.style] if segment.text else ""
    return f"{code}{segment.text}{_RESET}" if code else segment.text
