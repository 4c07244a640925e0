"""Items -> blocks of labelled lines in named styles, which every renderer writes in its own way.

Strategy: what is said, and in which order, is decided here once; a renderer knows nothing of streams.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from headgate.explain import words
from headgate.explain.notes import NOTES, phrase
from headgate.explain.values import Fact, Folded, Item, Kind, Record, Remark
from headgate.repairs import CODES

_EFFECTS_MAX = 12
_RAW_BYTES_MAX = 4096
_SENT_CHARS_MAX = 400
"""Of a line that a client is sent: a whole chunk with a short text has some 200."""


class Style(Enum):
    """How a segment looks; the value is its class in HTML."""

    PLAIN = "plain"
    DIM = "dim"
    FACT = "fact"
    EVENT = "event"
    REPAIR = "repair"
    NOTE = "note"
    ERROR = "error"
    TITLE = "title"


class Segment(NamedTuple):
    """A piece of a line. The text may hold anything; a renderer makes it harmless."""

    text: str
    style: Style = Style.PLAIN


class Line(NamedTuple):
    """A labelled line."""

    label: str
    segments: tuple[Segment, ...]


class Head(NamedTuple):
    """What stands before a block's first line: its number, its time and its size; each may be empty."""

    number: str = ""
    time: str = ""
    size: str = ""


class Block(NamedTuple):
    """What is said of one item; `raw` is the record itself, if it was asked for."""

    head: Head
    lines: tuple[Line, ...]
    raw: str | None = None


def blocks(items: Iterable[Item], *, raw: bool = False) -> list[Block]:
    """Lay out items; with `raw`, each record with its bytes."""
    return [_folded(item) if isinstance(item, Folded) else _record(item, raw=raw) for item in items]


def title(text: str, *lines: str) -> Block:
    """The head of the whole annotation."""
    more = (Line("", (Segment(line, Style.DIM),)) for line in lines)
    return Block(Head(), (Line("", (Segment(text, Style.TITLE),)), *more))


def _record(record: Record, *, raw: bool) -> Block:
    lines = [Line("", tuple(_facts(record)))]
    if record.effects:
        lines.append(Line("became", tuple(_effects(record))))
    lines += [Line("repair", _repair(repair)) for repair in record.repairs]
    lines += [Line("note", _note(note)) for note in record.notes]
    lines += [Line("sends", (segment,)) for segment in _sent(record.sent)]
    number = {Kind.END: "end", Kind.LOG_LINE: ""}.get(record.kind, f"{record.number:,}")
    size = "" if record.kind is Kind.END else f"{record.size:,} B"
    head = Head(number, "" if record.at_s is None else words.milliseconds(record.at_s), size)
    return Block(head, tuple(lines), _raw(record) if raw and size else None)


def _folded(folded: Folded) -> Block:
    characters = f", {folded.characters:,} characters" if folded.characters else ""
    text = f": {words.quoted(folded.text)}" if folded.text else ""
    told = f"… {words.count(folded.records, f'more {folded.what}')}{characters} …"
    time = "" if folded.at_s is None else words.milliseconds(folded.at_s)
    return Block(Head("…", time, f"{folded.size:,} B"), (Line("", (Segment(told, Style.DIM), Segment(text))),))


def _facts(record: Record) -> list[Segment]:
    match record.kind:
        case Kind.END:
            return [Segment("the end of input", Style.DIM)]
        case Kind.LOG_LINE:
            return [Segment("log: ", Style.DIM), Segment(record.facts[0].json, Style.DIM)]
        case Kind.COMMENT:
            return [Segment("comment ", Style.DIM), *_fact(record.facts[0])]
        case Kind.RECORD if not record.facts:
            return [Segment("nothing that is read", Style.DIM)]
        case Kind.RECORD:
            return [part for number, fact in enumerate(record.facts) for part in _fact(fact, ", " * (number > 0))]


def _fact(fact: Fact, separator: str = "") -> list[Segment]:
    space = " " if fact.name and fact.json else ""
    return [Segment(separator + fact.name + space), Segment(fact.json, Style.FACT)]


def _effects(record: Record) -> list[Segment]:
    segments: list[Segment] = []
    for effect in record.effects[:_EFFECTS_MAX]:
        tag = words.tag(effect.event)
        text = words.effect(effect).removeprefix(tag)
        style = Style.ERROR if tag == "error" else Style.EVENT
        segments += [Segment(("; " if segments else "") + tag, style), Segment(text)]
    if (more := len(record.effects) - _EFFECTS_MAX) > 0:
        segments.append(Segment(f"; … {words.count(more, 'more event')} …", Style.DIM))
    return segments


def _repair(repair: Remark) -> tuple[Segment, ...]:
    detail = f" {words.quoted(repair.detail)}" if repair.detail else ""
    why = ", again" if repair.again else "" if repair.known else f": {CODES.get(repair.code, '')}"
    return Segment(repair.code, Style.REPAIR), Segment(detail), Segment(why, Style.DIM)


def _note(note: Remark) -> tuple[Segment, ...]:
    why = "" if note.known else f": {NOTES[note.code].why}"
    return Segment(phrase(note.code, note.detail), Style.NOTE), Segment(why, Style.DIM)


def _sent(sent: bytes) -> list[Segment]:
    lines = [line for line in sent.decode("utf-8", "backslashreplace").splitlines() if line]
    return [Segment(line if len(line) <= _SENT_CHARS_MAX else f"{line[:_SENT_CHARS_MAX]}…") for line in lines]


def _raw(record: Record) -> str:
    shown = record.raw[:_RAW_BYTES_MAX].decode("utf-8", "backslashreplace").rstrip("\r\n")
    more = record.size - _RAW_BYTES_MAX
    return shown if more <= 0 else f"{shown}… {words.count(more, 'more byte')} …"
