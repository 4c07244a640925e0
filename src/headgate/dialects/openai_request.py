"""A canonical request -> the body of `POST /v1/chat/completions`.

Strategy: the canonical fields in a fixed order, then the options verbatim in the order they came, so that
the same request always gives the same bytes and prefix caches hold.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.messages import ChatMessage, ChatRequest, HttpRequest, Part, Tool

_encode = msgspec.json.Encoder().encode
_STREAM_OPTIONS = "stream_options"


def request(chat: ChatRequest) -> HttpRequest:
    """A streamed chat completion that asks for usage."""
    body: dict[str, Any] = {"model": chat.model, "messages": [_message(message) for message in chat.messages]}
    if chat.tools is not None:
        body["tools"] = [_tool(tool) for tool in chat.tools]
    if chat.tool_choice is not None:
        body["tool_choice"] = chat.tool_choice
    if chat.choices > 1:
        body["n"] = chat.choices
    body.update(chat.options)
    body["stream"] = True
    body[_STREAM_OPTIONS] = {"include_usage": True}
    return HttpRequest(path="/v1/chat/completions", body=_encode(body))


def _message(message: ChatMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role, "content": _content(message.content)}
    if message.name is not None:
        entry["name"] = message.name
    if message.reasoning:
        entry["reasoning_content"] = message.reasoning
    if message.tool_calls:
        entry["tool_calls"] = [call.to_openai() for call in message.tool_calls]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    return entry


def _content(content: str | tuple[Part, ...] | None) -> Any:
    return [part.raw for part in content] if isinstance(content, tuple) else content


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
