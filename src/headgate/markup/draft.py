"""Tool calls inside a thought: a draft if the thought goes on and is closed, a call if the message ends there.

Strategy: the call and what follows it are held until one of the two happens, or until more follows than a
model says behind a call, or the calls are longer than any: then all of it is reasoning.
Spec: ours (`docs/decisions/0012-a-call-in-an-unclosed-thought.md`); the same leak is read by Ollama's
model/parsers/qwen3.go and by vLLM's parser/qwen3.py, which take such a call at once.
"""

from __future__ import annotations

import copy
from itertools import groupby

from msgspec import Struct

from headgate.limits import Limits
from headgate.markup import spans
from headgate.markup.spans import Kind, Span


class Draft(Struct, eq=False):
    """What is held of a thought since its first call: as many characters as one call's arguments may have.

    Args:
        limits: among them that one.
    """

    _limits: Limits
    held: list[Span] = []
    _size: int = 0
    _prose: int = 0  # characters of thought that follow the calls
    _calling: bool = False
    _lost: bool = False  # the call that is being read is too long for one

    def copy(self) -> Draft:
        """An independent draft in the same state."""
        copied = copy.copy(self)
        copied.held = self.held.copy()
        return copied

    def take(self, found: list[Span], out: list[Span]) -> None:
        """Take spans of the thought: hold them once a call stood in it, else give them out."""
        inside = [_of_thought(span) for span in found if span.kind is not Kind.REPAIR]
        for place, span in enumerate(inside):
            if self._lost:
                out.append(spans.reasoning(span.raw))
                self._lost = span.kind is not Kind.CALL_END
            elif self.held or span.kind is Kind.CALL or _stands_before_call(inside, place):
                self._hold(span, out)
            else:
                out.append(span)

    def _hold(self, span: Span, out: list[Span]) -> None:
        self.held.append(span)
        self._size += len(span.raw)
        self._prose += len(span.raw) if span.kind is Kind.REASONING else 0
        self._calling = span.kind is not Kind.CALL_END and (self._calling or span.kind is Kind.CALL)
        if self._prose > self._limits.markup_chars_max or self._size > self._limits.arguments_chars_max:
            self._lost = self._calling
            self.drop(out)

    def drop(self, out: list[Span]) -> None:
        """The thought went on: all of it was reasoning."""
        if self.held:
            out.append(spans.reasoning("".join(span.raw for span in self.held)))
        self._forget()

    def _forget(self) -> None:
        self.held, self._size, self._prose, self._calling = [], 0, 0, False

    def keep(self, out: list[Span]) -> None:
        """The message ended inside the thought: the calls are calls."""
        for kind, group in groupby(self.held, key=_kind):
            found = list(group)
            raw = "".join(span.raw for span in found)
            out += [spans.markup(raw)] if kind is Kind.REASONING and not raw.strip() else found
        self._forget()


def _of_thought(span: Span) -> Span:
    """What a refused call gives back as text is text of the thought."""
    return spans.reasoning(span.raw) if span.kind is Kind.TEXT else span


def _stands_before_call(inside: list[Span], place: int) -> bool:
    """Whether it is the white space before a call."""
    return inside[place].kind is Kind.MARKUP and [span.kind for span in inside[place + 1 : place + 2]] == [Kind.CALL]


def _kind(span: Span) -> Kind:
    return span.kind
