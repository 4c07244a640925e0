"""What OpenAI's two streams of chunks have in common: one identity, finishes, usage, `[DONE]`, and the error frame.

Strategy: what is constant in a response is made into bytes once, its head. Usage follows the last finish when it was
asked for and told, `[DONE]` only a clean end; the timings go on the last chunk there is.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.errors import PeerError
from headgate.events import (
    Annotation,
    Event,
    Extra,
    FinishReason,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningSignature,
    ReasoningStart,
    Repair,
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

_UNSAID = frozenset({Annotation, Extra, Progress, ReasoningSignature, ReasoningStart, Repair})
"""What has no place in these formats."""

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
    """Encodes one response; a surface says what a chunk holds (`_event`), and what its `kind` is called.

    Args:
        writing: the response's identity, and what it is to tell.
    """

    kind = ""
    done = False
    failed = False
    _usage: Usage | None = None
    _head = b""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._ended: dict[int, bool] = {}  # each choice that began, and whether it has its finish

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Encode events. After the last choice's end (or an error) the terminal frame is part of the result."""
        out: list[bytes] = []
        for event in events:
            if type(event) not in _UNSAID and not self.done:
                self._event(event, out)
        if not self.done and self._ended and self._is_last():
            self._finish(out)
        return b"".join(out)

    def close(self) -> bytes:
        """The events are over: nothing after a terminal, else an error frame."""
        if self.done:
            return b""
        return self.feed([NO_END])

    def _event(self, event: Event, out: list[bytes]) -> None:
        """Encode one event; subclasses hand on what is nobody's own."""
        match event:
            case MessageStart():
                self._begin(event)
            case Usage():
                self._usage = event
            case MessageEnd():
                self._ended[event.choice] = True
                out.append(self._finish_chunk(event))
            case StreamError():
                out.append(b"data: %b\n\n" % line_safe(_encode({"error": error_object(event.message, event.code)})))
                self.done = self.failed = True
            case _:
                pass  # starts and ends of blocks have no place in these formats

    def _begin(self, event: MessageStart) -> None:
        if not self._head:
            writing = self._writing
            self._head = line_safe(
                b'{"id":%b,"object":"%b","created":%d,"model":%b,'
                % (_encode(writing.id), self.kind.encode(), writing.created_s, _encode(event.model or writing.model))
            )
        self._ended[event.choice] = False

    def _chunk(self, entry: dict[str, Any]) -> bytes:
        """A chunk of one choice."""
        return b"data: %b\n\n" % line_safe(self._head + b'"choices":' + _encode([entry]) + b"}")

    def _last(self, choice: int, reason: str) -> dict[str, Any]:
        """The choice of a finish chunk."""
        raise NotImplementedError

    def _finish_chunk(self, event: MessageEnd) -> bytes:
        chunk = self._chunk(self._last(event.choice, finish_word(event.reason)))
        extra = self._timings()
        if not extra or not self._is_last() or self._told_usage() is not None:
            return chunk
        return chunk.removesuffix(b"}\n\n") + extra + b"}\n\n"

    def _is_last(self) -> bool:
        return False not in self._ended.values()

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
    model = next((message.model for message in messages if message.model), writing.model)
    body: dict[str, Any] = {
        "id": writing.id,
        "object": kind,
        "created": writing.created_s,
        "model": model,
        "choices": choices,
    }
    if (usage := usage_to_openai(messages[0].usage, complete=True)) is not None:
        body["usage"] = usage
    timings: Timings | None = messages[0].timings
    if timings and writing.include_timings:
        body["timings"] = timings
    return _encode(body)
