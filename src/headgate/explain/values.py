"""What is said about a stream: values that the layout puts into words."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from headgate.events import Event, StreamError, Timings, Usage


class Kind(Enum):
    """What an entry of the annotated stream is."""

    RECORD = auto()
    """One record: an event of an event stream, a line of JSON, a whole body, a read of bare text."""
    COMMENT = auto()
    """An event stream's comment."""
    LOG_LINE = auto()
    """A line of a log that quotes no record."""
    END = auto()
    """The end of input, if it had an effect of its own."""


class Fact(NamedTuple):
    """A field that a record holds: its name, and its value as JSON, cut to a readable length."""

    name: str
    json: str = ""


class Effect(NamedTuple):
    """An event that a record caused. Deltas of one block are joined: `text` is how they begin, out of `characters`."""

    event: Event
    text: str = ""
    characters: int = 0


class Remark(NamedTuple):
    """A repair (a code of `headgate.repairs`) or a note (one of `headgate.explain.notes`) on a record.

    `known` says that the code was told of an earlier record, and `again` that it was with the same detail.
    """

    code: str
    detail: str = ""
    known: bool = False
    again: bool = False


class Record(NamedTuple):
    """One annotated record.

    `number` counts records and comments from 1; `at_s` is when its last byte was read, in seconds since the request
    was sent, where that is known; `size` counts bytes, and `raw` is as many of them as are kept. `sent` is what a
    client is written for it, if that was asked for.
    """

    number: int
    kind: Kind
    at_s: float | None
    size: int
    raw: bytes
    facts: tuple[Fact, ...] = ()
    effects: tuple[Effect, ...] = ()
    repairs: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()
    sent: bytes = b""


class Folded(NamedTuple):
    """A run of like records that say nothing new: what they are, how many, and what they come to."""

    what: str
    records: int
    first: int
    last: int
    at_s: float | None
    size: int
    characters: int = 0
    text: str = ""


Item: TypeAlias = Record | Folded


class Choice(NamedTuple):
    """How one choice ended, and what it holds; `reason` is empty where it has no end."""

    number: int
    reason: str
    raw_reason: str | None
    blocks: dict[str, int]
    characters: dict[str, int]


class Summary(NamedTuple):
    """What the whole stream came to.

    `reads` is 0 where nobody knows how the bytes arrived; `measured` is empty where nobody knows when;
    `repairs` counts by code how often each was needed.
    """

    dialect: str | None
    shape: str
    records: int
    reads: int
    size: int
    last_s: float | None
    measured: Timings
    choices: tuple[Choice, ...]
    usage: Usage | None
    repairs: dict[str, int]
    error: StreamError | None
