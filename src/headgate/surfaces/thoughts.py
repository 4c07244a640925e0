"""Thoughts in a history, under whatever name a client has them -> one text.

Strategy: OpenAI's API has no field for thoughts, and its clients keep them as whichever engine they first met wrote
them; some then speak to another API with the same history. So every surface reads every name, and of several for the
same thought the first that says anything.
Spec: ours (`docs/reasoning.md`)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from headgate.signatures import is_foreign

FIELDS = frozenset({"reasoning_content", "reasoning", "thinking", "reasoning_details"})

_TEXTS = ("text", "summary")
_READ = {"type", "id", "format", "index", *_TEXTS, "signature"}


class Detail(Struct):
    """An entry of `reasoning_details`, which OpenRouter and its clients have."""

    text: str | None = None
    summary: str | None = None


class Thoughtful(Struct, kw_only=True):
    """A message that may hold thoughts."""

    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    reasoning_details: list[Detail] | None = None

    def thought(self) -> str | None:
        """What was thought, or None."""
        told = self.reasoning_content or self.reasoning or self.thinking
        if not told and self.reasoning_details:
            told = "".join([detail.text or detail.summary or "" for detail in self.reasoning_details])
        return told or None


def unread(place: str, message: Mapping[str, Any]) -> Iterator[str]:
    """Name what `reasoning_details` say besides texts: what is encrypted or signed is for whoever wrote it."""
    for detail in message.get("reasoning_details") or ():
        inner = f"{place}.reasoning_details[]"
        yield from (f"{inner}.{name}" for name in detail if name not in _READ and detail[name])
        if is_foreign(detail.get("signature")):
            yield f"{inner}.signature"
