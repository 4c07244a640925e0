"""Every `/v1/chat/completions` and `/v1/completions` engine: chunks or a whole reply -> canonical events.

Strategy: each record is one chunk. Nulls, empties and repetitions are dropped, aliases renamed, finish
reason and usage remembered until the end, and each such change is a named repair. `[DONE]`, or the end of
the bytes after a finish reason, is a clean end; everything else is an error.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from msgspec import UNSET, Raw, UnsetType

from headgate.dialects.base import Reading, RecordDecoder
from headgate.dialects.calls import Calls
from headgate.dialects.lenient import read, untyped
from headgate.dialects.openai_framing import Framing, sniff
from headgate.dialects.openai_request import request
from headgate.dialects.openai_shapes import (
    Choice,
    Chunk,
    Delta,
    Logprobs,
    Tokens,
    decode_chunk,
    decode_logprobs,
    prepare,
)
from headgate.dialects.peer_error import error_of, holds_error
from headgate.events import Logprob, StreamError, Timings
from headgate.messages import ChatRequest, HttpRequest

_DONE = b"[DONE]"
_STREAMED = frozenset({"chat.completion.chunk", "text_completion", None})
_EXTRAS = ("annotations", "audio", "images", "reasoning_details")


class OpenAI:
    """The dialect."""

    name = "openai"

    def sniff(self, head: bytes, /) -> int:
        """Sure of chunks and of event-stream fields, from the first line on; also of a lone error."""
        return sniff(head)

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        """A streamed chat completion that asks for usage."""
        return request(chat)

    def decoder(self, reading: Reading, /) -> OpenAIDecoder:
        """A decoder for one response, streamed or whole."""
        return OpenAIDecoder(reading)

    def error(self, status: int, body: bytes, /) -> StreamError:
        """Read an HTTP error reply."""
        return error_of(body, status=status)


DIALECT = OpenAI()


class OpenAIDecoder(RecordDecoder):
    """Decodes one response."""

    wanted = "a finish_reason"
    record_end = b"\n\n"

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._framing = Framing(reading.limits)
        self._identity: tuple[str | None, int | None, str | None] | None = None
        self._calls: dict[int, Calls] = {}
        self._roles: set[int] = set()
        self._blank: set[int] = set()
        self._whole = False
        self._timings: Timings | None = None
        self._tokens: Tokens | None = None
        self._usage_chunks = 0

    def copy(self) -> OpenAIDecoder:
        """An independent decoder in the same state."""
        twin = super().copy()
        assert isinstance(twin, OpenAIDecoder)  # noqa: S101 - `copy` keeps the class
        twin._framing = self._framing.copy()
        twin._calls = {number: calls.copy() for number, calls in self._calls.items()}
        twin._roles, twin._blank = self._roles.copy(), self._blank.copy()
        return twin

    # -- framing ------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        for record, error in self._framing.feed(data):
            self._take(record, error)
        if self._framing.overflow:
            self._fail_overflow()

    def _close(self) -> None:
        for record, error in self._framing.close():
            if not self.writer.done and self._is_complete(record, error):
                self._take(record, error)
                if not self._whole:
                    self.writer.repair("record_unterminated")
        self._end_of_input()

    def _is_complete(self, record: bytes | None, error: bytes | None) -> bool:
        if error is not None or record is None or record.strip() == _DONE:
            return True
        return read(record, Chunk, decode_chunk, prepare)[0] is not None

    def _take(self, record: bytes | None, error: bytes | None) -> None:
        if self.writer.done:
            return
        if error is not None:
            self.writer.repair("error_field")
            self.writer.fail(error_of(error))
        elif record is not None and record.strip():
            self._record(record)

    def _end_of_input(self) -> None:
        self._settle()
        if self._whole and self.writer.finished:
            self.writer.end()
        super()._end_of_input()

    def _is_between(self) -> bool:
        return self._framing.between

    # -- records ------------------------------------------------------------------------------------

    def _record(self, record: bytes) -> None:
        if record.strip() == _DONE:
            self._done()
            return
        chunk, repairs = read(record, Chunk, decode_chunk, prepare)
        if chunk is None:
            shown = f"{len(record):,} bytes beginning with {record[:1]!r}"
            self._fail(
                "bad_json", f"expected a JSON object in each record, got {shown}. The engine's output is broken."
            )
            return
        for code, detail in repairs.items():
            self.writer.repair(code, detail)
        if (chunk.error is not UNSET and bytes(chunk.error) != b"null") or self._is_flat_error(chunk, record):
            self.writer.fail(error_of(record))
            return
        self._chunk(chunk)

    def _is_flat_error(self, chunk: Chunk, record: bytes) -> bool:
        if chunk.choices is not None or chunk.usage is not None or chunk.timings is not None:
            return False
        value = untyped(record, {})
        return isinstance(value, dict) and holds_error(value)

    def _done(self) -> None:
        self._settle()
        for number in self._blank:
            self.writer.finish(None, number)
        if self.writer.finished:
            self.writer.end()
        else:
            self._fail("upstream_truncated", "the engine sent [DONE] without a finish_reason. See its log.")

    def _settle(self) -> None:
        for calls in self._calls.values():
            calls.close(self.writer)

    def _chunk(self, chunk: Chunk) -> None:
        self._identify(chunk)
        for choice in chunk.choices or ():
            self._choice(chunk, choice)
        if chunk.usage is not None or chunk.timings is not None:
            self._usage(chunk)
        elif chunk.choices is not None and not chunk.choices:
            self.writer.repair("choices_empty")
        if (progress := chunk.prompt_progress) is not None:
            self.writer.progress(progress.processed, progress.total, progress.cache)

    def _identify(self, chunk: Chunk) -> None:
        identity = (chunk.id, chunk.created, chunk.model)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            self.writer.repair("identity_unified")
        if not self._whole and chunk.object not in _STREAMED:
            self._whole = any(choice.message is not None for choice in chunk.choices or ())
            if not self._whole:
                self.writer.repair("object_corrected", chunk.object or "")

    def _choice(self, chunk: Chunk, choice: Choice) -> None:
        number = choice.index or 0
        if number not in self._calls:
            self.writer.start(
                number,
                id=chunk.id or None,
                model=chunk.model or None,
                created_s=chunk.created,
                vendor=chunk.system_fingerprint or None,
            )
            self._calls[number] = Calls(number)
        logprobs = self._logprobs(choice.logprobs, number)
        delta = choice.delta or choice.message
        said = self._delta(delta, number, logprobs) if delta else self._text(choice.text, number, logprobs)
        self._blank.discard(number)
        if choice.finish_reason == "":
            # Some engines write "" where others write null; only [DONE] makes an end of it.
            self._blank.add(number)
            self.writer.repair("empty_dropped", "finish_reason", number)
        elif choice.finish_reason is not None:
            if said and not self._whole:
                self.writer.repair("finish_split", "", number)
            self.writer.finish(
                choice.finish_reason, number, _string(choice.stop_reason) or _string(choice.matched_stop)
            )

    def _text(self, text: str | None, number: int, logprobs: tuple[Logprob, ...]) -> bool:
        if text or logprobs:
            self.writer.text(text or "", number, logprobs)
        return bool(text)

    def _delta(self, delta: Delta, number: int, logprobs: tuple[Logprob, ...]) -> bool:
        """Write what a delta says, in the order that engines generate it; whether it says anything."""
        self._role(delta, number)
        reasoning = self._reasoning_of(delta, number)
        if reasoning:
            self.writer.reasoning(reasoning, number, () if delta.content else logprobs)
        if delta.content:
            self.writer.text(delta.content, number, logprobs)
        elif logprobs and not reasoning:
            self.writer.text("", number, logprobs)
        if delta.content is None or delta.content == "":
            self.writer.repair("null_dropped" if delta.content is None else "empty_dropped", "content", number)
        if delta.refusal:
            self.writer.refusal(delta.refusal, number)
        called = self._tool_calls(delta, number)
        self._keep_extras(delta, number)
        return bool(reasoning or delta.content or delta.refusal or called)

    def _role(self, delta: Delta, number: int) -> None:
        if delta.role is None:
            self.writer.repair("null_dropped", "role", number)
        elif delta.role is not UNSET:
            if number in self._roles:
                self.writer.repair("role_repeated", "", number)
            self._roles.add(number)

    def _reasoning_of(self, delta: Delta, number: int) -> str | None:
        canonical, renamed = delta.reasoning_content, delta.reasoning or delta.thinking
        if canonical is None or delta.reasoning is None:
            self.writer.repair("null_dropped", "reasoning", number)
        if canonical:
            return canonical
        if isinstance(renamed, str) and renamed:
            self.writer.repair("reasoning_renamed", "reasoning" if delta.reasoning else "thinking", number)
            return renamed
        return None

    def _tool_calls(self, delta: Delta, number: int) -> bool:
        calls = self._calls[number]
        for fragment in delta.tool_calls or ():
            function = fragment.function
            name, arguments = (function.name, function.arguments) if function else (None, None)
            calls.fragment(self.writer, fragment.index, fragment.id, name, arguments)
        if (legacy := delta.function_call) is not None:
            calls.fragment(self.writer, None, None, legacy.name, legacy.arguments)
        return bool(delta.tool_calls or delta.function_call)

    def _keep_extras(self, delta: Delta, number: int) -> None:
        for name in _EXTRAS:
            value = getattr(delta, name)
            if value is not UNSET and bytes(value) not in {b"null", b"[]"}:
                self.writer.keep(f"choices[].delta.{name}", bytes(value).decode("utf-8", "replace"), number)

    def _logprobs(self, raw: Raw | UnsetType, number: int) -> tuple[Logprob, ...]:
        if raw is UNSET or bytes(raw) == b"null":
            return ()
        logprobs, repairs = read(bytes(raw), Logprobs, decode_logprobs)
        if logprobs is None:
            return ()
        for code, detail in repairs.items():
            self.writer.repair(code, f"logprobs.{detail}", number)
        tokens = logprobs.content or ()
        if any(not token.is_complete() for token in tokens) or logprobs.refusal is UNSET:
            self.writer.repair("logprobs_completed", "", number)
        return tuple(token.value() for token in tokens)

    def _usage(self, chunk: Chunk) -> None:
        self._timings = chunk.timings if chunk.timings not in (None, Timings()) else self._timings
        if chunk.usage is not None and chunk.usage.says_nothing():
            self.writer.repair("field_ignored", "usage of zeros")
        elif chunk.usage is not None:
            self._tokens = chunk.usage
            if chunk.choices and not self._whole:
                self.writer.repair("usage_moved")
            # With several choices llama-server sends one usage chunk for each; all others, one for all.
            self._usage_chunks += not chunk.choices and len(self._calls) > 1
        if self._tokens is not None or self._timings is not None:
            usage = (self._tokens or Tokens()).value(self._timings)
            self.writer.usage(usage, max(self._usage_chunks - 1, 0))


def _string(raw: Raw | UnsetType) -> str | None:
    """The stop sequence that matched; engines also put token ids and null there."""
    value = None if raw is UNSET else untyped(bytes(raw), {})
    return value if isinstance(value, str) else None
