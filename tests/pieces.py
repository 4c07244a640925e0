"""What the tests of the core share: records in their envelopes, repeatable ids, and the ways to cut a stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import headgate
from headgate.events import Event
from headgate.limits import DEFAULTS, Limits
from headgate.markup import families_named
from headgate.markup.family import Settings
from headgate.markup.spans import Kind, Span
from headgate.markup.splitter import Splitter
from headgate.messages import IdFactory, Message
from headgate.testing import coalesce

Cuttable = TypeVar("Cuttable", bytes, str)

DONE = b"data: [DONE]\n\n"


def cuts(data: Cuttable) -> Iterator[list[Cuttable]]:
    """Yield the data whole, cut in two at every place, and one by one."""
    yield [data]
    yield [data[place : place + 1] for place in range(len(data))]
    for place in range(1, len(data)):
        yield [data[:place], data[place:]]


def cut_at(data: Cuttable, places: Iterable[int]) -> list[Cuttable]:
    """Cut the data at these places, as far as they are in it."""
    bounds = [0, *sorted(place for place in places if 0 <= place <= len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def numbered() -> IdFactory:
    """An id factory that counts."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def sse(*records: Any) -> bytes:
    """Put records into an event stream; bytes are taken as they are, anything else becomes JSON."""
    return b"".join(b"data: " + _body(record) + b"\n\n" for record in records)


def ndjson(*records: Any) -> bytes:
    """Put records on lines; bytes are taken as they are, anything else becomes JSON."""
    return b"".join(_body(record) + b"\n" for record in records)


def _body(record: Any) -> bytes:
    return record if isinstance(record, bytes) else json.dumps(record).encode()


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    """A chat completion chunk of one choice; `more` are fields of the choice."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **more}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def call(
    arguments: Any = None,
    *,
    index: int | None = 0,
    id: str | None = None,  # noqa: A002 - the field's name everywhere
    name: str | None = None,
) -> dict[str, Any]:
    """A delta with one fragment of a tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = (("index", index), ("id", id), ("type", "function" if id else None), ("function", function))
    return {"tool_calls": [{key: value for key, value in fields if value is not None}]}


def events_of(pieces: bytes | Iterable[bytes], dialect: str = "openai", **options: Any) -> list[Event]:
    """The events of one response, adjacent deltas merged."""
    chunks = [pieces] if isinstance(pieces, bytes) else pieces
    return coalesce(headgate.stream(chunks, dialect, ids=numbered(), **options))


def message_of(pieces: bytes | Iterable[bytes], dialect: str = "openai", **options: Any) -> Message:
    """The message of one response."""
    chunks = [pieces] if isinstance(pieces, bytes) else pieces
    return headgate.collect(chunks, dialect, ids=numbered(), **options)


def repairs_of(message: Message) -> list[str]:
    """The codes of a message's repairs, each once, in order."""
    return list(dict.fromkeys(repair.code for repair in message.repairs))


def splitter(
    markup: str = "auto",
    *,
    tools: list[str] | None = None,
    starts_in_reasoning: bool | None = None,
    parse_reasoning: bool = True,
    parse_tools: bool = True,
    limits: Limits = DEFAULTS,
) -> Splitter:
    """A markup splitter; `tools` are the names that the request declared."""
    declared = None if tools is None else dict.fromkeys(tools)
    chosen = families_named(markup)
    settings = Settings(declared, parse_reasoning, parse_tools, limits, chosen.named)
    return Splitter(chosen, settings, starts_in_reasoning=starts_in_reasoning)


def spans_of(pieces: str | Iterable[str], **options: Any) -> list[Span]:
    """The spans of a text, adjacent ones of one kind merged."""
    splits = splitter(**options)
    chunks = [pieces] if isinstance(pieces, str) else pieces
    return merged([*(span for piece in chunks for span in splits.feed(piece)), *splits.close()])


def merged(spans: Iterable[Span]) -> list[Span]:
    """Join adjacent spans of one kind, so that two splits of one text compare equal."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last is not None and last.kind is span.kind and span.kind in _JOINED:
            joined[-1] = Span(span.kind, last.raw + span.raw, last.value + span.value)
        else:
            joined.append(span)
    return joined


_JOINED = {Kind.TEXT, Kind.REASONING, Kind.MARKUP, Kind.ARGUMENTS}


class Said(NamedTuple):
    """What a text comes to once its markup is understood."""

    reasoning: str = ""
    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


def said(spans: Iterable[Span]) -> Said:
    """What the spans say, without their places."""
    found = list(spans)
    names = [span.value for span in found if span.kind is Kind.CALL]
    arguments: list[str] = []
    for span in found:
        if span.kind is Kind.CALL:
            arguments.append("")
        elif span.kind is Kind.ARGUMENTS:
            arguments[-1] += span.value
    reasoning = "".join(span.value for span in found if span.kind is Kind.REASONING)
    text = "".join(span.value for span in found if span.kind is Kind.TEXT)
    return Said(reasoning, text, tuple(zip(names, arguments, strict=True)))


def raw(spans: Iterable[Span]) -> str:
    """The text that the spans were made of."""
    return "".join(span.raw for span in spans)


def repairs(spans: Iterable[Span]) -> list[str]:
    """The repairs that the spans report, in order."""
    return [span.value for span in spans if span.kind is Kind.REPAIR]
