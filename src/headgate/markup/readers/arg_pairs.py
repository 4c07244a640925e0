"""Calls as a name and pairs of key and value: `<tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>`.

Strategy: the call's tag is its opener and the name behind it, which ends where a key or the closer begins.
Spec: the chat template of zai-org/GLM-4.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import JSON_TYPES, Head, Named, Tag
from headgate.markup.readers.typed import CONTAINERS
from headgate.markup.scanner import tags

_NAME = re.compile(r"\s*([^\s<>{}\[\]()\\*`\"']*)\s*")


@dataclass(frozen=True)
class NameTag:
    """A tool's name between an opener and what must follow it.

    Args:
        opener: what stands before the name.
        follow: what may stand behind it.
        mark: what may stand between the two.
    """

    opener: str
    follow: tuple[str, ...]
    mark: str = ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What it begins with."""
        return (self.opener,)

    def match(self, text: str, place: int, /) -> Head | bool:
        """The tag that stands at this place; False if none does, True while one may still."""
        if not text.startswith(self.opener, place):
            return tags(self.opener).may_start(text[place:])
        found = _NAME.match(text, place + len(self.opener))
        if found is None or not found[1]:
            return found is not None and found.end() == len(text)
        end = found.end()
        if self.mark and text.startswith(self.mark, end):
            end += len(self.mark)
            end += len(text[end:]) - len(text[end:].lstrip())
        if text.startswith(self.follow, end):
            return Head(end - place, found[1])
        return tags(*self.follow, self.mark or self.follow[0]).may_start(text[end:])


def arg_pairs(
    prefix: str = "", suffix: str = "", *, call: str = "tool_call", section: str = "", mark: str = ""
) -> Grammar:
    """The grammar whose tags' names all have this prefix and suffix.

    Args:
        prefix: what they begin with.
        suffix: what they end with.
        call: the name of the tag around a call.
        section: the name of the tag around all calls, if there is one.
        mark: the name of the tag that may stand behind the tool's name.
    """
    call, key, kind, value = (f"{prefix}{word}{suffix}" for word in (call, "arg_key", "arg_type", "arg_value"))

    def read(inside: str) -> Named | None:
        name, closer, rest = inside.partition(f"</{key}>")
        told = rest.strip()
        typed = told.startswith(f"<{kind}>") and told.endswith(f"</{kind}>")
        usual = (typed or not told) if closer else "<" not in name
        types = told[len(f"<{kind}>") : -len(f"</{kind}>")].partition("[")[0].strip() if typed else ""
        return Named(name.strip(), JSON_TYPES.get(types, frozenset())) if usual and name.strip() else None

    return Grammar(
        openers=(f"<{prefix}{section}{suffix}>",) if section else (),
        closers=(f"</{prefix}{section}{suffix}>",) if section else (),
        call=NameTag(f"<{call}>", (f"<{key}>", f"</{call}>", "{"), f"<{mark}{suffix}>" if mark else ""),
        call_closers=(f"</{call}>",),
        parameter=Tag((f"<{key}>",), f"<{value}>", read),
        parameter_closers=lambda _: (f"</{value}>",),
        unknown=CONTAINERS,
        lone=() if mark else (f"<{call}>",),
        lone_object=True,
        plain=True,
    )
