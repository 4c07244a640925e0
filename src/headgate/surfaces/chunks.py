"""What OpenAI's two streams of chunks have in common: one identity, finishes, usage, `[DONE]`, and the error frame.

Strategy: what is constant in a response is made into bytes once, its head. Usage follows the last finish when it was
asked for and told, `[DONE]` only a clean end; the timings go on the last chunk there is.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from headgate.errors import PeerError
from headgate.events import (
    Event,
    FinishReason,
    MessageEnd,
    MessageStart,
    StreamError,
    Timings,
    Usage,
)
from headgate.messages import Message, usage_to_openai
from headgate.surfaces.base import NO_END, Writing
from headgate.surfaces.error_object import error_object
from headgate.surfaces.line_safe import line_safe

DONE = b"data: [DONE]\n\n"
KEEPALIVE = b": keep-alive\n\n"
"""A comment, which every event-stream reader ignores."""

Write: TypeAlias = Callable[[Any, Any, list[bytes]], None]
"""A method of an encoder: takes an event of the kind that it stands beside, and appends what that is to the client."""

_FINISH = {"unknown": "stop", "cancelled": "stop"}
_encode = msgspec.json.Encoder().encode


class ChunkSurface:
    """What both surfaces say alike."""

    def keepalive(self, writing: Writing, /) -> bytes:
        """A comment, which every event-stream reader ignores."""
        del writing
        return KEEPALIVE

    def error(self, failure: PeerError, /) -> tuple[int, bytes]:
        """The status, and OpenAI's error object."""
        return failure.status, _encode({"error": error_object(failure.message, failure.code, failure.param)})


class ChunkEncoder:
    """Encodes one response; a surface says what a chunk holds (`writes`), and what its `kind` is called.

    Args:
        writing: the response's identity, and what it is to tell.
    """

    __slots__ = ("_begun", "_head", "_open", "_usage", "_writing", "done", "failed")

    kind = ""

    def __init__(self, writing: Writing) -> None:
        self.done = self.failed = False
        self._writing = writing
        self._usage: Usage | None = None
        self._head = b""
        self._begun = False  # whether any choice has
        self._open: tuple[int, ...] = ()  # the choices without their finish

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Encode events. After the last choice's end (or an error) the terminal frame is part of the result."""
        out: list[bytes] = []
        writes = self.writes
        for event in events:
            write = writes.get(type(event))
            if write is not None and not self.done:
                write(self, event, out)
        if self._begun and not self._open and not self.done:
            self._finish(out)
        return b"".join(out)

    def close(self) -> bytes:
        """The events are over: nothing after a terminal, else an error frame."""
        if self.done:
            return b""
        return self.feed([NO_END])

    def _end(self, event: MessageEnd, out: list[bytes]) -> None:
        self._begun, self._open = True, tuple([choice for choice in self._open if choice != event.choice])
        out.append(self._finish_chunk(event))

    def _take_usage(self, event: Usage, out: list[bytes]) -> None:
        del out  # it is told behind the finish
        self._usage = event

    def _fail(self, event: StreamError, out: list[bytes]) -> None:
        out.append(b"data: %b\n\n" % line_safe(_encode({"error": error_object(event.message, event.code)})))
        self.done = self.failed = True

    def _begin(self, event: MessageStart, out: list[bytes]) -> None:
        del out  # what there is to say of a choice that begins, only chats do
        if not self._head:
            writing = self._writing
            self._head = line_safe(
                b'{"id":%b,"object":"%b","created":%d,"model":%b,'
                % (_encode(writing.id), self.kind.encode(), writing.created_s, _encode(event.model or writing.model))
            )
        self._begun = True
        if event.choice not in self._open:
            self._open += (event.choice,)

    writes: Mapping[type[Event], Write] = {
        MessageStart: _begin,
        Usage: _take_usage,
        MessageEnd: _end,
        StreamError: _fail,
    }
    """How each event is written. What is not named has no place in the format, as starts and ends of most blocks."""

    def _chunk(self, entry: dict[str, Any]) -> bytes:
        """A chunk of one choice."""
        return b"data: %b\n\n" % line_safe(self._head + b'"choices":' + _encode([entry]) + b"}")

    def _last(self, choice: int, reason: str) -> dict[str, Any]:
        """The choice of a finish chunk."""
        raise NotImplementedError

    def _finish_chunk(self, event: MessageEnd) -> bytes:
        chunk = self._chunk(self._last(event.choice, finish_word(event.reason)))
        extra = self._timings()
        if not extra or self._open or self._told_usage() is not None:
            return chunk
        return chunk.removesuffix(b"}\n\n") + extra + b"}\n\n"

    def _finish(self, out: list[bytes]) -> None:
        if (usage := self._told_usage()) is not None:
            body = self._head + b'"choices":[],"usage":' + _encode(usage) + self._timings() + b"}"
            out.append(b"data: %b\n\n" % body)
        out.append(DONE)
        self.done = True

    def _told_usage(self) -> dict[str, Any] | None:
        """What the usage chunk says, when one was asked for, and the engine told any (zeros would be invented)."""
        return usage_to_openai(self._usage, complete=True) if self._writing.include_usage else None

    def _timings(self) -> bytes:
        timings = self._usage.timings if self._usage and self._writing.include_timings else None
        return b',"timings":' + _encode(timings) if timings else b""


def finish_word(reason: FinishReason) -> str:
    """What OpenAI's API calls a reason."""
    return _FINISH.get(reason, reason)


def whole(kind: str, messages: Sequence[Message], choices: Sequence[dict[str, Any]], writing: Writing) -> bytes:
    """Write one whole reply of this kind, of messages that were written as `choices`."""
    model = messages[0].model or next((message.model for message in messages if message.model), writing.model)
    body: dict[str, Any] = {
        "id": writing.id,
        "object": kind,
        "created": writing.created_s,
        "model": model,
        "choices": choices,
    }
    if (usage := usage_to_openai(messages[0].usage, complete=True)) is not None:
        body["usage"] = usage
    timings: Timings | None = messages[0].timings if writing.include_timings else None
    if timings:
        body["timings"] = timings
    return _encode(body)
