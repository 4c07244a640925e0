"""The body of `POST /v1/chat/completions`, or of `POST /chat` -> a canonical request.

Strategy: the body is read strictly, once for faults that JSON readers hide and once for its types; what Headgate acts
on becomes the request's own, every other field is kept verbatim as an option for the engine. What stands inside of
messages and tools and has no place here is named as dropped.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from headgate import strict_json
from headgate.errors import RequestError
from headgate.messages import ChatMessage, ChatRequest, Spelling, Tool
from headgate.spelling import SPELLINGS
from headgate.surfaces import chat_shapes as shapes
from headgate.surfaces.chat_messages import read_messages
from headgate.surfaces.invalid import invalid, misfit
from headgate.surfaces.sampling import StreamOptions, check_format
from headgate.surfaces.thoughts import unread

_EXTRAS_HEADER = "x-headgate-extras"
_REASONING_HEADER = "x-headgate-reasoning"
_CHOICES = ("auto", "none", "required")
_LEGACY = {"functions": "tools", "function_call": "tool_choice"}


def _names(shape: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(shape))


_PROMPTED = _names(shapes.Body) - _names(shapes.Options)
_OURS = _PROMPTED - {"prompt"}
_MESSAGE, _CALL, _FUNCTION = _names(shapes.Message), _names(shapes.Call), _names(shapes.Function)
_TOOL, _TOOL_FUNCTION = _names(shapes.Tool), _names(shapes.ToolFunction)
_STREAM_OPTIONS = _names(StreamOptions)

_TEXT_MESSAGE = frozenset({"role", "content"})
_SHORT_BYTES_MAX = 2048
"""Of a body that takes less time to read twice than to look for what need not be."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(shapes.Body).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def parse(headers: Mapping[str, str], body: bytes) -> ChatRequest:
    """Read the body of a chat completion.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    value, is_plain = strict_json.read(body)
    read, short = _read(body, value, is_plain=is_plain)
    if read.model is None:
        raise invalid(("model",), "the name of a model", value)
    if read.messages is None:
        raise invalid(("messages",), "an array of messages", value)
    messages = read_messages(read.messages, value)
    return _request(headers, read, value, messages, body=short, ours=_OURS, stream=bool(read.stream))


def parse_prompt(headers: Mapping[str, str], body: bytes) -> ChatRequest:
    """Read the body of `POST /chat`; without a model in it, the request's is "".

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    value, is_plain = strict_json.read(body)
    read, short = _read(body, value, is_plain=is_plain)
    messages = _prompted(read, value)
    return _request(headers, read, value, messages, body=short, ours=_PROMPTED, stream=read.stream is not False)


def _read(body: bytes, value: Any, *, is_plain: bool) -> tuple[shapes.Body, bytes]:
    """Read the body for its types; returns with it the text in which its options stand.

    Of a long conversation whose messages hold nothing but texts, these are not read again: they have been.
    """
    messages = _only_texts(value) if is_plain and len(body) > _SHORT_BYTES_MAX else None
    if messages is not None:
        body = _encode({**value, "messages": ()})
    try:
        read = _decode(body)
    except msgspec.ValidationError as error:
        raise misfit(error, value) from error
    if messages is not None:
        read.messages = messages
    return read, body


def _only_texts(value: Any) -> list[shapes.Message] | None:
    """The messages, if each is a role and a text and nothing else."""
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list):
        return None
    read: list[shapes.Message] = []
    for message in messages:
        if not isinstance(message, dict) or message.keys() != _TEXT_MESSAGE:
            return None
        role, content = message["role"], message["content"]
        if not isinstance(role, str) or not isinstance(content, str):
            return None
        read.append(shapes.Message(role=role, content=content))
    return read


def _prompted(read: shapes.Body, body: Any) -> tuple[ChatMessage, ...]:
    if read.prompt is None and read.messages is None:
        raise invalid(("prompt",), "a prompt (or messages)", body)
    if read.prompt is not None and read.messages is not None:
        sentence = "expected a prompt or messages, got both. Put the prompt into the last message."
        raise RequestError("invalid_request", sentence, param=strict_json.pointer("prompt"))
    if read.prompt is not None:
        return (ChatMessage(role="user", content=read.prompt),)
    return read_messages(read.messages or (), body)


def _request(
    headers: Mapping[str, str],
    read: shapes.Body,
    value: Any,
    messages: tuple[ChatMessage, ...],
    *,
    body: bytes,
    ours: frozenset[str],
    stream: bool,
) -> ChatRequest:
    """Make the request; `value` is the body's, `body` has its options, and the fields in `ours` are none."""
    choice = None if read.tool_choice is UNSET else value["tool_choice"]
    if choice is not None:
        _check_choice(choice, value)
    check_format(read.response_format, value)
    wanted = read.stream_options
    return ChatRequest(
        model=read.model or "",
        messages=messages,
        tools=None if read.tools is None else _tools(read.tools, value),
        tool_choice=_given(read.tool_choice, choice),
        stream=stream,
        include_usage=wanted is not None and bool(wanted.include_usage),
        include_timings=bool((wanted and wanted.include_timings) or read.timings_per_token or _wants_timings(headers)),
        choices=read.n or 1,
        reasoning=_spelling(headers),
        dropped=_dropped(value),
        options={} if value.keys() <= ours else _options(body, value, ours),
    )


def _wants_timings(headers: Mapping[str, str]) -> bool:
    extras = headers.get(_EXTRAS_HEADER)
    return extras is not None and "timings" in [name.strip() for name in extras.split(",")]


def _spelling(headers: Mapping[str, str]) -> Spelling | None:
    """How the client wants thoughts written, if it says so."""
    given = headers.get(_REASONING_HEADER)
    if given is None or given in SPELLINGS:
        return given
    known = ", ".join(SPELLINGS)
    sentence = f"expected one of {known} in the header {_REASONING_HEADER}, got a text of {len(given):,} characters."
    raise RequestError("invalid_request", sentence, param=_REASONING_HEADER)


def _options(body: bytes, value: Mapping[str, Any], ours: frozenset[str]) -> dict[str, Raw]:
    if not _LEGACY.keys().isdisjoint(value):
        _refuse_legacy(value)
    fields = _decode_fields(body)
    return {name: raw for name, raw in fields.items() if name not in ours and value[name] is not None}


def _refuse_legacy(value: Mapping[str, Any]) -> None:
    for legacy, name in _LEGACY.items():
        if value.get(legacy) is not None:
            sentence = f"expected {name}, got {legacy}, which engines no longer read. Send {name} instead."
            raise RequestError("unsupported", sentence, param=strict_json.pointer(legacy))


def _tools(tools: list[shapes.Tool], body: Any) -> tuple[Tool, ...]:
    made: list[Tool] = []
    for place, tool in enumerate(tools):
        if tool.type != "function":
            raise invalid(("tools", place, "type"), '"function"', body)
        function = tool.function
        schema = body["tools"][place]["function"].get("parameters")
        if schema is not None and not isinstance(schema, dict):
            raise invalid(("tools", place, "function", "parameters"), "a JSON schema object", body)
        parameters = _given(function.parameters, schema)
        made.append(Tool(function.name, function.description, parameters, function.strict))
    return tuple(made)


def _given(raw: Raw | UnsetType, value: Any) -> Raw | None:
    return None if raw is UNSET or value is None else raw


def _check_choice(choice: Any, body: Any) -> None:
    if isinstance(choice, str) and choice in _CHOICES:
        return
    if not isinstance(choice, dict):
        raise invalid(("tool_choice",), f"one of {', '.join(_CHOICES)}, or a function by name", body)
    if choice.get("type") != "function":
        raise invalid(("tool_choice", "type"), '"function"', body)
    function = choice.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise invalid(("tool_choice", "function", "name"), "a function's name", body)


def _dropped(body: Any) -> tuple[str, ...]:
    """Name what stands inside of known fields and has no place in the canonical form, each once."""
    found: list[str] = []
    for message in body.get("messages") or ():
        if message.keys() == _TEXT_MESSAGE:
            continue
        if not message.keys() <= _MESSAGE:
            found += _unknown("messages[]", message, _MESSAGE)
        if message.get("reasoning_details"):
            found += unread("messages[]", message)
        if message.get("tool_calls"):
            found += _dropped_with_calls(message)
    for tool in body.get("tools") or ():
        found += _unknown("tools[]", tool, _TOOL)
        found += _unknown("tools[].function", tool["function"], _TOOL_FUNCTION)
    if body.get("stream_options"):
        found += _unknown("stream_options", body["stream_options"], _STREAM_OPTIONS)
    return tuple(dict.fromkeys(found)) if found else ()


def _dropped_with_calls(message: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for call in message["tool_calls"]:
        found += _unknown("messages[].tool_calls[]", call, _CALL)
        found += _unknown("messages[].tool_calls[].function", call["function"], _FUNCTION)
    if message.get("function_call"):
        found.append("messages[].function_call")
    return found


def _unknown(place: str, given: Mapping[str, Any], known: frozenset[str]) -> Sequence[str]:
    if given.keys() <= known:
        return ()
    # Clients send empty fields back as they got them (`"annotations": []`); nothing is lost with those.
    return [f"{place}.{name}" for name in given if name not in known and given[name] not in (None, [], {})]
