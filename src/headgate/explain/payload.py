"""A record's raw bytes -> what it is, its data without the envelope, and what the envelope says."""

from __future__ import annotations

import re
from typing import NamedTuple

from headgate.explain.cut import Shape
from headgate.explain.draft import SPACE
from headgate.explain.look import cut, cut_json
from headgate.explain.values import Fact, Kind
from headgate.framing.sse import Blocks

_MARKS = re.compile(rb"(?:data:\s*+)++$")


class Payload(NamedTuple):
    """What a record is, its data (None where there is none to look at), and the facts of its envelope."""

    kind: Kind
    data: bytes | None = None
    facts: tuple[Fact, ...] = ()


def payload_of(raw: bytes, shape: Shape | None) -> Payload:
    """Take a record out of its envelope. A log's is taken out by who reads the log."""
    if shape is Shape.READS:
        return Payload(Kind.RECORD, facts=(Fact("text", cut_json(raw.decode("utf-8", "replace"))),))
    if shape is not Shape.EVENTS:
        return Payload(Kind.RECORD, raw.strip(SPACE))
    blocks = Blocks()
    found = [*blocks.feed(raw), *blocks.close()]
    if found:
        block = found[0]
        facts = [Fact("event", shown(block.event))] if block.event else []
        facts += [Fact("error:", shown(block.error))] if block.error is not None else []
        return Payload(Kind.RECORD, block.data, tuple(facts))
    line = raw.strip(SPACE)
    return Payload(Kind.COMMENT if line.startswith(b":") else Kind.RECORD, facts=(Fact("", shown(line)),))


def shown(value: bytes) -> str:
    """A piece of an envelope or of a log."""
    return cut(value.decode("utf-8", "replace"))


class Entries:
    """Follows a log: which lines were printed together.

    A line that has only its stream's own `data:`, after one that had a prefix of the log's before that, was part of
    the same entry: one read, printed whole.
    """

    def __init__(self) -> None:
        self._had_prefix = False

    def is_shared(self, line: bytes, record: bytes) -> bool:
        """Take a line and the record that it quotes; whether it belongs to the entry of the one before."""
        marked = line[: line.find(record)]
        prefix = _MARKS.sub(b"", marked).strip()
        shared = self._had_prefix and not prefix and bool(marked.strip())
        self._had_prefix = bool(prefix)
        return shared
