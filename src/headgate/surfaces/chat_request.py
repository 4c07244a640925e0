"""The body of `POST /v1/chat/completions`, or of `POST /chat` -> a canonical request.

Strategy: the body is read strictly, once for faults that JSON readers hide and once for its types; what Headgate acts
on becomes the request's own, every other field is kept verbatim as an option for the engine. What stands inside of
messages and tools and has no place here is named as dropped.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

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


def _names(shape: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(shape))


_PROMPTED = _names(shapes.Body) - _names(shapes.Options)
_OURS = _PROMPTED - {"prompt"}
_MESSAGE, _CALL, _FUNCTION = _names(shapes.Message), _names(shapes.Call), _names(shapes.Function)
_TOOL, _TOOL_FUNCTION = _names(shapes.Tool), _names(shapes.ToolFunction)
_STREAM_OPTIONS = _names(StreamOptions)

_decode = msgspec.json.Decoder(shapes.Body).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def parse(headers: Mapping[str, str], body: bytes) -> ChatRequest:
    """Read the body of a chat completion.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    value = strict_json.loads(body)
    read = _read(body, value)
    if read.model is None:
        raise invalid(("model",), "the name of a model", value)
    if read.messages is None:
        raise invalid(("messages",), "an array of messages", value)
    chat = _request(headers, read, value, read_messages(read.messages, value))
    return replace(chat, stream=bool(read.stream), options=_options(body, _OURS))


def parse_prompt(headers: Mapping[str, str], body: bytes) -> ChatRequest:
    """Read the body of `POST /chat`; without a model in it, the request's is "".

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    value = strict_json.loads(body)
    read = _read(body, value)
    chat = _request(headers, read, value, _prompted(read, value))
    return replace(chat, stream=read.stream is not False, options=_options(body, _PROMPTED))


def _read(body: bytes, value: Any) -> shapes.Body:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        raise misfit(error, value) from error


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
    headers: Mapping[str, str], read: shapes.Body, body: Any, messages: tuple[ChatMessage, ...]
) -> ChatRequest:
    """Make the request, but for `stream` and `options`; `body` is the whole body's value."""
    _check_choice(body)
    check_format(read.response_format, body)
    wanted = read.stream_options or StreamOptions()
    extras = {name.strip() for name in headers.get(_EXTRAS_HEADER, "").split(",")}
    return ChatRequest(
        model=read.model or "",
        messages=messages,
        tools=_tools(read.tools, body),
        tool_choice=_given(read.tool_choice),
        include_usage=bool(wanted.include_usage),
        include_timings=bool(wanted.include_timings or read.timings_per_token or "timings" in extras),
        choices=read.n or 1,
        reasoning=_spelling(headers),
        dropped=tuple(dict.fromkeys(_dropped(body))),
    )


def _spelling(headers: Mapping[str, str]) -> Spelling | None:
    """How the client wants thoughts written, if it says so."""
    given = headers.get(_REASONING_HEADER)
    if given is None or given in SPELLINGS:
        return given
    known = ", ".join(SPELLINGS)
    sentence = f"expected one of {known} in the header {_REASONING_HEADER}, got a text of {len(given):,} characters."
    raise RequestError("invalid_request", sentence, param=_REASONING_HEADER)


def _options(body: bytes, ours: frozenset[str]) -> dict[str, Raw]:
    fields = _decode_fields(body)
    for legacy, name in (("functions", "tools"), ("function_call", "tool_choice")):
        if legacy in fields and bytes(fields[legacy]) != b"null":
            sentence = f"expected {name}, got {legacy}, which engines no longer read. Send {name} instead."
            raise RequestError("unsupported", sentence, param=strict_json.pointer(legacy))
    return {name: value for name, value in fields.items() if name not in ours and bytes(value) != b"null"}


def _tools(tools: list[shapes.Tool] | None, body: Any) -> tuple[Tool, ...] | None:
    for place, tool in enumerate(tools or ()):
        if tool.type != "function":
            raise invalid(("tools", place, "type"), '"function"', body)
        if not isinstance(body["tools"][place]["function"].get("parameters", {}), dict | None):
            raise invalid(("tools", place, "function", "parameters"), "a JSON schema object", body)
    return None if tools is None else tuple(_tool(tool.function) for tool in tools)


def _tool(function: shapes.ToolFunction) -> Tool:
    return Tool(function.name, function.description, _given(function.parameters), function.strict)


def _given(value: Raw | UnsetType) -> Raw | None:
    return None if value is UNSET or bytes(value) == b"null" else value


def _check_choice(body: Any) -> None:
    choice = body.get("tool_choice")
    if choice is None or (isinstance(choice, str) and choice in _CHOICES):
        return
    if not isinstance(choice, dict):
        raise invalid(("tool_choice",), f"one of {', '.join(_CHOICES)}, or a function by name", body)
    if choice.get("type") != "function":
        raise invalid(("tool_choice", "type"), '"function"', body)
    function = choice.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise invalid(("tool_choice", "function", "name"), "a function's name", body)


def _dropped(body: Any) -> Iterator[str]:
    """Name what stands inside of known fields and has no place in the canonical form."""
    for message in body.get("messages") or ():
        yield from _unknown("messages[]", message, _MESSAGE)
        yield from unread("messages[]", message)
        for call in message.get("tool_calls") or ():
            yield from _unknown("messages[].tool_calls[]", call, _CALL)
            yield from _unknown("messages[].tool_calls[].function", call["function"], _FUNCTION)
        if message.get("tool_calls") and message.get("function_call"):
            yield "messages[].function_call"
    for tool in body.get("tools") or ():
        yield from _unknown("tools[]", tool, _TOOL)
        yield from _unknown("tools[].function", tool["function"], _TOOL_FUNCTION)
    yield from _unknown("stream_options", body.get("stream_options") or {}, _STREAM_OPTIONS)


def _unknown(place: str, given: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    # Clients send empty fields back as they got them (`"annotations": []`); nothing is lost with those.
    return [f"{place}.{name}" for name in given if name not in known and given[name] not in (None, [], {})]
