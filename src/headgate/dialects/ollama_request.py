"""A canonical request -> the body of Ollama's `POST /api/chat`, or of `POST /api/generate` for a text to go on with.

Strategy: the table decides what passes, moves into `options`, is refused or is dropped and named; here is what takes
more than another name. Options keep the client's order, so that the same request always gives the same bytes.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from headgate.dialects.ollama_request_table import OPTIONS, RULES
from headgate.dialects.request_table import asks_for_nothing, unsaid
from headgate.errors import RequestError
from headgate.messages import AS_JSON, ChatMessage, ChatRequest, Completion, HttpRequest, Part, Tool
from headgate.strict_json import pointer

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode

_INNER = "options."
_PLACES = {name: place for place, name in enumerate(RULES.rules)}
_EFFORTS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
    "ultra": "max",
}


class _Draft:
    """A request while it is written: its fields, what goes into `options`, and the names of what is dropped."""

    def __init__(self, chat: ChatRequest) -> None:
        self.fields: dict[str, Any] = {"model": chat.model}
        self.options: dict[str, Any] = {}
        self.dropped = [*chat.dropped, *unsaid(chat.messages)]
        self.given = chat.options

    def option(self, name: str, value: Any) -> None:
        """Set an option; that goes before the client's own `options`."""
        if name in self.options:
            self.dropped.append(f"options.{name}")
        self.options[name] = value


def request(chat: ChatRequest) -> HttpRequest:
    """A streamed chat, or the text that follows a prompt.

    Raises:
        RequestError: `unsupported`, for what the table refuses.
    """
    if chat.choices > 1:
        raise _refusal("n = 1, since Ollama makes one choice per request", "n")
    draft = _Draft(chat)
    path = _conversation(chat, draft) if chat.completion is None else _text(chat.completion, draft)
    _translate(draft)
    body = draft.fields | ({"options": draft.options} if draft.options else {}) | {"stream": True}
    return HttpRequest(path=path, headers=AS_JSON, body=_encode(body), dropped=tuple(dict.fromkeys(draft.dropped)))


def _conversation(chat: ChatRequest, draft: _Draft) -> str:
    names = {call.id: call.name for message in chat.messages for call in message.tool_calls}
    messages = [_message(message, names, place, draft) for place, message in enumerate(chat.messages)]
    draft.fields["messages"] = messages
    if tools := _tools(chat, draft):
        draft.fields["tools"] = tools
    return "/api/chat"


def _text(completion: Completion, draft: _Draft) -> str:
    if not isinstance(completion.prompt, str):
        raise _no_prompt("a text, since Ollama takes no tokens")
    if not completion.prompt:
        raise _no_prompt("a text, since Ollama takes an empty prompt only for the wish to load its model")
    if completion.echo:
        raise _refusal("no echo, since Ollama says no prompt again", "echo")
    draft.fields["prompt"] = completion.prompt
    if completion.suffix is None:
        draft.fields["raw"] = True  # no template
    else:
        draft.fields["suffix"] = completion.suffix  # which needs the template: it says where the gap is
    draft.fields["think"] = False  # a thinking model's text would be torn apart at its tags
    return "/api/generate"


def _no_prompt(expected: str) -> RequestError:
    return RequestError("unsupported", f"expected {expected}. Ask another engine.", param=pointer("prompt"))


def _refusal(expected: str, *place: str | int) -> RequestError:
    sentence = f"expected {expected}. Leave {pointer(*place)} out, or ask an engine that has it."
    return RequestError("unsupported", sentence, param=pointer(*place))


# -- tools --------------------------------------------------------------------------------------------------


def _tools(chat: ChatRequest, draft: _Draft) -> list[dict[str, Any]]:
    choice = _decode(chat.tool_choice) if chat.tool_choice is not None else "auto"
    if choice == "none":
        return []
    if choice != "auto":
        raise _refusal("auto or none, since Ollama cannot force a call", "tool_choice")
    if any(tool.strict for tool in chat.tools or ()):
        draft.dropped.append("tools[].function.strict")
    return [_tool(tool) for tool in chat.tools or ()]


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description or ""}
    function["parameters"] = tool.parameters if tool.parameters is not None else {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


# -- options ------------------------------------------------------------------------------------------------


def _translate(draft: _Draft) -> None:
    if "options" in draft.given:
        _take_options(draft.given["options"], draft)
    chosen = _chosen(draft.given)
    for name, value in draft.given.items():
        rule = RULES[name]
        match rule.action:
            case "pass":
                draft.fields[name] = value
            case "rename" if name in chosen:
                draft.option(rule.to.removeprefix(_INNER), value)
            case "change":
                _CHANGES[name](value, draft)
            case "refuse":
                _refuse(name, value)
            case _:
                draft.dropped.append(name)


def _chosen(given: Mapping[str, Raw]) -> set[str]:
    """Of several names for the same option the one that counts: the table's first."""
    chosen: dict[str, str] = {}
    for name in sorted(given.keys() & _PLACES.keys(), key=_PLACES.__getitem__):
        chosen.setdefault(RULES.rules[name].to, name)
    return set(chosen.values())


def _refuse(name: str, value: Raw) -> None:
    if not asks_for_nothing(bytes(value)) and not (name == "modalities" and _decode(value) == ["text"]):
        raise _refusal(f"no {name}, for which Ollama has no word and on which the answer depends", name)


def _take_options(value: Raw, draft: _Draft) -> None:
    """Take the client's own `options`; Ollama would ignore those that it does not know, without a word."""
    given = _decode_fields(value)
    draft.dropped += [f"{_INNER}{name}" for name in given if name not in OPTIONS]
    draft.options = {name: inner for name, inner in given.items() if name in OPTIONS and bytes(inner) != b"null"}


def _take_stop(value: Raw, draft: _Draft) -> None:
    stop = _decode(value)
    draft.option("stop", [stop] if isinstance(stop, str) else stop)


def _take_format(value: Raw, draft: _Draft) -> None:
    wanted = _decode(value)
    kind = wanted.get("type")
    if kind not in {"text", "json_object", "json_schema"}:
        raise _refusal("text, json_object or json_schema", "response_format", "type")
    schema = wanted.get("schema") if kind == "json_object" else (wanted.get("json_schema") or {}).get("schema")
    if "format" in draft.given:
        draft.dropped.append("response_format")
    elif kind != "text":
        draft.fields["format"] = schema or "json"


def _take_effort(value: Raw, draft: _Draft) -> None:
    effort = _decode(value)
    if effort not in _EFFORTS:
        raise _refusal(f"one of {', '.join(_EFFORTS)}", "reasoning_effort")
    if "think" in draft.given:
        draft.dropped.append("reasoning_effort")
    else:
        draft.fields["think"] = _EFFORTS[effort]


def _take_kwargs(value: Raw, draft: _Draft) -> None:
    is_free = not draft.given.keys() & {"think", "reasoning_effort"}
    for name, inner in _decode(value).items():
        if name == "enable_thinking" and isinstance(inner, bool) and is_free:
            draft.fields["think"] = inner
        else:
            draft.dropped.append(f"chat_template_kwargs.{name}")


_CHANGES: dict[str, Callable[[Raw, _Draft], None]] = {
    "stop": _take_stop,
    "options": lambda _value, _draft: None,  # taken before all others
    "response_format": _take_format,
    "reasoning_effort": _take_effort,
    "chat_template_kwargs": _take_kwargs,
}


# -- messages -----------------------------------------------------------------------------------------------


def _message(message: ChatMessage, names: dict[str, str], place: int, draft: _Draft) -> dict[str, Any]:
    text, images = _content(message, place, draft)
    role = "system" if message.role == "developer" else message.role
    if message.refusal and text:
        draft.dropped.append("messages[].refusal")
    entry: dict[str, Any] = {"role": role, "content": text or message.refusal or ""}
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
    if message.name is not None and entry.get("tool_name") != message.name:
        draft.dropped.append("messages[].name")
    return entry


def _object(arguments: str) -> Any:
    """Ollama wants the object; text that is none travels as it is, under a name of its own."""
    text = arguments.strip().encode() or b"{}"
    try:
        is_object = isinstance(_decode(text), dict)
    except (ValueError, RecursionError):
        is_object = False
    return Raw(text) if is_object else {"arguments": arguments}


def _content(message: ChatMessage, place: int, draft: _Draft) -> tuple[str, list[str]]:
    if not isinstance(message.content, tuple):
        return message.content or "", []
    texts: list[str] = []
    images: list[str] = []
    for number, part in enumerate(message.content):
        path = ("messages", place, "content", number)
        if part.kind == "text":
            texts.append(part.text)
        elif part.kind == "image":
            images.append(_image(part, path))
        else:
            raise _refusal("text or an image, since Ollama takes no other parts", *path, "type")
        draft.dropped += _unread(part)
    return "\n".join(texts), images


def _image(part: Part, path: tuple[str | int, ...]) -> str:
    header, found, data = part.text.partition(";base64,")
    if not found or not header[:5].lower() == "data:":
        raise _refusal("an image in a base64 data: URI, since Ollama fetches nothing", *path, "image_url")
    return data


def _unread(part: Part) -> list[str]:
    """Name what a part says besides its text or URL."""
    fields = _decode_fields(part.raw)
    place = "messages[].content[]"
    unread = [f"{place}.{name}" for name in fields if name not in {"type", "text", "refusal", "image_url"}]
    image = fields.get("image_url")
    if image is not None and bytes(image).startswith(b"{"):
        unread += [f"{place}.image_url.{name}" for name in _decode_fields(image) if name != "url"]
    return unread
