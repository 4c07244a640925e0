"""Blocks -> lines of text in columns, for pipes and files."""

from __future__ import annotations

from collections.abc import Callable

from headgate.explain.harmless import harmless
from headgate.explain.layout import Block, Line, Segment

_NUMBER, _TIME, _SIZE = 6, 14, 11

Paint = Callable[[Segment], str]
"""Writes a segment, harmless by then, in its style."""


def text(block: Block, *, timed: bool = False, paint: Paint | None = None) -> str:
    """Write a block, its line ends included.

    Args:
        block: what to write.
        timed: whether the stream's times are known, so that there is a column for them.
        paint: what gives a segment its style; without it there is none.
    """
    paint = paint or _unpainted
    width = _NUMBER + _SIZE + (_TIME if timed else 0)
    head, (number, time, size) = "", block.head
    if any(block.head):
        head = f"{number:>{_NUMBER}}{f'{time:>{_TIME}}' if timed else ''}{size:>{_SIZE}}"
    lines = [_line(head if place == 0 else "", line, width, paint) for place, line in enumerate(block.lines)]
    if block.raw is not None:
        lines.append(f"{'raw':>{width}}  {harmless(block.raw)}\n")
    return "".join(lines)


def _line(head: str, line: Line, width: int, paint: Paint) -> str:
    words = "".join(paint(segment._replace(text=harmless(segment.text))) for segment in line.segments)
    if not head and not line.label:
        return f"{words}\n"
    return f"{head or line.label:>{width}}  {words}".rstrip() + "\n"


def _unpainted(segment: Segment) -> str:
    return segment.text
