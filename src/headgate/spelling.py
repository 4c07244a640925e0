"""Thoughts between tags <-> thoughts apart from the answer, for clients that know no field for them.

Strategy: a thought is written as it is between `<think>` and `</think>`, with nothing added, so that what a client
sends back is taken apart into the same text and the same thought. That is done only for clients that are written to
so: anywhere else the tags are text like any other, perhaps a user's question about them.
Spec: ours (`docs/reasoning.md`)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

import msgspec

from headgate.messages import ChatMessage, ContentPart, Message, Part, ReasoningPart, Spelling, TextPart

OPENING, CLOSING = "<think>", "</think>"
SPELLINGS: tuple[Spelling, ...] = get_args(Spelling)
DEFAULT: Spelling = "reasoning_content"


def first_of(*spellings: Spelling | None) -> Spelling:
    """Return the first that was given; who says nothing gets the default."""
    for spelling in spellings:
        if spelling is not None:
            return spelling
    return DEFAULT


def tagged(message: Message) -> str:
    """Write the content of a message with its thoughts between tags, in the order of generation."""
    return "".join(map(_tagged, message.parts))


def _tagged(part: ContentPart) -> str:
    match part:
        case ReasoningPart():
            return f"{OPENING}{part.text}{CLOSING}" if part.text else ""
        case TextPart() if not part.refusal:
            return part.text
        case _:
            return ""


def untagged(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Take the thoughts out of what assistants said, where it begins with them; those in a field stay too."""
    return tuple(_untagged(message) if message.role == "assistant" else message for message in messages)


def _untagged(message: ChatMessage) -> ChatMessage:
    first = message.content[0] if isinstance(message.content, tuple) and message.content else message.content
    text = first.text if isinstance(first, Part) and first.kind == "text" else first
    if not isinstance(text, str):
        return message
    thought, rest = split(text)
    if not thought:
        return message
    return msgspec.structs.replace(
        message, reasoning=(message.reasoning or "") + thought, content=_with_text(message, rest)
    )


def _with_text(message: ChatMessage, text: str) -> str | tuple[Part, ...] | None:
    content = message.content
    if isinstance(content, tuple):
        part = Part("text", text, msgspec.Raw(msgspec.json.encode({"type": "text", "text": text})))
        return (part, *content[1:]) if text else content[1:]
    return text or (None if message.tool_calls else "")


def split(text: str) -> tuple[str, str]:
    """Split a text into the thoughts that it begins with, without their tags, and the rest; an open tag is text."""
    thoughts: list[str] = []
    place = 0
    while text.startswith(OPENING, place):
        end = text.find(CLOSING, place)
        if end < 0:
            break
        thoughts.append(text[place + len(OPENING) : end])
        place = end + len(CLOSING)
    return "".join(thoughts), text[place:]
