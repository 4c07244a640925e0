"""The arguments of a Python-style call, in any split -> a JSON object.

Strategy: a state, and a stack of what is open. JSON is given out as soon as it is decided. Positional arguments take
the names of the tool's parameters, in order. What Python would have to run (a name, an expression) is a string of its
source; what has no JSON at all (bytes, a number that no float can hold) makes the call none.
Spec: https://docs.python.org/3/reference/expressions.html#calls; what becomes of what is no literal differs between
vLLM tool_parsers/utils.py (no call), SGLang function_call/lfm2_detector.py (no call) and Ollama model/parsers/lfm2.go
and olmo3.go (a string), which we follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from headgate.markup.readers.converted import Reading
from headgate.markup.readers.json_pieces import quoted
from headgate.markup.readers.python_brackets import Brackets, Open
from headgate.markup.readers.python_quotes import KEYWORD, MAY_BE_KEYWORD, MAY_BE_STRING, STRING, ends_string
from headgate.markup.readers.python_scalar import scalar
from headgate.markup.readers.python_source import PythonSource
from headgate.markup.readers.python_string import PythonString
from headgate.markup.scanner import Scanner

_SPLAT = re.compile(r"\*\*\s{0,64}\{")
_MAY_BE_SPLAT = re.compile(r"\*\*?\s{0,64}\Z")

_State = Callable[[Any, Scanner], bool]
"""Reads a part. Returns False where it has to wait for more text."""


class PythonArguments:
    """Reads one call's arguments behind its opening parenthesis, and the parenthesis that closes them.

    Args:
        names: the tool's parameters, for positional arguments; none may be positional where it is empty.
        source_max: how long an expression may be, in characters.
        strict: whether every value must be a literal.
        wrapped: whether the call stands in a bracket of its own.
    """

    closer = ")"

    def __init__(self, names: Sequence[str], source_max: int, *, strict: bool = False, wrapped: bool = False) -> None:
        self.done = self.wrong = False
        self.begun = False  # a value has begun
        self._names, self._source_max, self._strict, self._wrapped = names, source_max, strict, wrapped
        self._named = not names  # only named arguments may follow
        self._final = False
        self._brackets = Brackets()
        self._lead = ""  # what goes before the next value
        self._plain = False  # the last value may be a dictionary's key
        self._string = PythonString("'", raw=False)  # reads a string,
        self._source = PythonSource(0, key=False)  # and what is neither a string nor a container
        self._state: _State = PythonArguments._item

    def copy(self) -> PythonArguments:
        """Independent arguments in the same state."""
        twin = PythonArguments.__new__(PythonArguments)
        twin.__dict__.update(self.__dict__)
        twin._brackets = self._brackets.copy()
        twin._string, twin._source = self._string.copy(), self._source.copy()
        return twin

    @property
    def depth(self) -> int:
        """How many brackets are open."""
        return len(self._brackets) + self._source.depth

    def read(self, scanner: Scanner) -> Reading:
        """Take what is decided."""
        start = said = scanner.position
        pieces = self._brackets.pieces
        goes_on = True
        while goes_on and not (self.done or self.wrong):
            changes = pieces.changes
            goes_on = self._state(self, scanner)
            self._brackets.settle()
            if pieces.changes > changes and pieces.decided:
                said = scanner.position
        if not self.wrong:
            return Reading(scanner.text[start:said], pieces.take(), scanner.text[said : scanner.position])
        rest = self._lead + self._source.text  # the last value as it stands there
        return Reading(scanner.text[start : scanner.position], pieces.take_all() + rest)

    def finish(self) -> None:
        """No text follows: a quote at the end ends its string."""
        self._final = True

    # -- items ---------------------------------------------------------------------------------------

    def _item(self, scanner: Scanner) -> bool:
        """An item, or the end of what is open."""
        character = _next(scanner)
        kind = self._brackets.top.kind
        if not character:
            return False
        if character == kind.closer:
            return self._leave(scanner, behind_value=False)
        if kind is Open.CALL:
            return self._splat(scanner) if character == "*" else self._argument(scanner)
        self._lead = self._brackets.begin_item()
        self._state = PythonArguments._value
        return True

    def _argument(self, scanner: Scanner) -> bool:
        found = KEYWORD.match(scanner.text, scanner.position)
        place = self._brackets.top.items
        if found is not None:
            scanner.take(len(found.group()))
            self._named = True
            name = found.group(1)
        elif MAY_BE_KEYWORD.match(scanner.text, scanner.position):
            return False
        elif self._named or place >= len(self._names):
            return self._fail()
        else:
            name = self._names[place]
        self._lead = self._brackets.begin_item() + quoted(name) + ": "
        self._state = PythonArguments._value
        return True

    def _splat(self, scanner: Scanner) -> bool:
        found = _SPLAT.match(scanner.text, scanner.position)
        if found is None:
            return False if _MAY_BE_SPLAT.match(scanner.text, scanner.position) else self._fail()
        scanner.take(len(found.group()))
        self._named = True
        self._brackets.splat()
        self._state = PythonArguments._item
        return True

    # -- values --------------------------------------------------------------------------------------

    def _value(self, scanner: Scanner) -> bool:
        character = _next(scanner)
        if not character or MAY_BE_STRING.match(scanner.text, scanner.position):
            return False
        if found := STRING.match(scanner.text, scanner.position):
            self._say('"')
            return self._open_string(scanner, found)
        if character in "[({":
            return self._enter(scanner.take(1))
        self._source = PythonSource(self._source_max, key=self._brackets.top.key)
        self._state = PythonArguments._in_source
        return True

    def _enter(self, opener: str) -> bool:
        if not self._brackets.enter(opener, self._lead):
            return self._fail()
        self._lead, self.begun = "", True
        self._state = PythonArguments._item
        return True

    def _open_string(self, scanner: Scanner, found: re.Match[str]) -> bool:
        prefix, quote = found.group(1).lower(), found.group(2)
        if "b" in prefix:
            return self._fail()
        scanner.take(len(found.group()))
        self._string = PythonString(quote, raw="r" in prefix)
        self._state = PythonArguments._in_string
        return True

    def _in_string(self, scanner: Scanner) -> bool:
        self._brackets.pieces.put(self._string.read(scanner, self._ends))
        if self._string.done:
            self._state = PythonArguments._behind_string
        return self._string.done

    def _ends(self, behind: str) -> bool | None:
        key, broken = self._brackets.top.key, self._string.broken
        verdict = ends_string(
            behind, self._brackets.kinds, key=key, broken=broken, named=self._named, wrapped=self._wrapped
        )
        return True if verdict is None and self._final else verdict

    def _behind_string(self, scanner: Scanner) -> bool:
        """Another literal, which goes on with the string, or the string's end."""
        if not _next(scanner) or MAY_BE_STRING.match(scanner.text, scanner.position):
            return False
        if not self._string.broken and (found := STRING.match(scanner.text, scanner.position)):
            return self._open_string(scanner, found)
        self._brackets.pieces.put('"')
        return self._end_value(plain=True)

    def _in_source(self, scanner: Scanner) -> bool:
        """A number, a constant, a name, an expression."""
        self._source.read(scanner)
        if self._source.too_long:
            return self._fail()
        if not self._source.done:
            return False
        value = scalar(self._source.text.strip(), strict=self._strict)
        if value is None:
            return self._fail()
        self._source = PythonSource(0, key=False)
        self._say(quoted(value) if scanner.starts(":") and not value.startswith('"') else value)
        return self._end_value(plain=True)

    def _end_value(self, *, plain: bool) -> bool:
        self._plain = plain
        self._state = PythonArguments._behind_value
        return True

    def _behind_value(self, scanner: Scanner) -> bool:
        character = _next(scanner)
        if character == self._brackets.top.kind.closer:
            return self._leave(scanner, behind_value=True)
        if character == "," and self._brackets.comma():
            self._state = PythonArguments._item
        elif character == ":" and self._plain and self._brackets.colon():
            self._state = PythonArguments._value
        else:
            return self._fail() if character else False
        scanner.take(1)
        return True

    def _leave(self, scanner: Scanner, *, behind_value: bool) -> bool:
        if not self._brackets.leave(behind_value=behind_value):
            return self._fail()
        scanner.take(1)
        self.done = not len(self._brackets)
        self.begun |= self.done
        return self._end_value(plain=False)

    def _say(self, piece: str) -> None:
        """Begin a value."""
        self._brackets.pieces.put(self._lead + piece)
        self._lead, self.begun = "", True

    def _fail(self) -> bool:
        self.wrong = True
        return False


def _next(scanner: Scanner) -> str:
    """Take white space, and look at the character behind it; empty at the end of the text."""
    scanner.take_space()
    return scanner.peek(1)
