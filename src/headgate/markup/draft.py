"""Tool calls inside a thought: a draft if the thought goes on and is closed, a call if the message ends there.

Strategy: the call and what follows it are held until one of the two happens, or until more follows than a
model says behind a call.
Spec: ours (`docs/decisions/0012-a-call-in-an-unclosed-thought.md`); the same leak is read by Ollama's
model/parsers/qwen3.go and by vLLM's parser/qwen3.py, which take such a call at once.
"""

from __future__ import annotations

from itertools import groupby

from headgate.markup import spans
from headgate.markup.spans import Kind, Span


class Draft:
    """What is held of a thought since its first call."""

    def __init__(self, limit: int) -> None:
        self._limit = limit  # characters of thought that may follow the calls
        self._held: list[Span] = []
        self._prose = 0

    def __bool__(self) -> bool:
        return bool(self._held)

    def copy(self) -> Draft:
        """An independent draft in the same state."""
        twin = Draft(self._limit)
        twin._held, twin._prose = self._held.copy(), self._prose
        return twin

    def take(self, found: list[Span], out: list[Span]) -> None:
        """Take spans of the thought: hold them once a call stood in it, else give them out."""
        inside = [_of_thought(span) for span in found if span.kind is not Kind.REPAIR]
        if not self._held:
            first = next((place for place, span in enumerate(inside) if span.kind is Kind.CALL), len(inside))
            if first and first < len(inside) and inside[first - 1].kind is Kind.MARKUP:
                first -= 1  # the white space before the call
            out += inside[:first]
            inside = inside[first:]
        self._held += inside
        self._prose += sum(len(span.raw) for span in inside if span.kind is Kind.REASONING)
        if self._prose > self._limit:
            self.drop(out)

    def drop(self, out: list[Span]) -> None:
        """The thought went on: all of it was reasoning."""
        if self._held:
            out.append(spans.reasoning("".join(span.raw for span in self._held)))
        self._held, self._prose = [], 0

    def keep(self, out: list[Span]) -> None:
        """The message ended inside the thought: the calls are calls."""
        for kind, group in groupby(self._held, key=_kind):
            found = list(group)
            raw = "".join(span.raw for span in found)
            out += [spans.markup(raw)] if kind is Kind.REASONING and not raw.strip() else found
        self._held, self._prose = [], 0


def _of_thought(span: Span) -> Span:
    """What a refused call gives back as text is text of the thought."""
    return spans.reasoning(span.raw) if span.kind is Kind.TEXT else span


def _kind(span: Span) -> Kind:
    return span.kind
