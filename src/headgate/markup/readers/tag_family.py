"""Families of calls with XML-like tags: whose a text is that begins like one.

Strategy: several families share an opener, so that a block counts only with the call's tag behind it, and that only
with a parameter, an object or a closer behind it.
Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.markup.family import Family, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.tag_calls import TagCalls
from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Head
from headgate.markup.scanner import tags


@dataclass(frozen=True)
class TagFamily(CallFamily):
    """A family whose blocks have one grammar."""

    grammar: Grammar = field(kw_only=True)

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a call, up to what follows its tag; None while it may still."""
        opener = next((opener for opener in tags(*self.openers).all if rest.startswith(opener)), None)
        if opener is None:
            return None if tags(*self.openers).may_start(rest) else False
        in_block = opener in self.grammar.openers
        rest = rest[len(opener) :] if in_block else rest
        found = self.grammar.header(rest)
        if isinstance(found, bool):
            return None if found else False
        space, head = found
        rest = rest[space + head.length :].lstrip()
        if rest.startswith("{"):
            return in_block or self.grammar.lone_object
        return self._begins_body(rest, settings)

    def _begins_body(self, rest: str, settings: Settings) -> bool | None:
        head, tag = self.grammar.parameter.match(rest, 0), self.grammar.structure(rest, 0)
        if isinstance(head, Head):
            return True
        if head or tag is None:
            return None
        told = settings.named or settings.tools is not None or not self.grammar.plain
        return told and self.grammar.closes(tag)


def tag_family(name: str, grammar: Grammar, *when_named: Family) -> TagFamily:
    """The family that writes its calls like this, and what else is looked for where it is named."""
    begins = grammar.begins
    return TagFamily(name, begins, lambda settings: TagCalls(settings, grammar), when_named=when_named, grammar=grammar)
