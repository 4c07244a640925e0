"""Every `/v1/chat/completions` and `/v1/completions` engine: chunks or a whole reply -> canonical events.

Strategy: each record is one chunk; `ChoiceReader` writes what it says of a choice. Finish reason and usage are
remembered until the end, and each such change is a named repair. `[DONE]`, or the end of the bytes after a finish
reason, is a clean end; everything else is an error.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from msgspec import UNSET

from headgate.dialects import openai_completion
from headgate.dialects.base import Reading
from headgate.dialects.event_stream import DONE, EventStreamDecoder
from headgate.dialects.lenient import read, read_leniently, untyped
from headgate.dialects.openai_choice import ChoiceReader
from headgate.dialects.openai_request import request
from headgate.dialects.openai_shapes import Chunk, Tokens, decode_chunk, prepare
from headgate.dialects.openai_sniff import sniff
from headgate.dialects.peer_error import error_of, holds_error
from headgate.events import StreamError, Timings
from headgate.messages import ChatRequest, HttpRequest

_TEXT = "text_completion"
_CHUNK = "chat.completion.chunk"
_STREAMED = frozenset({_CHUNK, _TEXT, None})
_NO_TIMINGS = Timings()


class OpenAI:
    """The dialect."""

    name = "openai"

    def sniff(self, head: bytes, /) -> int:
        """Sure of chunks and of event-stream fields, from the first line on; also of a lone error."""
        return sniff(head)

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        """A streamed chat completion, or text completion, that asks for usage."""
        return request(chat) if chat.completion is None else openai_completion.request(chat, chat.completion)

    def decoder(self, reading: Reading, /) -> OpenAIDecoder:
        """A decoder for one response, streamed or whole."""
        return OpenAIDecoder(reading)

    def error(self, status: int, body: bytes, /) -> StreamError:
        """Read an HTTP error reply."""
        return error_of(body, status=status)


DIALECT = OpenAI()


class OpenAIDecoder(EventStreamDecoder):
    """Decodes one response."""

    __slots__ = ("_choices", "_identity", "_timings", "_tokens", "_usage_chunks")

    wanted = "a finish_reason"

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._identity: tuple[str | None, int | None, str | None] | None = None
        self._choices: dict[int, ChoiceReader] = {}
        self._timings: Timings | None = None
        self._tokens: Tokens | None = None
        self._usage_chunks = 0

    def copy(self) -> OpenAIDecoder:
        """An independent decoder in the same state."""
        copied = super().copy()
        assert isinstance(copied, OpenAIDecoder)  # noqa: S101 - `copy` keeps the class
        copied._choices = {number: choice.copy() for number, choice in self._choices.items()}
        return copied

    # -- framing ------------------------------------------------------------------------------------

    def _can_read(self, record: bytes) -> bool:
        return read(record, Chunk, decode_chunk, prepare)[0] is not None

    def _end_of_input(self) -> None:
        for choice in self._choices.values():
            choice.settle(self.writer)
        if self._whole and self.writer.finished:
            self.writer.end()
        super()._end_of_input()

    # -- records ------------------------------------------------------------------------------------

    def _records(self, records: list[bytes]) -> None:
        # The commonest record first, in the fewest steps; `_record` knows every kind.
        writer = self.writer
        for record in records:
            if writer.done:
                return
            try:
                chunk = None if record == DONE else decode_chunk(record)
            except (ValueError, RecursionError):
                chunk = None
            if chunk is not None and chunk.choices is not None and chunk.error is UNSET:
                self._chunk(chunk)
            elif record.strip():
                self._record(record)

    def _record(self, record: bytes) -> None:
        if record.strip() == DONE:
            self._done()
            return
        try:
            chunk: Chunk | None = decode_chunk(record)
        except (ValueError, RecursionError):
            chunk = self._read_leniently(record)
        if chunk is None:
            self._fail_json(record)
        elif (chunk.choices is None or chunk.error is not UNSET) and _is_error(chunk, record):
            self.writer.fail(error_of(record))
        else:
            self._chunk(chunk)

    def _read_leniently(self, record: bytes) -> Chunk | None:
        chunk, repairs = read_leniently(record, Chunk, prepare)
        if chunk is not None:
            for code, detail in repairs.items():
                self.writer.repair(code, detail)
        return chunk

    def _done(self) -> None:
        writer = self.writer
        for choice in self._choices.values():
            choice.settle(writer)
        for choice in self._choices.values():
            choice.finish_blank(writer)
        if writer.finished:
            writer.end()
        else:
            self._fail("upstream_truncated", "the engine sent [DONE] without a finish_reason. See its log.")

    def _chunk(self, chunk: Chunk) -> None:
        if chunk.object != _CHUNK or (chunk.id, chunk.created, chunk.model) != self._identity:
            self._identify(chunk)
        choices = chunk.choices
        for choice in choices or ():
            number = choice.index or 0
            reader = self._choices.get(number) or self._begin(chunk, number)
            reader.take(self.writer, choice, whole=self._whole)
        if chunk.usage is not None or chunk.timings is not None:
            self._usage(chunk)
        elif not choices and choices is not None:
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
        elif not self._choices and chunk.object == _TEXT and not self._framing.is_event_stream:
            # A whole text is called what its chunks are called. fixtures/dialects/openai/vllm.completions.echo.whole
            self._whole = all(choice.finish_reason for choice in chunk.choices or ())

    def _begin(self, chunk: Chunk, number: int) -> ChoiceReader:
        vendor = chunk.system_fingerprint or None
        self.writer.start(number, chunk.id or None, chunk.model or None, chunk.created, vendor)
        reader = self._choices[number] = ChoiceReader(number)
        return reader

    def _usage(self, chunk: Chunk) -> None:
        if chunk.timings is not None and chunk.timings != _NO_TIMINGS:
            self._timings = chunk.timings
        if chunk.usage is not None and chunk.usage.says_nothing():
            self.writer.repair("field_ignored", "usage of zeros")
        elif chunk.usage is not None:
            self._tokens = chunk.usage
            if chunk.choices and not self._whole:
                self.writer.repair("usage_moved")
            # With several choices llama-server tells each one's usage; all others, that of all.
            self._usage_chunks += len(self._choices) > 1 and (not chunk.choices or _ends_text(chunk))
        if self._tokens is not None or self._timings is not None:
            usage = (self._tokens or Tokens()).value(self._timings)
            self.writer.usage(usage, max(self._usage_chunks - 1, 0))


def _is_error(chunk: Chunk, record: bytes) -> bool:
    """Whether a record tells an error: in a field of its own, or alone, in one of the flat shapes."""
    if chunk.error is not UNSET and bytes(chunk.error) != b"null":
        return True
    if chunk.choices is not None or chunk.usage is not None or chunk.timings is not None:
        return False
    value = untyped(record, {})
    return isinstance(value, dict) and holds_error(value)


def _ends_text(chunk: Chunk) -> bool:
    """Whether a chunk is the last of one text of llama-server's, which tells that text's usage and timings on it.

    fixtures/dialects/openai/llamacpp.hermes.completions.n
    """
    ended = all(choice.text is not None and choice.finish_reason for choice in chunk.choices or ())
    return ended and chunk.timings is not None
