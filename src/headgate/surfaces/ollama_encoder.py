"""Canonical events -> the lines of Ollama's `/api/chat` or `/api/generate`, or one whole reply.

Strategy: a line for each delta, and for each tool call one line when it is whole, since Ollama has no fragments of
arguments; calls leave in the order in which they began. `"done": true` is said after a clean end and never otherwise:
a call that was cut off, or whose arguments are no object, makes the response a failure.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.errors import UpstreamError, stream_error
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    StreamError,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.messages import Message, TextPart
from headgate.surfaces.base import NO_END, Frame, Writing
from headgate.surfaces.ollama_lines import Form, Lines, call, done, error, goes_on, is_object

_CUT = "the engine finished inside a tool call. Ask again."
_NO_OBJECT = "expected an object as a tool call's arguments, got other JSON, which Ollama's API cannot say. Ask again."
_INCOMPLETE = frozenset({"length", "content_filter", "cancelled"})
"""Finishes that say themselves that something is missing."""


class _Call:
    """A call that has begun and is not written yet."""

    def __init__(self, start: ToolCallStart) -> None:
        self.start = start
        self.fragments: list[str] = []
        self.ended = False


class OllamaEncoder:
    """Encodes one response. Ollama has one choice; what belongs to others is not written.

    Args:
        form: that of the path.
        writing: the response's identity; an Ollama stream always tells its counts.
    """

    def __init__(self, form: Form, writing: Writing) -> None:
        self.done = False
        self.failed = False
        self._form = form
        self._writing = writing
        self._lines = Lines(form, writing, writing.model)
        self._choice: int | None = None
        self._open: set[int] = set()
        self._calls: dict[int, _Call] = {}  # by block, those that wait for their end or for an earlier one's
        self._calls_written = 0
        self._cut = False
        self._end: MessageEnd | None = None
        self._usage: Usage | None = None
        self._frames: dict[bool, Frame] = {}

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Encode events. After the last choice's end (or an error) the terminal line is part of the result."""
        out: list[bytes] = []
        for event in events:
            if not self.done:
                self._event(event, out)
        return b"".join(out)

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> Frame | None:
        """What stands around the text of each delta like this one; None for a choice that is not written."""
        return self._frame(thinking=isinstance(delta, ReasoningDelta)) if delta.choice == self._choice else None

    def close(self) -> bytes:
        """The events are over: nothing after a terminal, else an error line."""
        if self.done:
            return b""
        return self.feed([NO_END])

    def _event(self, event: Event, out: list[bytes]) -> None:
        match event:
            case TextDelta() if event.choice == self._choice:
                out.append(self._delta(event.text, event.logprobs, thinking=False))
            case ReasoningDelta() if event.choice == self._choice:
                out.append(self._delta(event.text, event.logprobs, thinking=True))
            case ToolCallDelta() if event.choice == self._choice:
                self._calls[event.index].fragments.append(event.json)
            case ToolCallStart() if event.choice == self._choice:
                self._calls[event.index] = _Call(event)
            case BlockEnd() if event.choice == self._choice and event.index in self._calls:
                self._end_call(event, out)
            case MessageStart():
                self._start(event)
            case Usage():
                self._usage = event
            case MessageEnd():
                self._finish(event, out)
            case StreamError():
                self._fail(event, out)
            case _:
                pass  # other choices, starts and ends of blocks, repairs and progress have no place in this format

    def _start(self, event: MessageStart) -> None:
        self._open.add(event.choice)
        if self._choice is None:
            self._choice = event.choice
            self._lines = Lines(self._form, self._writing, event.model or self._writing.model)

    def _delta(self, text: str, logprobs: tuple[Logprob, ...], *, thinking: bool) -> bytes:
        if logprobs:
            end = goes_on(logprobs)
            return self._lines.line(thinking=text, end=end) if thinking else self._lines.line(text, end=end)
        before, behind, write = self._frame(thinking=thinking)
        return b"".join((before, write(text), behind))

    def _frame(self, *, thinking: bool) -> Frame:
        frame = self._frames.get(thinking)
        if frame is None:
            frame = self._frames[thinking] = self._lines.frame(thinking=thinking)
        return frame

    def _end_call(self, event: BlockEnd, out: list[bytes]) -> None:
        ended = self._calls[event.index]
        ended.ended = True
        if not event.complete:
            self._cut = True
            del self._calls[event.index]
        elif not is_object("".join(ended.fragments) or "{}"):
            self._fail(stream_error("tool_call_incomplete", _NO_OBJECT), out)
            return
        while self._calls and (first := next(iter(self._calls.values()))).ended:
            del self._calls[first.start.index]
            arguments = "".join(first.fragments) or "{}"
            entry = call(self._calls_written, first.start.call_id, first.start.name, arguments)
            out.append(self._lines.line(calls=[entry]))
            self._calls_written += 1

    def _finish(self, event: MessageEnd, out: list[bytes]) -> None:
        self._open.discard(event.choice)
        if event.choice == self._choice:
            self._end = event
        if self._cut and event.reason not in _INCOMPLETE and event.choice == self._choice:
            # It was not sent; a message that ends well without it would be taken for the whole answer.
            self._fail(stream_error("tool_call_incomplete", _CUT), out)
        elif not self._open and self._end is not None:
            out.append(self._lines.line(end=done(self._end.reason, self._end.raw_reason, self._usage)))
            self.done = True

    def _fail(self, event: StreamError, out: list[bytes]) -> None:
        out.append(error(event.message, event.code) + b"\n")
        self.done = self.failed = True


def whole(form: Form, message: Message, writing: Writing) -> bytes:
    """Write one whole reply.

    Raises:
        UpstreamError: `tool_call_incomplete`, for what a stream would tell as a failure.
    """
    calls = [
        _whole_call(index, one.id, one.name, one.arguments or "{}") for index, one in enumerate(message.tool_calls)
    ]
    reason = message.finish_reason or "unknown"
    if message.incomplete_calls and reason not in _INCOMPLETE:
        raise UpstreamError("tool_call_incomplete", _CUT)
    text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    end = done(reason, message.raw_reason, message.usage, message.logprobs)
    lines = Lines(form, writing, message.model or writing.model)
    return lines.line(text, thinking=message.reasoning or "", calls=calls, end=end).removesuffix(b"\n")


def _whole_call(index: int, call_id: str, name: str, arguments: str) -> bytes:
    if not is_object(arguments):
        raise UpstreamError("tool_call_incomplete", _NO_OBJECT)
    return call(index, call_id, name, arguments)
