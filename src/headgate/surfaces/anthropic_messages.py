"""The system prompt and the messages of a request -> canonical messages.

Strategy: a tool's result is a block of the user's here and a message of its own everywhere else, so a user's message
is cut where results begin and end, in its order. An assistant's blocks keep their order within each kind: thoughts,
texts, calls.
Spec: https://docs.claude.com/en/api/messages#body-messages
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from headgate.messages import ChatMessage, Part, ReasoningPart, ToolCall
from headgate.surfaces.anthropic_content import PARTS, Reader, call, joined, thought
from headgate.surfaces.anthropic_ids import to_engine
from headgate.surfaces.anthropic_shapes import Block, Message
from headgate.surfaces.invalid import Path, invalid
from headgate.surfaces.thoughts import FIELDS, unread

_PLACE = "messages[].content"
_KINDS = {
    "user": (*PARTS, "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
    "system": ("text",),
}


def read_messages(
    system: str | Sequence[Block] | None, messages: Sequence[Message], reader: Reader
) -> tuple[ChatMessage, ...]:
    """Read a request's messages; an empty system prompt is none.

    Raises:
        RequestError: naming the field.
    """
    if not messages:
        raise invalid(("messages",), "at least one message", reader.body)
    read: list[ChatMessage] = []
    if system:
        read.append(ChatMessage(role="system", content=reader.content(system, ("system",), "system", ("text",))))
    for place, message in enumerate(messages):
        path: Path = ("messages", place)
        if message.role not in _KINDS:
            raise invalid((*path, "role"), f"one of {', '.join(_KINDS)}", reader.body)
        if message.content is None:
            raise invalid((*path, "content"), "a string or an array of blocks", reader.body)
        thoughtful = message.role == "assistant"
        reader.note(path, "messages[]", {"role", "content", *(FIELDS if thoughtful else ())})
        said = _message(message.role, message.content, (*path, "content"), reader)
        read += [_thinking(said[0], message, path, reader)] if thoughtful else said
    return tuple(read)


def _message(role: str, content: str | Sequence[Block], path: Path, reader: Reader) -> list[ChatMessage]:
    if not isinstance(content, str):
        for number, block in enumerate(content):
            reader.check(block, _KINDS[role], (*path, number), f"{_PLACE}[]")
    if role == "assistant":
        return [_assistant(content, path, reader)]
    if role == "system":
        return [ChatMessage(role="system", content=_parts(content, path, reader))]
    return _user(content, path, reader)


def _thinking(said: ChatMessage, message: Message, path: Path, reader: Reader) -> ChatMessage:
    """What an assistant said, with thoughts under other APIs' names, unless it has some in blocks of their own."""
    given: Any = reader.body
    for step in path:
        given = given[step]
    reader.dropped += unread("messages[]", given)
    thought = message.thought()
    return replace(said, reasoning=thought) if thought and not said.reasoning else said


def _parts(content: str | Sequence[Block], path: Path, reader: Reader) -> str | tuple[Part, ...]:
    """Read parts whose kinds are checked already."""
    if isinstance(content, str):
        return content
    found = [reader.parts(block, (*path, number), f"{_PLACE}[]") for number, block in enumerate(content)]
    return joined([part for parts in found for part in parts])


def _user(content: str | Sequence[Block], path: Path, reader: Reader) -> list[ChatMessage]:
    if isinstance(content, str):
        return [ChatMessage(role="user", content=content)]
    read: list[ChatMessage] = []
    parts: list[Part] = []

    def cut() -> None:
        if parts:
            read.append(ChatMessage(role="user", content=joined(parts)))
            parts.clear()

    for number, block in enumerate(content):
        place: Path = (*path, number)
        if block.type == "tool_result":
            cut()
            read.append(_result(block, place, reader))
        else:
            parts += reader.parts(block, place, f"{_PLACE}[]")
    cut()
    return read or [ChatMessage(role="user", content="")]


def _result(block: Block, path: Path, reader: Reader) -> ChatMessage:
    content: Any = "" if block.content is None else block.content
    return ChatMessage(
        role="tool",
        content=reader.content(content, (*path, "content"), f"{_PLACE}[].content"),
        tool_call_id=to_engine(block.tool_use_id or ""),
        is_error=bool(block.is_error),
    )


def _assistant(content: str | Sequence[Block], path: Path, reader: Reader) -> ChatMessage:
    if isinstance(content, str):
        return ChatMessage(role="assistant", content=content)
    texts: list[Part] = []
    thoughts: list[ReasoningPart] = []
    calls: list[ToolCall] = []
    for number, block in enumerate(content):
        if block.type == "text":
            texts += reader.parts(block, (*path, number), f"{_PLACE}[]")
        elif block.type == "tool_use":
            calls.append(call(block))
        else:
            thoughts.append(thought(block))
    return ChatMessage(
        role="assistant",
        content=joined(texts) if texts or not calls else None,
        reasoning="".join(part.text for part in thoughts) or None,
        signed=tuple(thoughts) if any(part.signature for part in thoughts) else (),
        tool_calls=tuple(calls),
    )
