"""A canonical request -> the body of Ollama's `POST /api/chat`.

Strategy: options move into `options` under Ollama's names; what Ollama has no word for is named as
dropped, and what would change the answer's meaning if it were dropped is refused.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#parameters-1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from headgate.errors import RequestError
from headgate.messages import ChatMessage, ChatRequest, HttpRequest, Part, Tool

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "typical_p": "typical_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "repeat_last_n": "repeat_last_n",
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "num_predict": "num_predict",
    "num_ctx": "num_ctx",
    "num_keep": "num_keep",
}
"""Request fields and the names that Ollama gives them inside `options`."""

_VERBATIM = ("think", "format", "keep_alive", "logprobs", "top_logprobs", "truncate", "shift")
"""Ollama's own fields, which pass as they are."""

_EFFORTS: dict[str, bool | str] = {"none": False, "minimal": "low", "xhigh": "max", "ultra": "max"}


def request(chat: ChatRequest) -> HttpRequest:
    """A streamed chat.

    Raises:
        RequestError: `unsupported`, for several choices, and for parts that are neither text nor images
            in data URIs.
    """
    if chat.choices > 1:
        raise RequestError("unsupported", "Ollama makes one choice per request; send n = 1.", param="n")
    names = {call.id: call.name for message in chat.messages for call in message.tool_calls}
    body: dict[str, Any] = {
        "model": chat.model,
        "messages": [_message(message, names, place) for place, message in enumerate(chat.messages)],
    }
    dropped: list[str] = []
    tools = _tools(chat, dropped)
    if tools:
        body["tools"] = tools
    _translate(chat.options, body, dropped)
    body["stream"] = True
    return HttpRequest(path="/api/chat", body=_encode(body), dropped=tuple(dropped))


def _tools(chat: ChatRequest, dropped: list[str]) -> list[dict[str, Any]]:
    choice = _decode(chat.tool_choice) if chat.tool_choice is not None else "auto"
    if choice == "none":
        return []
    if choice != "auto":
        dropped.append("tool_choice")
    return [_tool(tool) for tool in chat.tools or ()]


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description or ""}
    function["parameters"] = tool.parameters if tool.parameters is not None else {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _translate(options: dict[str, Raw], body: dict[str, Any], dropped: list[str]) -> None:
    inner: dict[str, Any] = {}
    for name, value in options.items():
        if name in _OPTIONS:
            inner[_OPTIONS[name]] = value
        elif name == "stop":
            stop = _decode(value)
            inner["stop"] = [stop] if isinstance(stop, str) else stop
        elif name == "options":
            given = _decode(value)
            inner.update(given if isinstance(given, dict) else {})
        elif name in _VERBATIM:
            body[name] = value
        elif name in _SPECIAL:
            _SPECIAL[name](_decode(value), body)
        else:
            dropped.append(name)
    if inner:
        body["options"] = {name: value for name, value in inner.items() if value is not None}


def _take_format(value: Any, body: dict[str, Any]) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "json_object":
        body["format"] = value.get("schema") or "json"
    elif kind == "json_schema":
        named = value.get("json_schema")
        body["format"] = (named.get("schema") if isinstance(named, dict) else None) or "json"
    elif kind != "text":
        raise RequestError("unsupported", "expected text, json_object or json_schema.", param="response_format.type")


def _take_effort(value: Any, body: dict[str, Any]) -> None:
    if isinstance(value, str):
        body.setdefault("think", _EFFORTS.get(value, value))


_SPECIAL: dict[str, Callable[[Any, dict[str, Any]], None]] = {
    "response_format": _take_format,
    "reasoning_effort": _take_effort,
}


def _message(message: ChatMessage, names: dict[str, str], place: int) -> dict[str, Any]:
    text, images = _content(message, place)
    role = "system" if message.role == "developer" else message.role
    entry: dict[str, Any] = {"role": role, "content": text}
    if images:
        entry["images"] = images
    if message.reasoning:
        entry["thinking"] = message.reasoning
    if message.tool_calls:
        entry["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": call.name, "arguments": _object(call.arguments)}}
            for index, call in enumerate(message.tool_calls)
        ]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
        entry["tool_name"] = names.get(message.tool_call_id) or message.name or ""
    return entry


def _object(arguments: str) -> Any:
    """Ollama wants the object; text that is none travels as it is, under a name of its own."""
    try:
        value = _decode(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def _content(message: ChatMessage, place: int) -> tuple[str, list[str]]:
    if not isinstance(message.content, tuple):
        return message.content or "", []
    texts = [part.text for part in message.content if part.kind == "text"]
    parts = [(number, part) for number, part in enumerate(message.content) if part.kind != "text"]
    return "\n".join(texts), [_image(part, f"messages[{place}].content[{number}]") for number, part in parts]


def _image(part: Part, place: str) -> str:
    header, found, data = part.text.partition(";base64,")
    if part.kind != "image" or not found or not header.startswith("data:"):
        message = "expected text or an image in a base64 data URI (Ollama fetches nothing), got another kind of part."
        raise RequestError("unsupported", message, param=place)
    return data
