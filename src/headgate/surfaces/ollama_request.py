"""The body of Ollama's `POST /api/chat` or `POST /api/generate` -> a canonical request.

Strategy: the body is read strictly, once for faults that JSON readers hide and once for its types. What Headgate reads
becomes the request's own or a canonical option; every other field is named as dropped, and never becomes an option,
since an option goes to the engine under its name. A prompt is a conversation of one message, unless it is `raw` or has
a `suffix`: then it is a text to go on with.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-completion
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate import strict_json
from headgate.errors import RequestError
from headgate.messages import ChatMessage, ChatRequest, Completion, Tool
from headgate.surfaces import ollama_shapes as shapes
from headgate.surfaces.invalid import invalid, misfit
from headgate.surfaces.ollama_messages import content_of, read_messages
from headgate.surfaces.ollama_options import read_options, unknown_options
from headgate.surfaces.thoughts import unread

_Body = TypeVar("_Body", bound=shapes.Common)
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


@cache
def _names(shape: type[Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(shape))


_MESSAGE, _CALL, _FUNCTION = _names(shapes.Message), _names(shapes.Call), _names(shapes.Function)
_TOOL, _TOOL_FUNCTION = _names(shapes.Tool), _names(shapes.ToolFunction)


def parse_chat(body: bytes) -> ChatRequest:
    """Read the body of `POST /api/chat`. Without messages it asks for the model to be loaded.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    value, read = _read(body, shapes.ChatBody)
    messages = read_messages(read.messages or (), value)
    return _request(body, value, read, messages, tools=_tools(read.tools, value))


def parse_generate(body: bytes) -> ChatRequest:
    """Read the body of `POST /api/generate`. Without a prompt it asks for the model to be loaded.

    Raises:
        RequestError: `invalid_request`, or `unsupported` for what no engine is asked; with the JSON pointer.
    """
    value, read = _read(body, shapes.GenerateBody)
    completion = _completion(read)
    messages = () if completion is not None else _prompted(read, value)
    return _request(body, value, read, messages, completion=completion)


def _read(body: bytes, shape: type[_Body]) -> tuple[Any, _Body]:
    value = strict_json.loads(body)
    try:
        return value, msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise misfit(error, value) from error


def _request(
    body: bytes,
    value: Any,
    read: shapes.Common,
    messages: tuple[ChatMessage, ...],
    *,
    tools: tuple[Tool, ...] | None = None,
    completion: Completion | None = None,
) -> ChatRequest:
    return ChatRequest(
        model=read.model,
        messages=messages,
        tools=tools,
        completion=completion,
        stream=read.stream is not False,
        options=read_options(_decode_fields(body), read, value),
        dropped=_dropped(value, _names(type(read))),
    )


def _prompted(read: shapes.GenerateBody, body: Any) -> tuple[ChatMessage, ...]:
    if not read.prompt:
        return ()
    system = (ChatMessage(role="system", content=read.system),) if read.system else ()
    return (*system, ChatMessage(role="user", content=content_of(read.prompt, read.images or (), ("images",), body)))


def _completion(read: shapes.GenerateBody) -> Completion | None:
    """The text to go on with; None for a conversation, or for the wish to load the model."""
    _refuse(read, "Headgate asks the engine with its own template, or with none", "template", "context")
    if not read.raw and not read.suffix:
        return None
    _refuse(read, "a raw prompt and one with a suffix are bare text", "system", "images")
    if read.raw:
        _refuse(read, "a raw prompt has no template that could say where a gap is", "suffix")
    return Completion(prompt=read.prompt, suffix=read.suffix or None) if read.prompt else None


def _refuse(read: shapes.GenerateBody, reason: str, *names: str) -> None:
    for name in names:
        if getattr(read, name):
            sentence = f"expected no {name}: {reason}. Leave it out."
            raise RequestError("unsupported", sentence, param=strict_json.pointer(name))


def _tools(tools: list[shapes.Tool] | None, body: Any) -> tuple[Tool, ...] | None:
    for place, tool in enumerate(tools or ()):
        if tool.type not in {None, "", "function"}:
            raise invalid(("tools", place, "type"), '"function"', body)
        if not isinstance(body["tools"][place]["function"].get("parameters", {}), dict | None):
            raise invalid(("tools", place, "function", "parameters"), "a JSON schema object", body)
    return None if tools is None else tuple(_tool(tool.function) for tool in tools)


def _tool(function: shapes.ToolFunction) -> Tool:
    return Tool(function.name, function.description, _given(function.parameters))


def _given(value: Raw | UnsetType) -> Raw | None:
    return None if value is UNSET or bytes(value) == b"null" else value


def _dropped(body: Any, known: frozenset[str]) -> tuple[str, ...]:
    """Name what stands in the body and has no place in the canonical form, each once."""
    found: list[str] = []
    if not body.keys() <= known:
        found += [name for name in body if name not in known and body[name] is not None]
    if body.get("options"):
        found += unknown_options(body["options"])
    for message in (body.get("messages") or ()) if "messages" in known else ():
        found += _unknown("messages[]", message, _MESSAGE)
        if message.get("reasoning_details"):
            found += unread("messages[]", message)
        for call in message.get("tool_calls") or ():
            found += _unknown("messages[].tool_calls[]", call, _CALL)
            found += _unknown("messages[].tool_calls[].function", call["function"], _FUNCTION)
    for tool in (body.get("tools") or ()) if "tools" in known else ():
        found += _unknown("tools[]", tool, _TOOL)
        found += _unknown("tools[].function", tool["function"], _TOOL_FUNCTION)
    return tuple(dict.fromkeys(found)) if found else ()


def _unknown(place: str, given: Mapping[str, Any], known: frozenset[str]) -> Sequence[str]:
    if given.keys() <= known:
        return ()
    # Clients send empty fields back as they got them; nothing is lost with those.
    return [f"{place}.{name}" for name in given if name not in known and given[name] not in (None, [], {}, "")]
