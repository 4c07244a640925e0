"""Ollama's `/api/chat` and `/api/generate`: NDJSON lines, or one whole reply -> canonical events.

Strategy: one JSON object per line. `message.content` (or `response`) may hold markup, `thinking` may not;
tool calls come whole, with their arguments as an object. `done: true` is the only clean end.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.dialects.base import Reading, RecordDecoder
from headgate.dialects.lenient import as_text, read, untyped
from headgate.dialects.logprobs import TokenLogprob
from headgate.dialects.ollama_request import request
from headgate.dialects.peer_error import error_of
from headgate.events import StreamError, Timings, Usage
from headgate.framing.ndjson import Records
from headgate.messages import ChatRequest, HttpRequest

_NS_PER_MS, _NS_PER_S = 1e6, 1e9

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A count or a duration: Go has them as int and int64, and what is larger could not be divided."""


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: Raw | UnsetType = UNSET  # msgspec reads no Raw that may also be None


class _Call(Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(Struct, gc=False):
    model: str | None = None
    created_at: str | None = None
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None
    done: bool | None = None
    done_reason: str | None = None
    logprobs: list[TokenLogprob] | None = None
    total_duration: _Count | None = None
    load_duration: _Count | None = None
    prompt_eval_count: _Count | None = None
    prompt_eval_duration: _Count | None = None
    eval_count: _Count | None = None
    eval_duration: _Count | None = None
    error: Raw | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Line).decode


class Ollama:
    """The dialect."""

    name = "ollama"

    def sniff(self, head: bytes, /) -> int:
        """Sure of an object with `done`; of a long one only the beginning may be shown, which has `created_at`."""
        line = head.lstrip()
        if not line.startswith(b"{"):
            return 0
        value = untyped(line, {})
        record = value if isinstance(value, dict) else {name for name in _NAMES if b'"%b"' % name.encode() in line}
        if any(name in record for name in _ENDS) and any(name in record for name in _BODIES):
            return 90
        return 30 if isinstance(value, dict) and isinstance(value.get("error"), str) else 0

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        """A streamed `/api/chat`."""
        return request(chat)

    def decoder(self, reading: Reading, /) -> OllamaDecoder:
        """A decoder for one response, streamed or whole."""
        return OllamaDecoder(reading)

    def error(self, status: int, body: bytes, /) -> StreamError:
        """Read an HTTP error reply."""
        return error_of(body, status=status)


DIALECT = Ollama()
_ENDS, _BODIES = ("done", "created_at"), ("model", "message", "response")
_NAMES = _ENDS + _BODIES


class OllamaDecoder(RecordDecoder):
    """Decodes one response."""

    __slots__ = ("_calls", "_records")

    wanted = '"done": true'
    record_end = b"\n"

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._records = Records(reading.limits)
        self._calls = 0

    def copy(self) -> OllamaDecoder:
        """An independent decoder in the same state."""
        copied = super().copy()
        assert isinstance(copied, OllamaDecoder)  # noqa: S101 - `copy` keeps the class
        copied._records = self._records.copy()
        return copied

    def _feed(self, data: bytes) -> None:
        for record in self._records.feed(data):
            if not self.writer.done:
                self._record(record)
        if self._records.overflow:
            self._fail_overflow()

    def _is_between(self) -> bool:
        return self._records.between

    def _close(self) -> None:
        for record in self._records.close():
            # A cut line is no broken line: what matters then is that the stream stopped.
            if read(record, _Line, _decode)[0] is not None:
                self._record(record)
        self._end_of_input()

    def _record(self, record: bytes) -> None:
        line, repairs = read(record, _Line, _decode)
        if line is None:
            shown = f"{len(record):,} bytes beginning with {record[:1]!r}"
            self._fail("bad_json", f"expected a JSON object in each line, got {shown}. The engine's output is broken.")
            return
        for code, detail in repairs.items():
            self.writer.repair(code, detail)
        if line.error is not UNSET:
            self.writer.fail(error_of(record))
            return
        self.writer.start(model=line.model or None, created_s=_seconds(line.created_at))
        self._content(line)
        if line.done:
            self._done(line)

    def _content(self, line: _Line) -> None:
        message = line.message or _Message(line.response, line.thinking, line.tool_calls)
        logprobs = tuple(token.value() for token in line.logprobs or ())
        if message.thinking:
            self.writer.reasoning(message.thinking, 0, () if message.content else logprobs)
        if message.content:
            self.writer.text(message.content, 0, logprobs)
        elif logprobs and not message.thinking:
            self.writer.text("", 0, logprobs)
        for call in (*(message.tool_calls or ()), *((line.tool_calls or ()) if line.message else ())):
            self._call(call)

    def _call(self, call: _Call) -> None:
        function = call.function or _Function()
        key = self._calls = self._calls + 1
        self.writer.call_start(key, function.name or "", call.id)
        self.writer.call_arguments(key, self._arguments(function.arguments))
        self.writer.call_end(key)

    def _arguments(self, raw: Raw | UnsetType) -> str:
        """The arguments' JSON text, verbatim; some builds send the text itself, as a string."""
        if raw is UNSET or bytes(raw) == b"null":
            return ""
        repairs: dict[str, str] = {}
        value = untyped(bytes(raw), repairs) if bytes(raw).startswith(b'"') else as_text(bytes(raw), repairs)
        for code, detail in repairs.items():
            self.writer.repair(code, detail)
        return str(value)

    def _done(self, line: _Line) -> None:
        timings = Timings(
            prompt_ms=_ms(line.prompt_eval_duration),
            predicted_n=line.eval_count,
            predicted_ms=_ms(line.eval_duration),
            predicted_per_second=_per_second(line.eval_count, line.eval_duration),
            load_ms=_ms(line.load_duration),
            total_ms=_ms(line.total_duration),
        )
        told = timings if timings != Timings() else None
        if told or line.prompt_eval_count is not None:
            self.writer.usage(Usage(line.prompt_eval_count, line.eval_count, timings=told))
        self.writer.finish(line.done_reason)
        self.writer.end()


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / _NS_PER_MS


def _per_second(count: int | None, nanoseconds: int | None) -> float | None:
    """The rate that `ollama run --verbose` calls the eval rate. That of the prompt would count what was cached."""
    return count / (nanoseconds / _NS_PER_S) if count is not None and nanoseconds else None


def _seconds(created_at: str | None) -> int | None:
    """RFC 3339 to seconds since the epoch; None where it is no time."""
    try:
        return int(datetime.fromisoformat(created_at).timestamp()) if created_at else None
    except ValueError:
        return None
