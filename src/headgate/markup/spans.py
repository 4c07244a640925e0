"""What markup parsing yields: spans of the text, in order.

Conservation: the `raw` of all spans, concatenated, is the text that went in, character for character.
Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a span is."""

    TEXT = "text"
    """Visible text; `value` is the text."""
    REASONING = "reasoning"
    """Reasoning; `value` is the text."""
    MARKUP = "markup"
    """Consumed tags and the white space that belongs to them."""
    BLOCK_END = "block_end"
    """The text or reasoning before is a block of its own (`raw` is empty)."""
    CALL = "call"
    """A tool call begins; `value` is the tool's name, `raw` its header."""
    ARGUMENTS = "arguments"
    """More of the open call's arguments; `value` is JSON text, and empty where much stood there that says nothing."""
    CALL_END = "call_end"
    """The open call is over; `raw` is its closer, if there was one."""
    REPAIR = "repair"
    """Nothing of the text: a repair to report; `value` is its code (`raw` is empty)."""


class Span(NamedTuple):
    """A piece of text: what it is, exactly what stood there, and what it means.

    `call_id` is the id that the markup itself gave a call, if it did.
    """

    kind: Kind
    raw: str
    value: str = ""
    call_id: str = ""


def text(raw: str) -> Span:
    """Visible text."""
    return Span(Kind.TEXT, raw, raw)


def reasoning(raw: str) -> Span:
    """Reasoning text."""
    return Span(Kind.REASONING, raw, raw)


def markup(raw: str) -> Span:
    """Consumed markup."""
    return Span(Kind.MARKUP, raw)


def repair(code: str) -> Span:
    """A repair to report."""
    return Span(Kind.REPAIR, "", code)


def without_empty(spans: list[Span]) -> list[Span]:
    """The spans that say something."""
    return [span for span in spans if span.raw or span.kind not in _NEVER_EMPTY]


_NEVER_EMPTY = (Kind.TEXT, Kind.REASONING, Kind.MARKUP, Kind.ARGUMENTS)
BLOCK_END = Span(Kind.BLOCK_END, "")
