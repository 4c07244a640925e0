"""OpenAI's `POST /v1/completions`: canonical events -> `text_completion` chunks, or one reply.

Strategy: as in chats, but for the form of a chunk: a text where those have a delta. Nothing but text can be said:
reasoning that an engine tells apart is left out, since what is said here goes on with the client's own text, and a tool
call is a failure. The form of log probabilities is that of this API: lists that run beside each other.
Spec: https://platform.openai.com/docs/api-reference/completions/object
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate.errors import UpstreamError, stream_error
from headgate.events import Event, Logprob, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallStart
from headgate.messages import ChatRequest, IdFactory, Message, TextPart
from headgate.surfaces.base import Frame, Writing
from headgate.surfaces.chunks import ChunkEncoder, ChunkSurface, Write, finish_word, whole
from headgate.surfaces.completions_request import parse
from headgate.surfaces.completions_shapes import CompletionBody
from headgate.surfaces.line_safe import json_text

_KIND = "text_completion"
_CALLED = "expected text, got a tool call, which a text completion cannot say. Ask /v1/chat/completions."


class Completions(ChunkSurface):
    """The surface."""

    name = "completions"
    paths: tuple[str, ...] = ("/v1/completions", "/completions")
    media_type = "text/event-stream"
    shape: type[msgspec.Struct] | None = CompletionBody

    def parse(self, path: str, headers: Mapping[str, str], body: bytes, /) -> ChatRequest:
        """Read a request body.

        Raises:
            RequestError: naming the field.
        """
        del path
        return parse(headers, body)

    def encoder(self, writing: Writing, /) -> CompletionsEncoder:
        """An encoder for one streamed response."""
        return CompletionsEncoder(writing)

    def whole(self, messages: Sequence[Message], writing: Writing, /) -> bytes:
        """One `text_completion`.

        Raises:
            UpstreamError: `upstream_protocol`, for a message with tool calls.
        """
        return whole(_KIND, messages, list(map(_whole_choice, messages)), writing)

    def new_id(self, ids: IdFactory, /) -> str:
        """A `cmpl-` id."""
        return ids("cmpl-")


SURFACE = Completions()


class CompletionsEncoder(ChunkEncoder):
    """Encodes one response."""

    kind = _KIND

    __slots__ = ("_frames", "_offsets")

    def __init__(self, writing: Writing) -> None:
        super().__init__(writing)
        self._frames: dict[int, Frame] = {}
        self._offsets: dict[int, int] = {}  # by choice, how many characters its tokens had that were told

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> Frame | None:
        """What stands around the text of each delta like this one; None for reasoning."""
        return None if isinstance(delta, ReasoningDelta) else self._frame(delta.choice)

    def _say(self, event: TextDelta, out: list[bytes]) -> None:
        out.append(self._text(event.choice, event.text, event.logprobs))

    def _refuse_call(self, event: ToolCallStart | ToolCallDelta, out: list[bytes]) -> None:
        del event
        self._fail(stream_error("upstream_protocol", _CALLED), out)

    writes: Mapping[type[Event], Write] = {
        **ChunkEncoder.writes,
        TextDelta: _say,
        ToolCallStart: _refuse_call,
        ToolCallDelta: _refuse_call,
    }

    def _text(self, choice: int, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        if not logprobs:
            before, behind, write = self._frame(choice)
            return b"".join((before, write(text), behind))
        offset = self._offsets.get(choice, 0)
        self._offsets[choice] = offset + sum(len(one.token) for one in logprobs)
        return self._chunk(_entry(choice, text, logprobs, None, offset))

    def _frame(self, choice: int) -> Frame:
        frame = self._frames.get(choice)
        if frame is None:
            behind = b'","index":%d,"logprobs":null,"finish_reason":null}]}\n\n' % choice
            frame = self._frames[choice] = Frame(b'data: %b"choices":[{"text":"' % self._head, behind, json_text)
        return frame

    def _last(self, choice: int, reason: str) -> dict[str, Any]:
        return _entry(choice, "", (), reason)


def _whole_choice(message: Message) -> dict[str, Any]:
    if message.tool_calls or message.incomplete_calls:
        raise UpstreamError("upstream_protocol", _CALLED)
    texts = [part for part in message.parts if isinstance(part, TextPart)]
    text = "".join(part.text for part in texts)
    logprobs = tuple(one for part in texts for one in part.logprobs)
    return _entry(message.choice, text, logprobs, finish_word(message.finish_reason or "unknown"))


def _entry(
    choice: int, text: str, logprobs: tuple[Logprob, ...], finish: str | None, offset: int = 0
) -> dict[str, Any]:
    told = _logprobs(logprobs, offset) if logprobs else None
    return {"text": text, "index": choice, "logprobs": told, "finish_reason": finish}


def _logprobs(logprobs: tuple[Logprob, ...], offset: int) -> dict[str, Any]:
    """The lists; the first token begins `offset` characters behind the first that was told."""
    offsets: list[int] = []
    for one in logprobs:
        offsets.append(offset)
        offset += len(one.token)
    return {
        "tokens": [one.token for one in logprobs],
        "token_logprobs": [one.logprob for one in logprobs],
        "top_logprobs": _alternatives(logprobs),
        "text_offset": offsets,
    }


def _alternatives(logprobs: tuple[Logprob, ...]) -> list[dict[str, float]] | None:
    """By token, as this API has it."""
    return [_likelier(one) for one in logprobs] if any(one.top_logprobs for one in logprobs) else None


def _likelier(one: Logprob) -> dict[str, float]:
    """A token's alternatives; of two that are spelled alike the likelier."""
    told: dict[str, float] = {}
    for other in one.top_logprobs:
        told[other.token] = max(other.logprob, told.get(other.token, other.logprob))
    return told
