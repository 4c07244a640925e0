"""Opening tags that carry a name (`<function=f>`, `<invoke name="f">`, `<arg_key>k</arg_key><arg_value>`) -> the name.

Spec: ours; the spellings are those of the chat templates named in the files that use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from headgate.markup.readers.schema import Types
from headgate.markup.readers.typed import ANY, STRING
from headgate.markup.scanner import tags


class Named(NamedTuple):
    """What an opening tag says: a name, and perhaps the type of what follows it."""

    name: str
    types: Types = frozenset()


class Head(NamedTuple):
    """An opening tag that stands in a text: its length, and what it says."""

    length: int
    name: str
    types: Types = frozenset()


class HeadTag(Protocol):
    """A kind of opening tag."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What it begins with."""
        ...

    def match(self, text: str, place: int, /) -> Head | bool:
        """The tag that stands at this place; False if none does, True while one may still."""
        ...


@dataclass(frozen=True)
class Tag:
    """Anything between a prefix and an end.

    Args:
        prefixes: what it begins with.
        end: what it ends with.
        read: what its inside says; None where that is no such tag.
    """

    prefixes: tuple[str, ...]
    end: str
    read: Callable[[str], Named | None]

    def match(self, text: str, place: int, /) -> Head | bool:
        """The tag that stands at this place; False if none does, True while one may still."""
        prefix = next((prefix for prefix in tags(*self.prefixes).all if text.startswith(prefix, place)), None)
        if prefix is None:
            return tags(*self.prefixes).may_start(text[place:])
        start = place + len(prefix)
        stop = text.find(self.end, start)
        while stop >= 0 and text.count('"', start, stop) % 2:  # it stands in an attribute's value
            stop = text.find(self.end, stop + 1)
        if stop < 0:
            return True
        found = self.read(text[start:stop])
        return found is not None and Head(stop + len(self.end) - place, *found)


# -- what stands inside -------------------------------------------------------------------------------------------

_ATTRIBUTE = re.compile(r"""\s*([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>]+))""")


def bare_name(inside: str) -> Named | None:
    """The name itself, perhaps in quotes: `<function=NAME>`."""
    name = inside.strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    return None if not name or "<" in name or "\n" in name else Named(name)


def attribute(key: str) -> Callable[[str], Named | None]:
    """One of several attributes: `<invoke name="NAME">`."""

    def read(inside: str) -> Named | None:
        name = (attributes(inside) or {}).get(key, "").strip()
        return Named(name) if name else None

    return read


def string_attribute(inside: str) -> Named | None:
    """A parameter's name, and whether its value is a string: `<parameter name="NAME" string="true">`."""
    found = attributes(inside) or {}
    name = found.get("name", "").strip()
    return Named(name, _STRING_TYPES.get(found.get("string", ""), STRING)) if name else None


def attributes(inside: str) -> dict[str, str] | None:
    """The attributes of a tag; None if it holds anything else."""
    found: dict[str, str] = {}
    place = 0
    while place < len(inside.rstrip()):
        match = _ATTRIBUTE.match(inside, place)
        if match is None:
            return None
        key, *values = match.groups()
        found[key] = next(value for value in values if value is not None)
        place = match.end()
    return found


_STRING_TYPES: dict[str, Types] = {"true": STRING, "false": ANY}

JSON_TYPES: dict[str, Types] = {
    "string": STRING,
    "number": frozenset({"number", "string"}),
    "integer": frozenset({"integer", "string"}),
    "boolean": frozenset({"boolean", "string"}),
    "null": frozenset({"null", "string"}),
    "object": ANY,
    "array": ANY,
}
"""The types that a tag names, each beside the string that a value becomes which is none."""
