"""The public functions: any engine's bytes, or parsed records, to events, messages and client bytes.

Strategy: thin compositions of a dialect, the writer, the accumulator and a surface; the only place of the
library that draws random ids and reads the clock, unless the caller passes `ids` and `now_s`.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from headgate.accumulate import Accumulator
from headgate.auto import AutoDecoder
from headgate.dialects import dialect as find_dialect
from headgate.dialects.base import Decoder, Reading
from headgate.errors import UsageError
from headgate.events import Event
from headgate.limits import DEFAULTS, Limits
from headgate.markup import AUTO, families_named
from headgate.messages import IdFactory, Message, Spelling, Tools, declared_tools
from headgate.spelling import DEFAULT as DEFAULT_SPELLING
from headgate.spelling import SPELLINGS
from headgate.stopwatch import Measure, Stopwatch
from headgate.surfaces import surface as find_surface
from headgate.surfaces.base import Encoder, Writing
from headgate.translator import Translator

_ID_BYTES = 12
_DRAWN_AT_ONCE = 64
_drawn: deque[str] = deque()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)  # what was drawn before a fork is the parent's


class _Dumps(Protocol):
    def model_dump(self) -> dict[str, Any]: ...


Chunk: TypeAlias = bytes | dict[str, Any] | _Dumps
"""What a stream yields: bytes as read, or one parsed record (a dict, or an object with `model_dump`)."""


def new_id(prefix: str) -> str:
    """A random id with this prefix: 96 bits in hexadecimal."""
    try:
        return prefix + _drawn.pop()
    except IndexError:
        # To ask the system costs more than all else here, so it is asked for many at once.
        digits = os.urandom(_ID_BYTES * _DRAWN_AT_ONCE).hex()
        ids = [digits[at : at + 2 * _ID_BYTES] for at in range(0, len(digits), 2 * _ID_BYTES)]
        _drawn.extend(ids[1:])
        return prefix + ids[0]


def decoder(
    dialect: str = AUTO,
    *,
    markup: str | Sequence[str] = AUTO,
    tools: Any = None,
    starts_in_reasoning: bool | None = None,
    parse_reasoning: bool = True,
    parse_tools: bool = True,
    whole_calls: bool = False,
    verbose: bool = False,
    ids: IdFactory = new_id,
    limits: Limits = DEFAULTS,
) -> Decoder:
    """Make a sans-IO decoder for one response: `feed(bytes)` gives events, `close()` the last of them.

    Args:
        dialect: `openai`, `ollama`, `text`, or `auto`, which decides from the first bytes.
        markup: which families to look for in text: `auto`, `off`, or a list of names.
        tools: what the request declared: names, tool objects, or a mapping of name to JSON Schema.
            None means unknown; an empty list means none, so that no text becomes a call.
        starts_in_reasoning: whether the template opened the thought in the prompt; None lets the
            stream tell.
        parse_reasoning: whether reasoning is taken out of text.
        parse_tools: whether tool calls are taken out of text.
        whole_calls: whether a call made of text is held until it is whole; one that never is stays text.
        verbose: whether a recurring quirk is told each time it occurs and not once per response, and removed
            markup with its text; for people who look at a stream.
        ids: makes ids for calls that came without one.
        limits: the limits of buffers.

    Raises:
        UsageError: for an unknown dialect or family, and for tools that are none.
    """
    reading = Reading(
        ids=ids,
        limits=limits,
        families=families_named(markup),
        tools=_declared(tools),
        starts_in_reasoning=starts_in_reasoning,
        parse_reasoning=parse_reasoning,
        parse_tools=parse_tools,
        whole_calls=whole_calls,
        verbose=verbose,
    )
    return AutoDecoder(reading) if dialect == AUTO else find_dialect(dialect).decoder(reading)


def encoder(
    surface: str = "chat",
    *,
    model: str = "unknown",
    include_usage: bool = False,
    include_timings: bool = False,
    reasoning: Spelling = DEFAULT_SPELLING,
    ids: IdFactory = new_id,
    now_s: int | None = None,
) -> Encoder:
    """Make a sans-IO encoder for one streamed response: a list of events in, client bytes out.

    Args:
        surface: whose format to write; `chat` is OpenAI's chat completions.
        model: the model that was asked for; what the engine reports goes first.
        include_usage: whether to send the usage chunk.
        include_timings: whether to send the engine's timings.
        reasoning: how `chat` writes thoughts: `reasoning_content`, `reasoning`, `tags` in the content, or `none`.
        ids: makes the response's id.
        now_s: the response's `created`, in seconds since the epoch; the clock's by default.

    Raises:
        UsageError: for an unknown surface, or another word for `reasoning`.
    """
    if reasoning not in SPELLINGS:
        raise UsageError(f"expected reasoning to be one of {', '.join(SPELLINGS)}, got {reasoning!r}")
    found = find_surface(surface)
    created_s = int(time.time()) if now_s is None else now_s
    return found.encoder(Writing(found.new_id(ids), created_s, model, include_usage, include_timings, reasoning))


def translator(
    dialect: str = AUTO,
    surface: str = "chat",
    *,
    model: str = "unknown",
    include_usage: bool = False,
    include_timings: bool = False,
    reasoning: Spelling = DEFAULT_SPELLING,
    now_s: int | None = None,
    ids: IdFactory = new_id,
    sent_s: float | None = None,
    **decoding: Any,
) -> Translator:
    """Make a translator for one response: engine bytes in, client bytes out.

    By definition `encoder.feed(decoder.feed(data))`. Takes every argument of `decoder` and `encoder`; for `sent_s` see
    `stream`.
    """
    reads = decoder(dialect, ids=ids, **decoding)
    writes = encoder(
        surface,
        model=model,
        include_usage=include_usage,
        include_timings=include_timings,
        reasoning=reasoning,
        ids=ids,
        now_s=now_s,
    )
    return Translator(reads, writes, measure=None if sent_s is None else _measure(sent_s))


def stream(
    chunks: Iterable[Chunk], dialect: str = AUTO, *, sent_s: float | None = None, **options: Any
) -> Iterator[Event]:
    """Yield the events of one response. Takes the arguments of `decoder`.

    Args:
        chunks: bytes in any split, or parsed records as client libraries yield them.
        dialect: see `decoder`.
        sent_s: when the request was sent, by `time.perf_counter()`. With it `usage.timings` also holds what was
            measured as the chunks came (`headgate.stopwatch`); without it the clock is not read.
        options: see `decoder`.
    """
    reads = decoder(dialect, **options)
    measure = _measure(sent_s)
    for chunk in chunks:
        yield from measure(_take(reads, chunk))
    yield from measure(reads.close())


async def astream(
    chunks: AsyncIterable[Chunk], dialect: str = AUTO, *, sent_s: float | None = None, **options: Any
) -> AsyncIterator[Event]:
    """Yield the events of one response, from an asynchronous source. See `stream`."""
    reads = decoder(dialect, **options)
    measure = _measure(sent_s)
    async for chunk in chunks:
        for event in measure(_take(reads, chunk)):
            yield event
    for event in measure(reads.close()):
        yield event


def collect(chunks: Iterable[Chunk], dialect: str = AUTO, **options: Any) -> Message:
    """Return the message of one response's first choice. See `stream`.

    A broken stream gives the message as far as it came, with `error` set; nothing is raised for it.
    """
    return collect_all(chunks, dialect, **options)[0]


def collect_all(chunks: Iterable[Chunk], dialect: str = AUTO, **options: Any) -> tuple[Message, ...]:
    """Return the messages of all of one response's choices. See `collect`."""
    gathered = Accumulator()
    gathered.feed_all(stream(chunks, dialect, **options))
    return gathered.messages


def _measure(sent_s: float | None) -> Measure:
    if sent_s is None:
        return _unmeasured
    stopwatch = Stopwatch(sent_s)
    return lambda events: stopwatch.note(events, time.perf_counter())


def _unmeasured(events: list[Event]) -> list[Event]:
    return events


def _take(reads: Decoder, chunk: Chunk) -> list[Event]:
    if isinstance(chunk, bytes | bytearray | memoryview):
        return reads.feed(bytes(chunk))
    return reads.record(_encode(chunk if isinstance(chunk, dict) else _dump(chunk)))


def _encode(record: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:
        return json.dumps(record).encode()  # half a surrogate pair, which only escapes can carry


def _declared(tools: Any) -> Tools | None:
    try:
        return declared_tools(tools)
    except TypeError as error:
        raise UsageError(f"tools: {error}") from error


def _dump(chunk: _Dumps) -> dict[str, Any]:
    dump = getattr(chunk, "model_dump", None)
    if dump is None:
        expected = "bytes, a dict, or an object with model_dump()"
        raise UsageError(f"expected chunks of {expected}, got {type(chunk).__name__}")
    try:
        # Pydantic fills in a null for each field that the engine left out; this keeps what it sent.
        record: dict[str, Any] = dump(exclude_unset=True)
    except TypeError:  # somebody else's model_dump, which knows no such argument
        record = dump()
    return record
