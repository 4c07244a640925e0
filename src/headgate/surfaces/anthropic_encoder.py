"""Canonical events -> the events of an Anthropic `message` stream.

Strategy: blocks go through `anthropic_blocks`, which keeps one open at a time; everything else is said once, at the
beginning or at the end. `message_stop` follows only a clean end; a failure is an `error` event and nothing after it.
Spec: https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.errors import stream_error
from headgate.events import (
    BlockEnd,
    Event,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningDelta,
    ReasoningSignature,
    ReasoningStart,
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.surfaces.anthropic_blocks import HELD_CHARS_MAX, Blocks, frame
from headgate.surfaces.anthropic_ids import to_client
from headgate.surfaces.anthropic_reply import error_body, stop, usage_at_start, usage_of
from headgate.surfaces.base import NO_END, Frame, Writing

PING = frame("ping")

# Reasons that say themselves that something is missing, a call's end for example.
_CUT_SHORT = frozenset({"length", "content_filter"})


class AnthropicEncoder:
    """Encodes one response: the first choice that begins, since this API knows no other."""

    def __init__(self, writing: Writing) -> None:
        self.done = False
        self.failed = False
        self._writing = writing
        self._choice: int | None = None
        self._blocks = Blocks()
        self._progress: Progress | None = None
        self._usage: Usage | None = None
        self._refused = False
        self._cut = False

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Encode events; the terminal event is part of the result of those that bring the end."""
        out: list[bytes] = []
        for event in events:
            if self.done:
                break
            if isinstance(event, MessageStart):
                out.append(self._start(event))
            elif getattr(event, "choice", self._choice) == self._choice:
                out.append(self._event(event))
            if self._blocks.overflow and not self.done:
                out.append(self._fail(_overflow()))
        return b"".join(out)

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> Frame | None:
        """What stands around the text of each delta like this one; None while another block is open."""
        return self._blocks.frame(delta.index) if delta.choice == self._choice else None

    def close(self) -> bytes:
        """The events are over: nothing after a terminal, else an error event."""
        if self.done:
            return b""
        return self._fail(NO_END)

    def _event(self, event: Event) -> bytes:
        blocks = self._blocks
        match event:
            case TextDelta() | ReasoningDelta():
                return blocks.delta(event.index, event.text) if event.text else b""
            case ToolCallDelta():
                return blocks.delta(event.index, event.json)
            case TextStart():
                self._refused = self._refused or event.refusal
                return blocks.start(event.index, {"type": "text", "text": ""})
            case ReasoningStart():
                return blocks.start(event.index, {"type": "thinking", "thinking": "", "signature": ""})
            case ToolCallStart():
                call: dict[str, object] = {
                    "type": "tool_use",
                    "id": to_client(event.call_id),
                    "name": event.name,
                    "input": {},
                }
                return blocks.start(event.index, call)
            case ReasoningSignature():
                blocks.sign(event.index, event.data)
            case BlockEnd():
                self._cut = self._cut or not event.complete
                return blocks.end(event.index)
            case Progress():
                self._progress = event
            case Usage():
                self._usage = event
            case MessageEnd():
                return self._end(event)
            case StreamError():
                return self._fail(event)
            case _:
                pass  # repairs, annotations and what no event has a word for have no place in this format
        return b""

    def _start(self, event: MessageStart) -> bytes:
        if self._choice is not None:
            return b""
        self._choice = event.choice
        message: dict[str, object] = {
            "id": self._writing.id,
            "type": "message",
            "role": "assistant",
            "model": event.model or self._writing.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_at_start(self._progress),
        }
        return frame("message_start", message=message) + PING

    def _end(self, event: MessageEnd) -> bytes:
        if self._blocks.broken or (self._cut and event.reason not in _CUT_SHORT):
            # Its start was sent already, and a client would run it; only a failure stops that.
            message = "the engine finished inside a tool call. Do not run it; ask again."
            return self._fail(stream_error("tool_call_incomplete", message))
        self.done = True
        ended = stop(event.reason, event.raw_reason, event.stop_sequence, refused=self._refused)
        delta = frame("message_delta", delta=ended._asdict(), usage=usage_of(self._usage))
        return delta + frame("message_stop")

    def _fail(self, error: StreamError) -> bytes:
        self.done = self.failed = True
        return frame("error", error=error_body(error.status_hint, error.code, error.message))


def _overflow() -> StreamError:
    sentence = f"expected at most {HELD_CHARS_MAX:,} characters beside a tool call that is open, got more."
    return stream_error("too_many_choices", sentence)
