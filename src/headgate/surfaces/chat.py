"""OpenAI's `POST /v1/chat/completions`: canonical events -> `chat.completion.chunk` events, or one reply.

Strategy: what is constant in a response is made into bytes once; a text or reasoning delta is its JSON
string between two of those. Every chunk says one kind of thing, in the order of the events; the finish
chunk is alone, usage follows it when asked for, and `[DONE]` follows only a clean end. OpenAI has no word for
reasoning, so that goes out under the one name of several that its client reads (`docs/reasoning.md`).
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate.errors import stream_error
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
)
from headgate.messages import ChatRequest, IdFactory, Message, ReasoningPart, Spelling, TextPart
from headgate.spelling import CLOSING, OPENING, tagged
from headgate.surfaces.base import Frame, Writing
from headgate.surfaces.chat_request import parse, parse_prompt
from headgate.surfaces.chat_shapes import Body
from headgate.surfaces.chunks import ChunkEncoder, ChunkSurface, Write, finish_word, whole
from headgate.surfaces.line_safe import json_text

_PROMPT_PATH = "/chat"


class Chat(ChunkSurface):
    """The surface."""

    name = "chat"
    paths: tuple[str, ...] = ("/v1/chat/completions", "/chat/completions", _PROMPT_PATH)
    media_type = "text/event-stream"
    shape: type[msgspec.Struct] | None = Body

    def parse(self, path: str, headers: Mapping[str, str], body: bytes, /) -> ChatRequest:
        """Read a request body; that of `/chat` may hold a prompt instead of messages, and no model.

        Raises:
            RequestError: `invalid_request`, naming the field.
        """
        return (parse_prompt if path == _PROMPT_PATH else parse)(headers, body)

    def encoder(self, writing: Writing, /) -> ChatEncoder:
        """An encoder for one streamed response."""
        return ChatEncoder(writing)

    def whole(self, messages: Sequence[Message], writing: Writing, /) -> bytes:
        """One `chat.completion`."""
        choices = [_whole_choice(message, writing.reasoning) for message in messages]
        return whole("chat.completion", messages, choices, writing)

    def new_id(self, ids: IdFactory, /) -> str:
        """A `chatcmpl-` id."""
        return ids("chatcmpl-")


SURFACE = Chat()


class _State(msgspec.Struct, eq=False):
    """What the encoder knows of one choice."""

    thought: int | None = None  # the block whose tag is open
    cut: bool = False
    calls: dict[int, int] = {}  # block index -> index among the tool calls
    refusals: set[int] | None = None  # the blocks of them
    frames: dict[str, Frame] = {}  # by the key of the text


class ChatEncoder(ChunkEncoder):
    """Encodes one response."""

    kind = "chat.completion.chunk"

    __slots__ = ("_choices",)

    def __init__(self, writing: Writing) -> None:
        super().__init__(writing)
        self._choices: dict[int, _State] = {}

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> Frame | None:
        """What stands around the text of each delta like this; None where a thought is hidden, or its tag is due."""
        if isinstance(delta, ReasoningDelta):
            return self._frame_of_thought(delta)
        return self._frame(delta.choice, self._key(delta))

    def _key(self, delta: TextDelta) -> str:
        refusals = self._choices[delta.choice].refusals
        return "refusal" if refusals and delta.index in refusals else "content"

    def _say(self, event: TextDelta, out: list[bytes]) -> None:
        out.append(self._text(event.choice, self._key(event), event.text, event.logprobs))

    def _begin(self, event: MessageStart, out: list[bytes]) -> None:
        super()._begin(event, out)
        self._choices[event.choice] = _State()
        out.append(self._delta(event.choice, {"role": "assistant"}))

    def _open_text(self, event: TextStart, out: list[bytes]) -> None:
        del out
        if event.refusal:
            state = self._choices[event.choice]
            state.refusals = state.refusals or set()
            state.refusals.add(event.index)

    def _end(self, event: MessageEnd, out: list[bytes]) -> None:
        if self._choices[event.choice].cut and event.reason not in _INCOMPLETE:
            # Its start was sent already, and a client would run it; only a failure stops that.
            self._fail(stream_error("tool_call_incomplete", _CUT), out)
        else:
            super()._end(event, out)

    def _think(self, event: ReasoningDelta, out: list[bytes]) -> None:
        spelling, state = self._writing.reasoning, self._choices[event.choice]
        if spelling == "none":
            return
        if spelling == "tags" and state.thought != event.index:
            state.thought = event.index
            out.append(self._text(event.choice, "content", OPENING, ()))
        key = "content" if spelling == "tags" else spelling
        out.append(self._text(event.choice, key, event.text, event.logprobs))

    def _frame_of_thought(self, delta: ReasoningDelta) -> Frame | None:
        match self._writing.reasoning:
            case "none":
                return None
            case "tags":
                is_open = self._choices[delta.choice].thought == delta.index
                return self._frame(delta.choice, "content") if is_open else None
            case key:
                return self._frame(delta.choice, key)

    def _close_block(self, event: BlockEnd, out: list[bytes]) -> None:
        state = self._choices[event.choice]
        state.cut = state.cut or not event.complete
        if state.thought == event.index:
            state.thought = None
            out.append(self._text(event.choice, "content", CLOSING, ()))

    def _text(self, choice: int, key: str, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        if logprobs:
            delta = {key: text} if text else {}
            told = _logprobs((), logprobs) if key == "refusal" else _logprobs(logprobs, ())
            return self._delta(choice, delta, logprobs=told)
        before, behind, write = self._frame(choice, key)
        return b"".join((before, write(text), behind))

    def _frame(self, choice: int, key: str) -> Frame:
        frames = self._choices[choice].frames
        frame = frames.get(key)
        if frame is None:
            before = b'data: %b"choices":[{"index":%d,"delta":{"%b":"' % (self._head, choice, key.encode())
            frame = frames[key] = Frame(before, b'"},"finish_reason":null}]}\n\n', json_text)
        return frame

    def _open_call(self, event: ToolCallStart, out: list[bytes]) -> None:
        calls = self._choices[event.choice].calls
        index = calls[event.index] = len(calls)
        function = {"name": event.name, "arguments": ""}
        call = {"index": index, "id": event.call_id, "type": "function", "function": function}
        out.append(self._call(event.choice, call))

    def _argue(self, event: ToolCallDelta, out: list[bytes]) -> None:
        index = self._choices[event.choice].calls[event.index]
        out.append(self._call(event.choice, {"index": index, "function": {"arguments": event.json}}))

    def _call(self, choice: int, call: dict[str, Any]) -> bytes:
        return self._delta(choice, {"tool_calls": [call]})

    def _delta(self, choice: int, delta: dict[str, Any], **more: Any) -> bytes:
        return self._chunk({"index": choice, "delta": delta, **more, "finish_reason": None})

    writes: Mapping[type[Event], Write] = {
        **ChunkEncoder.writes,
        TextDelta: _say,
        ReasoningDelta: _think,
        ToolCallDelta: _argue,
        ToolCallStart: _open_call,
        MessageStart: _begin,
        TextStart: _open_text,
        BlockEnd: _close_block,
        MessageEnd: _end,
    }

    def _last(self, choice: int, reason: str) -> dict[str, Any]:
        return {"index": choice, "delta": {}, "finish_reason": reason}


_CUT = "the engine finished inside a tool call. Do not run it; ask again."
_INCOMPLETE = frozenset({"length", "content_filter", "cancelled"})
"""Finishes that say themselves that something is missing."""


def _whole_choice(message: Message, spelling: Spelling) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": message.choice, "message": {"refusal": None, **_spelled(message, spelling)}}
    content, refusal = _told(message, thoughts=spelling != "none")
    if content or refusal:
        entry["logprobs"] = _logprobs(content, refusal)
    entry["finish_reason"] = finish_word(message.finish_reason or "unknown")
    return entry


def _spelled(message: Message, spelling: Spelling) -> dict[str, Any]:
    """The history entry, with its thoughts in this spelling."""
    entry = message.to_openai()
    if spelling == "reasoning_content" or "reasoning_content" not in entry:
        return entry
    if spelling == "tags":
        entry["content"] = tagged(message)
    kept = {"reasoning_content": spelling if spelling == "reasoning" else ""}
    return {name: value for key, value in entry.items() if (name := kept.get(key, key))}


def _told(message: Message, *, thoughts: bool) -> tuple[list[Logprob], list[Logprob]]:
    """The log probabilities of the content, with its thoughts or without, in the order of generation; a refusal's."""
    content: list[Logprob] = []
    refusal: list[Logprob] = []
    for part in message.parts:
        match part:
            case TextPart(refusal=True):
                refusal += part.logprobs
            case TextPart():
                content += part.logprobs
            case ReasoningPart() if thoughts:
                content += part.logprobs
            case _:
                pass  # calls have none
    return content, refusal


def _logprobs(content: Sequence[Logprob], refusal: Sequence[Logprob]) -> dict[str, Any]:
    """Those of a refusal stand apart, and one that says nothing is null."""
    return {"content": list(map(_token, content)) or None, "refusal": list(map(_token, refusal)) or None}


def _token(one: Logprob) -> dict[str, Any]:
    return {**_logprob(one), "top_logprobs": list(map(_logprob, one.top_logprobs))}


def _logprob(one: Logprob) -> dict[str, Any]:
    return {"token": one.token, "logprob": one.logprob, "bytes": one.bytes}
