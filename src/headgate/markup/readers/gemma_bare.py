"""A value in a Gemma call without a first delimiter: a number, a constant, or text -> JSON.

Strategy: it is held to its end. A comma in text ends it only before another key, as models forget to delimit sentences;
a delimiter says that all before it was text.
Spec: the chat template of google/gemma-4-E4B-it; the mistakes are those in SGLang function_call/gemma4_detector.py and
Ollama model/parsers/gemma4.go.
"""

from __future__ import annotations

import re

from headgate.markup.readers.gemma_strings import may_become
from headgate.markup.readers.json_pieces import quoted
from headgate.markup.readers.python_scalar import CONSTANTS, scalar
from headgate.markup.readers.schema import Schema
from headgate.markup.scanner import Scanner

_NOTHING = frozenset({"null", "none", "nil"})
_STOP = re.compile(r"[,}\]<]")
_NEXT_KEY = re.compile(r",\s{0,64}(?:[}\]\"]|([\w.-]{1,64})\s{0,8}:)")
_MAY_BE_NEXT_KEY = re.compile(r",\s{0,64}(?:[\w.-]{1,64}\s{0,8})?\Z")
_SPACE_MAX = 64


class Bare:
    """Reads one such value.

    Args:
        delimiter: what stands on both sides of other strings.
        closers: what may end the call.
        schema: of the object that it stands in; None in a list.
        size_max: how long it may be, in characters.
    """

    def __init__(self, delimiter: str, closers: tuple[str, ...], schema: Schema | None, size_max: int) -> None:
        self.done = self.too_long = False
        self.delimited = False  # a delimiter ended it
        self._delimiter, self._closers, self._schema, self._size_max = delimiter, closers, schema, size_max
        self._pieces: list[str] = []
        self._size = 0

    def copy(self) -> Bare:
        """An independent reader in the same state."""
        twin = Bare.__new__(Bare)
        twin.__dict__.update(self.__dict__)
        twin._pieces = self._pieces.copy()
        return twin

    @property
    def text(self) -> str:
        """What has been read."""
        return "".join(self._pieces)

    @property
    def json(self) -> str:
        """What it means."""
        word = self.text.strip()
        if self.delimited or not word:
            return quoted(self.text if word else "")
        return "null" if word.lower() in _NOTHING else scalar(word) or quoted(word)

    def read(self, scanner: Scanner) -> None:
        """Take what there is of it."""
        while not (self.done or self.too_long):
            found = _STOP.search(scanner.text, scanner.position)
            stop = found.start() if found else len(scanner.text)
            # What is too long is so at the same character in every split.
            self._take(scanner, min(stop - scanner.position, self._size_max + 1 - self._size))
            self.too_long = self._size > self._size_max
            if found is None or self.too_long or not self._at_stop(scanner, found.group()):
                return

    def _at_stop(self, scanner: Scanner, character: str) -> bool:
        """Take a character that may end the value; False where it does, or where more must come."""
        if may_become(scanner, self._delimiter, *self._closers):
            return False
        if scanner.starts(self._delimiter):
            scanner.take(len(self._delimiter))
            self.done = self.delimited = True
            return False
        verdict = self._ends(scanner, character)
        self.done = verdict is True
        if verdict is False:
            self._take(scanner, 1)
        return verdict is False

    def _ends(self, scanner: Scanner, character: str) -> bool | None:
        """Whether the value ends before this character; None while it may."""
        if character == "<":
            return any(map(scanner.starts, self._closers))
        if self._schema is None or character == "}":
            return True
        if character == "]":
            return False
        word = self.text.strip()
        return word in CONSTANTS or not self.json.startswith('"') or self._begins_item(scanner, self._schema)

    def _begins_item(self, scanner: Scanner, schema: Schema) -> bool | None:
        """Whether the comma that stands next is followed by another key, so that it is no part of the text."""
        found = _NEXT_KEY.match(scanner.text, scanner.position)
        if found is not None:
            return found.group(1) is None or schema.declares(found.group(1)) is not False
        if _MAY_BE_NEXT_KEY.match(scanner.text, scanner.position):
            return None
        behind = scanner.peek(1 + _SPACE_MAX + len(self._delimiter))[1:].lstrip()
        return behind.startswith(self._delimiter) or (None if self._delimiter.startswith(behind) else False)

    def _take(self, scanner: Scanner, length: int) -> None:
        self._pieces.append(scanner.take(length))
        self._size += length
