"""The body of `POST /v1/chat/completions` -> a canonical request.

Strategy: the fields that Headgate acts on are read strictly, everything else is kept verbatim as an
option for the engine.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.errors import RequestError
from headgate.messages import ChatMessage, ChatRequest, Part, Tool, ToolCall

_EXTRAS_HEADER = "x-headgate-extras"


class _Function(Struct):
    name: str
    arguments: str = "{}"


class _Call(Struct):
    id: str
    function: _Function


class _Url(Struct):
    url: str = ""


class _Part(Struct):
    type: str
    text: str = ""
    image_url: _Url | str = ""


class _Message(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Raw] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _ToolFunction(Struct):
    name: str
    description: str | None = None
    parameters: Raw | UnsetType = UNSET  # msgspec reads no Raw that may also be None
    strict: bool | None = None


class _Tool(Struct):
    function: _ToolFunction
    type: Literal["function"] = "function"


class _StreamOptions(Struct):
    include_usage: bool | None = None
    include_timings: bool | None = None


class _Body(Struct):
    model: str
    messages: list[_Message]
    tools: list[_Tool] | None = None
    tool_choice: Raw | UnsetType = UNSET
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    timings_per_token: bool | None = None
    n: int | None = None


_OURS = frozenset(field.name for field in msgspec.structs.fields(_Body))
_decode = msgspec.json.Decoder(_Body).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_part = msgspec.json.Decoder(_Part).decode


def parse(headers: Mapping[str, str], body: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        RequestError: `invalid_request`, with the JSON path of the field as `param`.
    """
    try:
        body.decode("utf-8")  # the fields that are kept verbatim are not looked into
        read, fields = _decode(body), _decode_fields(body)
    except (ValueError, RecursionError) as error:
        raise _invalid(error) from error
    messages = tuple(_message(message, place) for place, message in enumerate(read.messages))
    if not messages:
        raise RequestError("invalid_request", "expected at least one message, got none.", param="messages")
    if read.n is not None and read.n < 1:
        raise RequestError("invalid_request", f"expected n of 1 or more, got {read.n}.", param="n")
    options = read.stream_options or _StreamOptions()
    extras = {name.strip() for name in headers.get(_EXTRAS_HEADER, "").split(",")}
    return ChatRequest(
        model=read.model,
        messages=messages,
        tools=tuple(_tool(tool) for tool in read.tools) if read.tools is not None else None,
        tool_choice=_given(read.tool_choice),
        stream=bool(read.stream),
        include_usage=bool(options.include_usage),
        include_timings=bool(options.include_timings or read.timings_per_token or "timings" in extras),
        choices=read.n or 1,
        options={name: value for name, value in fields.items() if name not in _OURS and bytes(value) != b"null"},
    )


def _invalid(error: BaseException, place: str = "") -> RequestError:
    text = str(error) or type(error).__name__
    message, _, path = text.partition(" - at `")
    param = (place + path.rstrip("`").removeprefix("$")).removeprefix(".") or None
    where = f" at {param}" if param else ""
    return RequestError("invalid_request", f"the request body cannot be read{where}: {message}.", param=param)


def _message(message: _Message, place: int) -> ChatMessage:
    content = message.content
    parts = enumerate(content) if isinstance(content, list) else ()
    read = tuple(_part(raw, f"messages[{place}].content[{number}]") for number, raw in parts)
    return ChatMessage(
        role="tool" if message.role == "function" else message.role,
        content=read if isinstance(content, list) else content,
        reasoning=message.reasoning_content or message.reasoning or message.thinking,
        tool_calls=tuple(
            ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()
        ),
        tool_call_id=message.tool_call_id,
        name=message.name,
    )


def _part(raw: Raw, place: str) -> Part:
    try:
        part: Any = _decode_part(raw)
    except (ValueError, RecursionError) as error:
        raise _invalid(error, place) from error
    if part.type == "text":
        return Part("text", part.text, raw)
    if part.type == "image_url":
        url = part.image_url.url if isinstance(part.image_url, _Url) else part.image_url
        return Part("image", url, raw)
    return Part("other", "", raw)


def _tool(tool: _Tool) -> Tool:
    function = tool.function
    return Tool(function.name, function.description, _given(function.parameters), function.strict)


def _given(value: Raw | UnsetType) -> Raw | None:
    return None if value is UNSET or bytes(value) == b"null" else value
