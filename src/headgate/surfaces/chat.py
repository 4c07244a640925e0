"""OpenAI's `POST /v1/chat/completions`: canonical events -> `chat.completion.chunk` events, or one reply.

Strategy: what is constant in a response is made into bytes once; a text or reasoning delta is its JSON
string between two of those. Every chunk says one kind of thing, in the order of the events; the finish
chunk is alone, usage follows it when asked for, and `[DONE]` follows only a clean end.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate.errors import PeerError, stream_error
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    StreamError,
    TextDelta,
    TextStart,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.messages import ChatRequest, IdFactory, Message, usage_to_openai
from headgate.surfaces.base import Frame, Writing
from headgate.surfaces.chat_request import parse, parse_prompt

DONE = b"data: [DONE]\n\n"
_PROMPT_PATH = "/chat"
_encode = msgspec.json.Encoder().encode


class Chat:
    """The surface."""

    name = "chat"
    paths: tuple[str, ...] = ("/v1/chat/completions", "/chat/completions", _PROMPT_PATH)
    media_type = "text/event-stream"

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
        return _whole(messages, writing)

    def keepalive(self) -> bytes:
        """A comment, which every event-stream reader ignores."""
        return b": keep-alive\n\n"

    def error(self, failure: PeerError, /) -> tuple[int, bytes]:
        """The status, and OpenAI's error object."""
        return failure.status, _encode({"error": _error_object(failure.message, failure.code, failure.param)})

    def new_id(self, ids: IdFactory, /) -> str:
        """A `chatcmpl-` id."""
        return ids("chatcmpl-")


SURFACE = Chat()


class _State:
    """What the encoder knows of one choice."""

    def __init__(self) -> None:
        self.ended = False
        self.calls: dict[int, int] = {}  # block index -> index among the tool calls
        self.refusals: set[int] = set()
        self.cut = False


class ChatEncoder:
    """Encodes one response."""

    def __init__(self, writing: Writing) -> None:
        self.done = False
        self.failed = False
        self._writing = writing
        self._choices: dict[int, _State] = {}
        self._usage: Usage | None = None
        self._head = b""
        self._frames: dict[tuple[int, str], Frame] = {}

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Encode events. After the last choice's end (or an error) the terminal frame is part of the result."""
        out: list[bytes] = []
        for event in events:
            if not self.done:
                self._event(event, out)
        if not self.done and self._choices and all(state.ended for state in self._choices.values()):
            self._finish(out)
        return b"".join(out)

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> Frame:
        """What stands around the text of each delta like this one."""
        if isinstance(delta, ReasoningDelta):
            return self._frame(delta.choice, "reasoning_content")
        refused = delta.index in self._choices[delta.choice].refusals
        return self._frame(delta.choice, "refusal" if refused else "content")

    def close(self) -> bytes:
        """The events are over: nothing after a terminal, else an error frame."""
        if self.done:
            return b""
        return self.feed([stream_error("upstream_truncated", "the stream stopped without an end.")])

    def _event(self, event: Event, out: list[bytes]) -> None:
        match event:
            case TextDelta():
                refused = event.index in self._choices[event.choice].refusals
                out.append(self._text(event.choice, "refusal" if refused else "content", event.text, event.logprobs))
            case ReasoningDelta():
                out.append(self._text(event.choice, "reasoning_content", event.text, event.logprobs))
            case ToolCallDelta():
                index = self._choices[event.choice].calls[event.index]
                out.append(self._call(event.choice, {"index": index, "function": {"arguments": event.json}}))
            case ToolCallStart():
                out.append(self._open_call(event))
            case MessageStart():
                self._start(event, out)
            case TextStart() if event.refusal:
                self._choices[event.choice].refusals.add(event.index)
            case BlockEnd() if not event.complete:
                self._choices[event.choice].cut = True
            case Usage():
                self._usage = event
            case MessageEnd():
                self._end(event, out)
            case StreamError():
                out.append(_frame({"error": _error_object(event.message, event.code, None)}))
                self.done = self.failed = True
            case _:
                pass  # starts and ends of blocks, repairs and progress have no place in this format

    def _start(self, event: MessageStart, out: list[bytes]) -> None:
        if not self._head:
            writing = self._writing
            self._head = _line_safe(
                b'{"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,'
                % (_encode(writing.id), writing.created_s, _encode(event.model or writing.model))
            )
        self._choices[event.choice] = _State()
        out.append(self._chunk(event.choice, {"role": "assistant"}))

    def _text(self, choice: int, key: str, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        if logprobs:
            delta = {key: text} if text else {}
            return self._chunk(choice, delta, logprobs=_logprobs(logprobs))
        before, behind, write = self._frame(choice, key)
        return b"".join((before, write(text), behind))

    def _frame(self, choice: int, key: str) -> Frame:
        frame = self._frames.get((choice, key))
        if frame is None:
            before = b'data: %b"choices":[{"index":%d,"delta":{"%b":"' % (self._head, choice, key.encode())
            frame = self._frames[choice, key] = Frame(before, b'"},"finish_reason":null}]}\n\n', _text)
        return frame

    def _open_call(self, event: ToolCallStart) -> bytes:
        calls = self._choices[event.choice].calls
        index = calls[event.index] = len(calls)
        function = {"name": event.name, "arguments": ""}
        return self._call(event.choice, {"index": index, "id": event.call_id, "type": "function", "function": function})

    def _call(self, choice: int, call: dict[str, Any]) -> bytes:
        return self._chunk(choice, {"tool_calls": [call]})

    def _chunk(self, choice: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        entry = {"index": choice, "delta": delta, **more, "finish_reason": finish}
        return b"data: %b\n\n" % _line_safe(self._head + b'"choices":' + _encode([entry]) + b"}")

    def _end(self, event: MessageEnd, out: list[bytes]) -> None:
        state = self._choices[event.choice]
        state.ended = True
        if state.cut and event.reason not in {"length", "content_filter", "cancelled"}:
            # Its start was sent already, and a client would run it; only a failure stops that.
            message = "the engine finished inside a tool call. Do not run it; ask again."
            self._event(stream_error("tool_call_incomplete", message), out)
            return
        reason = _FINISH.get(event.reason, event.reason)
        extra = self._timings() if self._is_last() and not self._tells_usage() else b""
        chunk = self._chunk(event.choice, {}, reason)
        out.append(chunk.removesuffix(b"}\n\n") + extra + b"}\n\n" if extra else chunk)

    def _is_last(self) -> bool:
        return all(state.ended for state in self._choices.values())

    def _finish(self, out: list[bytes]) -> None:
        if self._tells_usage():
            usage = usage_to_openai(self._usage, complete=True)
            body = self._head + b'"choices":[],"usage":' + _encode(usage) + self._timings() + b"}"
            out.append(b"data: %b\n\n" % body)
        out.append(DONE)
        self.done = True

    def _tells_usage(self) -> bool:
        """Whether there is a usage chunk: when asked for, and when the engine told any (zeros would be invented)."""
        return self._writing.include_usage and usage_to_openai(self._usage) is not None

    def _timings(self) -> bytes:
        timings = self._usage.timings if self._usage and self._writing.include_timings else None
        return b',"timings":' + _encode(timings) if timings else b""


_FINISH = {"unknown": "stop", "cancelled": "stop"}


def _whole(messages: Sequence[Message], writing: Writing) -> bytes:
    model = next((message.model for message in messages if message.model), writing.model)
    body: dict[str, Any] = {
        "id": writing.id,
        "object": "chat.completion",
        "created": writing.created_s,
        "model": model,
        "choices": [_whole_choice(message) for message in messages],
    }
    if usage_to_openai(messages[0].usage) is not None:
        body["usage"] = usage_to_openai(messages[0].usage, complete=True)
    timings: Timings | None = messages[0].timings
    if timings and writing.include_timings:
        body["timings"] = timings
    return _encode(body)


def _whole_choice(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": message.choice, "message": {"refusal": None, **message.to_openai()}}
    if message.logprobs:
        entry["logprobs"] = _logprobs(message.logprobs)
    reason = message.finish_reason or "unknown"
    return {**entry, "finish_reason": _FINISH.get(reason, reason)}


def _logprobs(logprobs: tuple[Logprob, ...]) -> dict[str, Any]:
    return {
        "content": [{**_logprob(one), "top_logprobs": list(map(_logprob, one.top_logprobs))} for one in logprobs],
        "refusal": None,
    }


def _logprob(one: Logprob) -> dict[str, Any]:
    return {"token": one.token, "logprob": one.logprob, "bytes": one.bytes}


def _error_object(message: str, code: str, param: str | None) -> dict[str, Any]:
    kind = "invalid_request_error" if code in _CLIENTS_FAULT else "upstream_error"
    return {"message": message, "type": kind, "code": code, "param": param}


_CLIENTS_FAULT = frozenset(
    {
        "invalid_request",
        "unsupported",
        "model_not_found",
        "not_found",
        "method_not_allowed",
        "body_too_large",
        "unauthorized",
        "forbidden",
        "misdirected_host",
        "unsupported_media_type",
        "request_timeout",
    }
)


def _frame(body: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _line_safe(_encode(body))


def _text(text: str) -> bytes:
    """A JSON string without its quotes."""
    return _line_safe(_encode(text)[1:-1])


def _line_safe(body: bytes) -> bytes:
    """Escape U+0085, U+2028 and U+2029: some clients split lines at them (httpx did)."""
    if body.isascii():
        return body
    return (
        body.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029").replace(b"\xc2\x85", b"\\u0085")
    )
