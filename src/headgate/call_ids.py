"""The ids of calls in a history -> ids of the kind that an engine checks.

Strategy: most engines take any id and only see that results name their calls. Mistral's templates and tokenizer refuse
every other than nine letters and digits, so that a conversation which began elsewhere could not go on there. Such an
id becomes nine characters of its digest, the same each time; the engine's own ids have the right form, go to the client
as they are, and come back as they are. So nothing has to be remembered.
Spec: https://github.com/mistralai/mistral-common (`validate_tool_call`: "Tool call id was … but must be a-z, A-Z, 0-9,
with a length of 9.")
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from msgspec.structs import replace

from headgate.messages import ChatMessage, ChatRequest

Kind: TypeAlias = Literal["any", "mistral"]
"""What ids an engine takes."""

_CHARS = 9
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_fits = re.compile(rf"[A-Za-z0-9]{{{_CHARS}}}").fullmatch


def to_engine(chat: ChatRequest, kind: Kind) -> ChatRequest:
    """The request with ids that the engine takes."""
    found = {} if kind == "any" else short_ids(_ids(chat.messages))
    if not found:
        return chat
    return replace(chat, messages=tuple(_message(message, found) for message in chat.messages))


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """What stands for each id that is not nine letters and digits; no two are the same, nor like an id that stays.

    An id keeps what stands for it when others are added behind it, as a conversation does.
    """
    given = list(dict.fromkeys(ids))
    taken = {one for one in given if _fits(one)}
    found: dict[str, str] = {}
    for one in given:
        if one not in taken:
            found[one] = next(short for short in _candidates(one) if short not in taken)
            taken.add(found[one])
    return found


def _candidates(given: str) -> Iterator[str]:
    number = int.from_bytes(hashlib.sha256(given.encode()).digest(), "big")
    while True:
        rest, digits = number, ""
        for _ in range(_CHARS):
            rest, digit = divmod(rest, len(_ALPHABET))
            digits += _ALPHABET[digit]
        yield digits
        number += 1


def _ids(messages: Iterable[ChatMessage]) -> Iterator[str]:
    for message in messages:
        yield from (call.id for call in message.tool_calls)
        if message.tool_call_id is not None:
            yield message.tool_call_id


def _message(message: ChatMessage, found: dict[str, str]) -> ChatMessage:
    calls = tuple(replace(call, id=found.get(call.id, call.id)) for call in message.tool_calls)
    answered = message.tool_call_id
    return replace(message, tool_calls=calls, tool_call_id=None if answered is None else found.get(answered, answered))
