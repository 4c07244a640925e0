"""The body of `POST /v1/messages` -> a canonical request.

Strategy: the body is read strictly, once for faults that JSON readers hide and once for its types. What this API has a
word of its own for becomes OpenAI's word, which dialects know; fields of engines pass as they are; every other field
is dropped and named, and what Anthropic's servers would do themselves is refused.
Spec: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from headgate import strict_json
from headgate.errors import RequestError
from headgate.messages import ChatMessage, ChatRequest, Tool
from headgate.surfaces import anthropic_shapes as shapes
from headgate.surfaces.anthropic_content import Reader
from headgate.surfaces.anthropic_messages import read_messages
from headgate.surfaces.invalid import invalid, misfit

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_THINKING = ("enabled", "disabled", "adaptive", "between_tools")
_OURS = frozenset({"model", "messages", "system", "tools", "stream"})
_REFUSED = frozenset({"mcp_servers", "container"})
_KWARGS, _ENABLE, _BUDGET = "chat_template_kwargs", "enable_thinking", "thinking_budget_tokens"

# OpenAI's words: this API has others for the same, or its reply has no place for what they ask for.
_FOREIGN = frozenset(
    """
    n stop max_completion_tokens response_format reasoning_effort parallel_tool_calls user modalities logprobs
    top_logprobs stream_options timings_per_token functions function_call prompt service_tier thinking_budget_tokens
    """.split()
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(shapes.Body).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def parse(body: bytes) -> ChatRequest:
    """Read the body of a request.

    Raises:
        RequestError: `invalid_request` or `unsupported`, with the JSON pointer of the field as `param`.
    """
    value = strict_json.loads(body)
    try:
        read = _decode(body)
    except msgspec.ValidationError as error:
        raise misfit(error, value) from error
    reader = Reader(value)
    messages = _messages(read, reader)
    tools, choice = _tools(read.tools, reader), _choice(read.tool_choice, reader)
    options = _options(read, _decode_fields(body), reader)
    return ChatRequest(
        model=read.model or "",
        messages=messages,
        tools=tools,
        tool_choice=choice,
        stream=bool(read.stream),
        include_usage=True,
        options=options,
        dropped=tuple(dict.fromkeys(reader.dropped)),
    )


def _messages(read: shapes.Body, reader: Reader) -> tuple[ChatMessage, ...]:
    needed = {"model": "the name of a model", "messages": "an array of messages", "max_tokens": "a whole number"}
    for name, expected in needed.items():
        if getattr(read, name) is None:
            raise invalid((name,), expected, reader.body)
    return read_messages(read.system, read.messages or (), reader)


# -- tools --------------------------------------------------------------------------------------------------


def _tools(tools: list[shapes.Tool] | None, reader: Reader) -> tuple[Tool, ...] | None:
    return None if tools is None else tuple(_tool(tool, place, reader) for place, tool in enumerate(tools))


def _tool(tool: shapes.Tool, place: int, reader: Reader) -> Tool:
    path = ("tools", place)
    if tool.type is not None and tool.type != "custom":
        sentence = f"expected tools that the client runs, got {tool.type[:64]!r}, which Anthropic's servers run or know"
        hint = f"{sentence}. Send a tool with an input_schema instead."
        raise RequestError("unsupported", hint, param=strict_json.pointer(*path, "type"))
    if tool.name is None:
        raise invalid((*path, "name"), "a tool's name", reader.body)
    if not isinstance(reader.body["tools"][place].get("input_schema"), dict):
        raise invalid((*path, "input_schema"), "a JSON schema object", reader.body)
    reader.note(path, "tools[]", {"name", "type", "description", "input_schema", "strict"})
    return Tool(tool.name, tool.description, _given(tool.input_schema), tool.strict)


def _given(value: Raw | msgspec.UnsetType) -> Raw | None:
    return None if value is UNSET else value


def _choice(choice: shapes.ToolChoice | None, reader: Reader) -> Raw | None:
    if choice is None:
        return None
    reader.note(("tool_choice",), "tool_choice", {"type", "name", "disable_parallel_tool_use"})
    if choice.type in _CHOICES:
        return Raw(_encode(_CHOICES[choice.type]))
    if choice.type != "tool":
        raise invalid(("tool_choice", "type"), f"one of {', '.join(_CHOICES)}, tool", reader.body)
    if choice.name is None:
        raise invalid(("tool_choice", "name"), "a tool's name", reader.body)
    return Raw(_encode({"type": "function", "function": {"name": choice.name}}))


# -- options ------------------------------------------------------------------------------------------------


def _options(read: shapes.Body, fields: dict[str, Raw], reader: Reader) -> dict[str, Raw]:
    """Name the options in OpenAI's words, in the order in which the client named its own."""
    options: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _OURS or bytes(value) == b"null":
            continue
        if name in _REFUSED:
            _refuse(name, value)
        elif name in _FOREIGN:
            reader.dropped.append(name)
        elif name in _WORDS:
            options |= _WORDS[name](read, reader)
        else:
            options[name] = value
    return {name: value if isinstance(value, Raw) else Raw(_encode(value)) for name, value in options.items()}


def _refuse(name: str, value: Raw) -> None:
    if bytes(value) not in {b"[]", b"{}", b'""', b"false"}:
        sentence = f"expected no {name}, on which the answer depends and which only Anthropic's servers have."
        raise RequestError("unsupported", sentence, param=strict_json.pointer(name))


def _metadata(read: shapes.Body, reader: Reader) -> dict[str, Any]:
    reader.note(("metadata",), "metadata", {"user_id"})
    user = read.metadata.user_id if read.metadata else None
    return {} if user is None else {"user": user}


def _thinking(read: shapes.Body, reader: Reader) -> dict[str, Any]:
    """`adaptive` leaves it to the model, as does an engine that is told nothing."""
    thinking = read.thinking
    if thinking is None or thinking.type not in _THINKING:
        raise invalid(("thinking", "type"), f"one of {', '.join(_THINKING)}", reader.body)
    reader.note(("thinking",), "thinking", {"type", "budget_tokens"})
    if thinking.type == "enabled":
        budget = {} if thinking.budget_tokens is None else {_BUDGET: thinking.budget_tokens}
        return {**_kwargs(read, reader), **budget}
    if thinking.budget_tokens is not None:
        reader.dropped.append("thinking.budget_tokens")
    return _kwargs(read, reader)


def _kwargs(read: shapes.Body, _reader: Reader) -> dict[str, Any]:
    """What a template is told; an effort says already that the model thinks, and the client's own word counts."""
    kind = read.thinking.type if read.thinking else ""
    told = {"disabled": False} if _effort(read) else {"disabled": False, "enabled": True}
    kwargs = {_ENABLE: told[kind]} if kind in told else {}
    kwargs |= read.chat_template_kwargs or {}
    return {_KWARGS: kwargs} if kwargs else {}


def _effort(read: shapes.Body) -> str | None:
    return read.output_config.effort if read.output_config else None


def _output(read: shapes.Body, reader: Reader) -> dict[str, Any]:
    reader.note(("output_config",), "output_config", {"effort", "format"})
    options: dict[str, Any] = {}
    if effort := _effort(read):
        if read.thinking is not None and read.thinking.type == "disabled":
            reader.dropped.append("output_config.effort")
        else:
            options["reasoning_effort"] = effort
    wanted = read.output_config.format if read.output_config else None
    return options if wanted is None else {**options, **_format(wanted, reader, "output_config", "format")}


def _format(wanted: shapes.Format, reader: Reader, *path: str) -> dict[str, Any]:
    if wanted.type != "json_schema":
        raise invalid((*path, "type"), '"json_schema"', reader.body)
    place: Any = reader.body
    for step in path:
        place = place[step]
    if not isinstance(place.get("schema"), dict):
        raise invalid((*path, "schema"), "a JSON schema object", reader.body)
    reader.note(path, ".".join(path), {"type", "schema"})
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted.schema}}}


def _output_format(read: shapes.Body, reader: Reader) -> dict[str, Any]:
    if read.output_config is not None and read.output_config.format is not None:
        reader.dropped.append("output_format")
        return {}
    return {} if read.output_format is None else _format(read.output_format, reader, "output_format")


def _parallel(read: shapes.Body, _reader: Reader) -> dict[str, Any]:
    disabled = read.tool_choice.disable_parallel_tool_use if read.tool_choice else None
    return {} if disabled is None else {"parallel_tool_calls": not disabled}


_WORDS: dict[str, Callable[[shapes.Body, Reader], dict[str, Any]]] = {
    "stop_sequences": lambda read, _reader: {"stop": read.stop_sequences},
    "metadata": _metadata,
    "thinking": _thinking,
    "output_config": _output,
    "output_format": _output_format,
    "tool_choice": _parallel,
    _KWARGS: _kwargs,
}
