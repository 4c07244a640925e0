"""What the tests of the markup readers share: a text that means the same at every split, and is all there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markup_cases import TOOLS, splits, splitter_of
from pieces import Said, raw, said

from headgate.limits import DEFAULTS, Limits
from headgate.markup.spans import Span


def check(text: str, expected: Said, markup: str, tools: Any = TOOLS) -> None:
    """The text means this at every split, and not a character is lost."""
    for pieces in splits(text):
        spans = read(pieces, markup, tools)

        assert expected == said(spans), pieces
        assert text == raw(spans), pieces


def read(pieces: Iterable[str], markup: str, tools: Any = TOOLS, limits: Limits = DEFAULTS) -> list[Span]:
    """All spans of the pieces, with a family named."""
    reads = splitter_of(markup, tools, limits)
    return [*(span for piece in pieces for span in reads.feed(piece)), *reads.close()]


def one_call(name: str, arguments: str, text: str = "", reasoning: str = "") -> Said:
    """One call, and what was said beside it."""
    return Said(reasoning, text, ((name, arguments),))


def tool(name: str, *parameters: str) -> dict[str, Any]:
    """A tool with parameters of any type."""
    schema = {"type": "object", "properties": {parameter: {} for parameter in parameters}}
    return {"type": "function", "function": {"name": name, "parameters": schema}}
