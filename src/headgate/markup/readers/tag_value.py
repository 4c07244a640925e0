"""One parameter's value, as bare text in any split -> its JSON text, as soon as it is decided.

Strategy: what can only be a string goes out piece by piece; what may be something else is held until it is whole.
Spec: https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

from collections.abc import Callable

from headgate.markup.readers.json_pieces import escaped
from headgate.markup.readers.json_text import JsonText
from headgate.markup.readers.schema import Wanted
from headgate.markup.readers.typed import as_json, may_be_other, may_be_string


class Value:
    """A value that is being read.

    Args:
        wanted: what it should be.
        limit: how many characters are held at most; a longer value is a string.
        nested: what begins an element inside it; empty where it is flat.
        elements: the JSON of a value that holds elements; None if it is none.
    """

    def __init__(
        self, wanted: Wanted, limit: int, nested: str = "", elements: Callable[[str], str | None] | None = None
    ) -> None:
        self._wanted = wanted
        self._limit = limit
        self._nested = nested
        self._elements = elements
        self._streams = False  # it is a string, and has begun
        self._sure = not may_be_string(wanted.types)  # it must be whole before it means anything
        self._held: list[str] = []
        self._size = 0
        self._head = ""  # what is held, without the white space before it, while that is to be decided

    def copy(self) -> Value:
        """An independent value in the same state."""
        twin = Value.__new__(Value)
        twin.__dict__.update(self.__dict__)
        twin._held = self._held.copy()
        return twin

    def feed(self, text: str) -> str:
        """Take more of the value; return the JSON text that this decides."""
        if self._streams:
            return escaped(text)
        self._held.append(text)
        self._size += len(text)
        decided = bool(text) and (self._size > self._limit or not self._may_be_other(text))
        return self._begin() if decided else ""

    def close(self) -> str:
        """The value is over: return the rest of its JSON text."""
        if self._streams:
            return '"'
        text = "".join(self._held)
        found = self._elements(text) if self._elements is not None else None
        return as_json(text, self._wanted) if found is None else found

    def cut(self) -> str:
        """The text ends inside the value: return what there is of it, which closes nothing."""
        text = "".join(self._held)
        if self._streams or not text:
            return ""
        bare = text.strip()
        return bare if not may_be_string(self._wanted.types) and _stays_open(bare) else self._begin()

    def _begin(self) -> str:
        self._streams = True
        text, self._held, self._head = "".join(self._held), [], ""
        return f'"{escaped(text)}'

    def _may_be_other(self, text: str) -> bool:
        if self._sure:
            return True
        self._head += text if self._head else text.lstrip()
        if self._nested and (self._is_nested(self._head) or self._nested.startswith(self._head)):
            return True
        # An object, a list or a quoted string is only decided at its end.
        self._sure = self._head.startswith(("{", "[", '"')) and may_be_other(self._head, self._wanted.types)
        return self._sure or may_be_other(self._head, self._wanted.types)

    def _is_nested(self, text: str) -> bool:
        return bool(self._nested) and text.lstrip().startswith(self._nested)


def _stays_open(bare: str) -> bool:
    """Whether a cut value closes nothing but what it opened, so that the arguments stay incomplete."""
    if bare.startswith(("{", "[")):
        text, place = JsonText(), 0
        while place < len(bare) and not text.done:
            place = max(text.advance(bare, place), place + 1)
        return not text.done
    return all(character.isalnum() or character in "+-." for character in bare)
