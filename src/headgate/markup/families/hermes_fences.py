"""JSON calls in a code fence, with or without tags inside it -> call spans.

Spec: llama.cpp common/chat.cpp (Hermes 2 Pro) reads the same.
"""

from __future__ import annotations

from headgate.markup.family import Control
from headgate.markup.readers.json_calls import JsonCalls
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span

_FENCE_END = "```"


class FencedCalls(JsonCalls):
    """Reads one fence of calls."""

    def _over(self, scanner: Scanner, length: int, out: list[Span]) -> Control | None:
        closer = scanner.take(length)
        self._end(closer, out)
        self._state = FencedCalls._outer
        return Control.OVER if closer.endswith(_FENCE_END) else None

    def _outer(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind a tag inside the fence: its end."""
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit)
        word = rest.lstrip()
        if len(rest) < limit and _FENCE_END.startswith(word) and word != _FENCE_END:
            return Control.MORE
        if word.startswith(_FENCE_END):
            self._skip(scanner.take(len(rest) - len(word) + len(_FENCE_END)), out)
        return Control.OVER
