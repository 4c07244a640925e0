"""The messages of a chat completion's request -> canonical messages.

Strategy: what each role must bring is checked message by message. The three names of reasoning become one, and the
functions of before tools become tools: such a call gets an id from its place, and its result finds it by its name.
Spec: https://platform.openai.com/docs/api-reference/chat/create#chat_create-messages
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from headgate.messages import ChatMessage, Part, ReasoningPart, Role, ToolCall
from headgate.signatures import is_foreign
from headgate.surfaces import chat_shapes as shapes
from headgate.surfaces.arguments import arguments_text
from headgate.surfaces.invalid import Path, invalid, misfit

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""What a client may call a role, and what it is here."""

_SPEAKERS: dict[str, Role] = {name: role for name, role in ROLES.items() if role != "tool"}
"""Roles of those who answer no call, so that a text says all."""

OTHER_PARTS = frozenset({"audio_url", "file", "input_video", "video_url"})
"""Kinds of parts that some engine takes, and that Headgate passes on unread."""

_PARTS = ("text", "refusal", "image_url", "input_audio", *sorted(OTHER_PARTS))
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_SILENT = frozenset({"assistant", "function"})
"""Who may say nothing: a message of calls only, and the result of a function that returned nothing."""
_IMAGES = ("data:", "http:", "https:")
_decode_part = msgspec.json.Decoder(shapes.Part).decode


def read_messages(messages: Sequence[shapes.Message], body: Any) -> tuple[ChatMessage, ...]:
    """Read the messages; `body` is the whole request's value.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    if not messages:
        raise invalid(("messages",), "at least one message", body)
    called: dict[str, str] = {}  # a function's name -> the id of its last call
    read: list[ChatMessage] = []
    for place, message in enumerate(messages):
        one = _text(message)
        if one is None:
            one = _message(message, ("messages", place), called, body)
            for call in one.tool_calls:
                called[call.name] = call.id
        read.append(one)
    return tuple(read)


def _text(message: shapes.Message) -> ChatMessage | None:
    """The message if it is a text and nothing else, as most are; there is nothing to check then."""
    role, content = _SPEAKERS.get(message.role), message.content
    if role is None or not isinstance(content, str):
        return None
    is_all = message == shapes.Message(role=message.role, content=content)
    return ChatMessage(role=role, content=content) if is_all else None


def _message(message: shapes.Message, path: Path, called: Mapping[str, str], body: Any) -> ChatMessage:
    role, given = ROLES.get(message.role), message.content
    if role is None:
        raise invalid((*path, "role"), f"one of {', '.join(ROLES)}", body)
    if given is None and message.role not in _SILENT:
        raise invalid((*path, "content"), "a string or an array of parts", body)
    content: str | tuple[Part, ...] | None
    thoughts: tuple[ReasoningPart, ...] = ()
    if isinstance(given, list):
        content, thoughts = _parts(given, path, body, thinks=role == "assistant")
    else:
        content = given
    reasoning, answers = message.thought(), message.tool_call_id
    if thoughts and reasoning is None:
        reasoning = "".join([part.text for part in thoughts]) or None
    has_calls = message.tool_calls is not None or message.function_call is not None
    return ChatMessage(
        role=role,
        content=content,
        reasoning=reasoning,
        signed=thoughts if thoughts and any(part.signature for part in thoughts) else (),
        refusal=message.refusal or None,
        tool_calls=_calls(message, path, body) if has_calls else (),
        tool_call_id=_answered(message, path, called, body) if answers is None and role == "tool" else answers,
        name=message.name,
    )


def _parts(
    content: list[Raw], path: Path, body: Any, *, thinks: bool
) -> tuple[tuple[Part, ...], tuple[ReasoningPart, ...]]:
    """The parts, and the thoughts among those of an assistant (`thinks`)."""
    parts: list[Part] = []
    thoughts: list[ReasoningPart] = []
    for number, raw in enumerate(content):
        place: Path = (*path, "content", number)
        part = _read_part(raw, place, body)
        if thinks and part.type in _THOUGHTS:
            thoughts.append(_thought(part))
        else:
            parts.append(_part(part, raw, place, body))
    return tuple(parts), tuple(thoughts)


def _calls(message: shapes.Message, path: Path, body: Any) -> tuple[ToolCall, ...]:
    calls = message.tool_calls or ()
    for number, call in enumerate(calls):
        if call.type != "function":
            raise invalid((*path, "tool_calls", number, "type"), '"function"', body)
    if not calls and (legacy := message.function_call) is not None:
        text = arguments_text(legacy.arguments, (*path, "function_call", "arguments"), body)
        return (ToolCall(f"call_function_{path[-1]}", legacy.name, text),)
    return tuple([_call(call, (*path, "tool_calls", number), body) for number, call in enumerate(calls)])


def _call(call: shapes.Call, path: Path, body: Any) -> ToolCall:
    text = arguments_text(call.function.arguments, (*path, "function", "arguments"), body)
    return ToolCall(call.id, call.function.name, text)


def _answered(message: shapes.Message, path: Path, called: Mapping[str, str], body: Any) -> str:
    """The id of the call that a result answers, which does not say it."""
    if message.role == "tool":
        raise invalid((*path, "tool_call_id"), "the id of the call that this answers", body)
    if message.name is None or message.name not in called:
        raise invalid((*path, "name"), "the name of a function that was called before", body)
    return called[message.name]


def _read_part(raw: Raw, path: Path, body: Any) -> shapes.Part:
    try:
        return _decode_part(raw)
    except msgspec.ValidationError as error:
        raise misfit(error, body, *path) from error


def _thought(part: shapes.Part) -> ReasoningPart:
    """Read a thought in the form of Anthropic's or Mistral's API. Only a signature that somebody will check is kept."""
    if part.type == "redacted_thinking":
        return ReasoningPart("", signature=part.data, redacted=True)
    thinking = part.thinking or ""
    text = thinking if isinstance(thinking, str) else "".join(one.text or "" for one in thinking)
    return ReasoningPart(text, signature=part.signature if is_foreign(part.signature) else None)


def _part(part: shapes.Part, raw: Raw, path: Path, body: Any) -> Part:
    value: Any = getattr(part, part.type, True) if part.type in _PARTS else None
    if part.type not in _PARTS:
        raise invalid((*path, "type"), f"one of {', '.join(_PARTS)}", body)
    if value is None:
        raise invalid((*path, part.type), "a value", body)
    match part.type:
        case "text" | "refusal":
            return Part("text", value, raw)
        case "image_url":
            return _image(value, raw, path, body)
        case "input_audio":
            return Part("audio", "", raw)
        case _:
            return Part("other", "", raw)


def _image(value: shapes.Url | str, raw: Raw, path: Path, body: Any) -> Part:
    url = value if isinstance(value, str) else value.url
    # An engine would read file:// on its own machine.
    if not url[:8].lower().startswith(_IMAGES):
        inner = ("image_url",) if isinstance(value, str) else ("image_url", "url")
        raise invalid((*path, *inner), "a data: URI or an http(s) URL", body)
    return Part("image", url, raw)
