"""llama-server's own `/completion` and `/infill`: event stream or one whole reply -> canonical events.

Strategy: one object for each token, with the text in `content`; the one with `"stop": true` ends a text and tells why,
what it cost and how long it took. Nothing ends the stream but its end. Chats are asked for through `/v1`, in the
dialect `openai`; these two paths only go on with a text.
Spec: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md#post-completion-given-a-prompt-it-returns-the-predicted-completion
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.dialects.base import Reading
from headgate.dialects.event_stream import EventStreamDecoder
from headgate.dialects.lenient import read, untyped
from headgate.dialects.llamacpp_request import request
from headgate.dialects.logprobs import TokenLogprob
from headgate.dialects.peer_error import error_of
from headgate.events import Logprob, StreamError, Timings, Usage
from headgate.messages import ChatRequest, HttpRequest


class _Progress(Struct, gc=False):
    total: int = 0
    processed: int = 0
    cache: int | None = None


class _Piece(Struct, gc=False):
    index: int | None = None
    content: str | None = None
    stop: bool | None = None
    stop_type: str | None = None  # `truncated` says no more than `limit` does
    stopping_word: str | None = None
    model: str | None = None
    tokens_evaluated: int | None = None
    tokens_predicted: int | None = None
    completion_probabilities: list[TokenLogprob] | None = None
    timings: Timings | None = None
    prompt_progress: _Progress | None = None
    error: Raw | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Piece).decode
_NAMES = ("content", "stop", "choices")


class LlamaCpp:
    """The dialect."""

    name = "llamacpp"

    def sniff(self, head: bytes, /) -> int:
        """Sure of an object with `content` and `stop`, in an event stream or alone; rather of an event that is null."""
        line = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if line.startswith(b"data:") and line[5:].strip() == b"null":
            return 50  # fixtures/dialects/llamacpp/llamacpp.hermes.completion.prompts
        line = line.removeprefix(b"data:").lstrip()
        if not line.startswith(b"{"):
            return 0
        value = untyped(line, {})
        record = value if isinstance(value, dict) else {name for name in _NAMES if b'"%b"' % name.encode() in line}
        return 90 if "content" in record and "stop" in record and "choices" not in record else 0

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        """A streamed completion, or an infill where there is a suffix.

        Raises:
            RequestError: `unsupported`, for a conversation and for what the table refuses.
        """
        return request(chat)

    def decoder(self, reading: Reading, /) -> LlamaCppDecoder:
        """A decoder for one response, streamed or whole."""
        return LlamaCppDecoder(reading)

    def error(self, status: int, body: bytes, /) -> StreamError:
        """Read an HTTP error reply."""
        return error_of(body, status=status)


DIALECT = LlamaCpp()


class LlamaCppDecoder(EventStreamDecoder):
    """Decodes one response."""

    __slots__ = ()

    wanted = '"stop": true'

    def _can_read(self, record: bytes) -> bool:
        return read(record, _Piece, _decode)[0] is not None

    def _end_of_input(self) -> None:
        if self.writer.finished:
            self.writer.end()
        super()._end_of_input()

    def _record(self, record: bytes) -> None:
        if record.strip() == b"null":
            # b11549 may begin so when it is asked for several texts.
            # fixtures/dialects/llamacpp/llamacpp.hermes.completion.prompts
            self.writer.repair("null_dropped", "record")
            return
        piece, repairs = read(record, _Piece, _decode)
        if piece is None:
            self._fail_json(record)
            return
        for code, detail in repairs.items():
            self.writer.repair(code, detail)
        if piece.error is not UNSET:
            self.writer.fail(error_of(record))
            return
        self._piece(piece)

    def _piece(self, piece: _Piece) -> None:
        number = piece.index or 0
        self._whole |= bool(piece.stop) and not self.writer.started and not self._framing.is_event_stream
        self.writer.start(number, model=piece.model or None)
        logprobs = self._logprobs(piece, number)
        if piece.content or logprobs:
            self.writer.text(piece.content or "", number, logprobs)
        if (progress := piece.prompt_progress) is not None:
            self.writer.progress(progress.processed, progress.total, progress.cache)
        if piece.stop:
            self._stop(piece, number)

    def _logprobs(self, piece: _Piece, number: int) -> tuple[Logprob, ...]:
        tokens = piece.completion_probabilities or ()
        if any(not token.is_complete() for token in tokens):
            self.writer.repair("logprobs_completed", "", number)
        return tuple(token.value() for token in tokens)

    def _stop(self, piece: _Piece, number: int) -> None:
        timings = piece.timings if piece.timings != Timings() else None
        if timings or piece.tokens_predicted is not None:
            cached = timings.cache_n if timings else None
            usage = Usage(piece.tokens_evaluated, piece.tokens_predicted, cached_tokens=cached, timings=timings)
            self.writer.usage(usage, number)
        self.writer.finish(piece.stop_type, number, piece.stopping_word or None)
