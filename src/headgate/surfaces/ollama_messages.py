"""The messages of a request to Ollama's API -> canonical messages.

Strategy: Ollama's calls need no ids, and its Python client sends none back. A call without one gets an id from its
place, so that the same history always gives the same bytes, and a result without one answers the first call that has
no result yet: of its name, if it has one.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from headgate.errors import RequestError
from headgate.messages import ChatMessage, Part, Role, ToolCall
from headgate.strict_json import pointer
from headgate.surfaces import ollama_shapes as shapes
from headgate.surfaces.arguments import arguments_text
from headgate.surfaces.invalid import Path, invalid

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_KINDS = (
    (b"\x89PNG\r\n\x1a", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF....WEBP", "image/webp"),
    (b"RIFF....WAVE", "audio/wav"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
"""How the bytes of each kind begin (RFC 9649 has the dots, which are a length). An engine may still know others."""
_HEAD_CHARS = 16  # twelve bytes in base64
_ANY_BYTES = "application/octet-stream"

_is_base64 = re.compile(r"[A-Za-z0-9+/]++={0,2}").fullmatch
_encode = msgspec.json.Encoder().encode


def read_messages(messages: Sequence[shapes.Message], body: Any) -> tuple[ChatMessage, ...]:
    """Read the messages; `body` is the whole request's value. Of no messages there are none: see `docs/ollama.md`.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    history = _History({call.id for message in messages for call in message.tool_calls or () if call.id})
    return tuple(_message(message, ("messages", place), history, body) for place, message in enumerate(messages))


def content_of(text: str, images: Sequence[str], path: Path, body: Any) -> str | tuple[Part, ...]:
    """Text and images (in base64) as a message's content; `path` leads to the images.

    Raises:
        RequestError: `invalid_request`, naming the image, or `unsupported` for audio, which Ollama's API has there too.
    """
    if not images:
        return text
    parts = [_image(data, (*path, number), body) for number, data in enumerate(images)]
    said = [Part("text", text, Raw(_encode({"type": "text", "text": text})))] if text else []
    return (*said, *parts)


class _History:
    """The calls so far: the ids that are taken, and the calls that wait for a result.

    Args:
        ids: what the client calls its own calls.
    """

    def __init__(self, ids: set[str]) -> None:
        self._ids = ids
        self._waiting: dict[str, str] = {}  # id -> name
        self._order: dict[str | None, deque[str]] = {}  # the ids of each name, and of all, answered ones among them

    def called(self, call: shapes.Call, place: str) -> str:
        """Note a call, and return its id."""
        call_id = call.id or self._minted(place)
        self._waiting[call_id] = call.function.name
        for name in (call.function.name, None):
            self._order.setdefault(name, deque()).append(call_id)
        return call_id

    def answered(self, message: shapes.Message, place: str) -> tuple[str, str | None]:
        """The id of the call that a result answers, and the result's name where that is not the call's."""
        name = message.tool_name or None
        call_id = message.tool_call_id or self._first(name) or self._minted(place)
        called = self._waiting.pop(call_id, None)
        return call_id, name if name != called else None

    def _first(self, name: str | None) -> str | None:
        """The first call that waits: of this name, or of any."""
        queue = self._order.get(name) or deque()
        while queue:
            called = self._waiting.get(queue[0])
            if called is not None and name in {None, called}:
                return queue[0]
            queue.popleft()  # it has its result; so each is looked at once more at most
        return None

    def _minted(self, place: str) -> str:
        call_id = f"call_{place}"
        while call_id in self._ids:
            call_id += "_"
        return call_id


def _message(message: shapes.Message, path: Path, history: _History, body: Any) -> ChatMessage:
    role = ROLES.get(message.role.lower())
    if role is None:
        raise invalid((*path, "role"), f"one of {', '.join(ROLES)}", body)
    content = content_of(message.content or "", message.images or (), (*path, "images"), body)
    calls = tuple(_call(call, path, number, history, body) for number, call in enumerate(message.tool_calls or ()))
    call_id, name = history.answered(message, str(path[-1])) if role == "tool" else (None, None)
    return ChatMessage(
        role=role,
        content=None if calls and not content else content,
        reasoning=message.thought(),
        tool_calls=calls,
        tool_call_id=call_id,
        name=name,
    )


def _call(call: shapes.Call, path: Path, number: int, history: _History, body: Any) -> ToolCall:
    place: Path = (*path, "tool_calls", number)
    if call.type not in {None, "", "function"}:
        raise invalid((*place, "type"), '"function"', body)
    arguments = arguments_text(call.function.arguments, (*place, "function", "arguments"), body) or "{}"
    return ToolCall(history.called(call, f"{path[-1]}_{number}"), call.function.name, arguments)


def _image(data: str, path: Path, body: Any) -> Part:
    text = data.replace("\n", "").replace("\r", "")
    if len(text) % 4 or not _is_base64(text):
        raise invalid(path, "an image in base64, without data: before it", body)
    kind = _kind(text)
    if kind.startswith("audio/"):
        hint = "Send it to /v1/chat/completions, as a part of the type input_audio."
        raise RequestError("unsupported", f"expected an image, got {kind}. {hint}", param=pointer(*path))
    url = f"data:{kind};base64,{text}"
    return Part("image", url, Raw(_encode({"type": "image_url", "image_url": {"url": url}})))


def _kind(text: str) -> str:
    """What the first bytes say it is."""
    head = a2b_base64(text[:_HEAD_CHARS])
    if head.startswith(b"RIFF"):
        head = b"RIFF...." + head[8:]
    return next((kind for begins, kind in _KINDS if head.startswith(begins)), _ANY_BYTES)
