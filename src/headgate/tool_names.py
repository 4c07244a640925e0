"""The names of tools that an engine may not take -> names that every engine takes, and back.

Strategy: OpenAI's API knows names of up to 64 letters, digits, `_` and `-`, and engines are made for those: a template
writes a name into a prompt, a grammar or a parser looks for it there. Any other name (of an MCP server, say, with dots
or in Chinese) becomes what is left of it and a digest of the whole, the same each time, so that nothing has to be
remembered between requests and a prefix cache holds. What fits stays as it is.
Spec: https://platform.openai.com/docs/api-reference/chat/create#chat_create-tools
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from headgate.events import Event, ToolCallStart
from headgate.messages import ChatMessage, ChatRequest, ToolCall

CHARS_MAX = 64
_DIGEST_CHARS = 8

_fits = re.compile(rf"[A-Za-z0-9_-]{{1,{CHARS_MAX}}}").fullmatch
_strange = re.compile(r"[^A-Za-z0-9_-]")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ToolNames:
    """The names of one request.

    Args:
        chat: the request, with its own names in the tools, the history and the choice.
    """

    def __init__(self, chat: ChatRequest) -> None:
        names = _names(chat)
        self._aliases = aliases(names) if names else {}
        self._own = {alias: name for name, alias in self._aliases.items()} if self._aliases else {}

    @property
    def differ(self) -> bool:
        """Whether the engine is told other names than the client's, so that events must be given theirs back."""
        return bool(self._own)

    def to_engine(self, chat: ChatRequest) -> ChatRequest:
        """The request in names that every engine takes; the same one where it has no others."""
        if not self._aliases:
            return chat
        tools = chat.tools and tuple(replace(tool, name=self._alias(tool.name)) for tool in chat.tools)
        messages = tuple(map(self._message, chat.messages))
        return replace(chat, messages=messages, tools=tools, tool_choice=self._choice(chat.tool_choice))

    def to_client(self, events: list[Event]) -> list[Event]:
        """The events with the client's own names."""
        if not self._own:
            return events
        return [self._renamed(event) if isinstance(event, ToolCallStart) else event for event in events]

    def _alias(self, name: str) -> str:
        return self._aliases.get(name, name)

    def _renamed(self, event: ToolCallStart) -> Event:
        return replace(event, name=self._own.get(event.name, event.name))

    def _message(self, message: ChatMessage) -> ChatMessage:
        # The name of another role is a person's.
        name = self._alias(message.name) if message.role == "tool" and message.name else message.name
        return replace(message, name=name, tool_calls=tuple(map(self._call, message.tool_calls)))

    def _call(self, call: ToolCall) -> ToolCall:
        return replace(call, name=self._alias(call.name))

    def _choice(self, choice: Raw | None) -> Raw | None:
        name = None if choice is None else _chosen(choice)
        if name is None or name not in self._aliases:
            return choice
        return Raw(_encode({"type": "function", "function": {"name": self._alias(name)}}))


def aliases(names: Iterable[str]) -> dict[str, str]:
    """Name what stands for each name that not every engine takes; no two are the same, nor like a name that stays.

    The order of the names does not matter.
    """
    taken = set(names)
    strange = [name for name in taken if not _fits(name)]
    taken.difference_update(strange)
    found: dict[str, str] = {}
    for name in sorted(strange):
        found[name] = next(alias for alias in _candidates(name) if alias not in taken)
        taken.add(found[name])
    return found


def _candidates(name: str) -> Iterator[str]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    plain = _strange.sub("_", name)
    for chars in range(_DIGEST_CHARS, CHARS_MAX):
        yield f"{plain[: CHARS_MAX - 1 - chars]}_{digest[:chars]}"


def _names(chat: ChatRequest) -> list[str]:
    found = [tool.name for tool in chat.tools] if chat.tools else []
    for message in chat.messages:
        if message.tool_calls:
            found += [call.name for call in message.tool_calls]
        if message.role == "tool" and message.name:
            found.append(message.name)
    if chat.tool_choice is not None and (chosen := _chosen(chat.tool_choice)) is not None:
        found.append(chosen)
    return found


def _chosen(choice: Raw) -> str | None:
    """The one function that must be called, if the choice names one."""
    value = _decode(choice)
    function = value.get("function") if isinstance(value, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None
