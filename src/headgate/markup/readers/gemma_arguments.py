"""The arguments of a Gemma call (`{city:<|"|>Paris<|"|>,days:3}`), in any split -> a JSON object.

Strategy: a state, and a stack of what is open. JSON is given out as soon as it is decided. A value between delimiters
is a string, unless the tool's schema allows no string there; then it is held to its end, and typed.
Spec: the chat templates of google/gemma-4-E4B-it and google/functiongemma-270m-it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from headgate.markup.readers.converted import Reading
from headgate.markup.readers.gemma_bare import Bare
from headgate.markup.readers.gemma_strings import Delimited, GemmaText, JsonQuoted, SingleQuoted, TypedText, may_become
from headgate.markup.readers.json_pieces import quoted
from headgate.markup.readers.python_brackets import DEPTH_MAX
from headgate.markup.readers.schema import Schema, Wanted
from headgate.markup.readers.typed import as_json, may_be_string
from headgate.markup.scanner import Scanner

_BARE_KEY = re.compile(r"([^:,{}\[\]<\"]{1,256}):")
_MAY_BE_BARE_KEY = re.compile(r"[^:,{}\[\]<\"]{1,256}\Z")
_JSON_KEY = re.compile(r"\"((?:[^\"\\]|\\.){0,256})\"\s{0,64}:", re.DOTALL)
_MAY_BE_JSON_KEY = re.compile(r"\"(?:[^\"\\]|\\.){0,256}(?:\\?|\"\s{0,64})\Z", re.DOTALL)
_KEY_MAX = 256
_NO_SCHEMA = Schema()


class _Frame(NamedTuple):
    """One open bracket: its closer, and how many items have begun."""

    closer: str
    items: int = 0


_State = Callable[[Any, Scanner], bool]
"""Reads a part. Returns False where it has to wait for more text."""


class GemmaArguments:
    """Reads one call's arguments behind their opening brace, and the brace that closes them.

    Args:
        delimiter: what stands on both sides of a string.
        closers: what may end the call.
        schema: of the tool's parameters.
        held_max: how much of a value may wait for its end, in characters.
    """

    closer = "}"

    def __init__(self, delimiter: str, closers: tuple[str, ...], schema: Schema, held_max: int) -> None:
        self.done = self.wrong = self.begun = False
        self._delimiter, self._closers, self._schema, self._held_max = delimiter, closers, schema, held_max
        self._final = False
        self._stack = [_Frame("}")]
        self._said = ["{"]
        self._lead = ""  # what goes before the next value
        self._wanted = Wanted()  # what the next value should be
        self._text: GemmaText = JsonQuoted()  # reads a string,
        self._typed = TypedText(Delimited("", (), ""), 0)  # one that should be something else,
        self._bare = Bare("", (), None, 0)  # and what is none, or has no first delimiter
        self._delimited = False  # the last value ended with a delimiter, which no comma need follow
        self._state: _State = GemmaArguments._item

    def copy(self) -> GemmaArguments:
        """Independent arguments in the same state."""
        twin = GemmaArguments.__new__(GemmaArguments)
        twin.__dict__.update(self.__dict__)
        twin._stack, twin._said = self._stack.copy(), self._said.copy()
        twin._text, twin._typed, twin._bare = self._text.copy(), self._typed.copy(), self._bare.copy()
        return twin

    @property
    def depth(self) -> int:
        """How many brackets are open."""
        return len(self._stack)

    def read(self, scanner: Scanner) -> Reading:
        """Take what is decided."""
        start = said = scanner.position
        goes_on = True
        while goes_on and not (self.done or self.wrong):
            pieces = len(self._said)
            goes_on = self._state(self, scanner)
            if any(self._said[pieces:]):
                said = scanner.position
        if self.wrong:
            said = scanner.position
            self._said += [self._lead, self._typed.text, self._bare.text]  # the last value as it stands there
        value, self._said = "".join(self._said), []
        return Reading(scanner.text[start:said], value, scanner.text[said : scanner.position])

    def finish(self) -> None:
        """No text follows: a closer at the end ends the call, even inside a string."""
        self._final = True

    # -- items ---------------------------------------------------------------------------------------

    def _item(self, scanner: Scanner) -> bool:
        """An item, or the end of what is open; a comma too many is nothing."""
        character = _next(scanner)
        frame = self._stack[-1]
        if character == frame.closer:
            return self._leave(scanner)
        if character == ",":
            scanner.take(1)
        elif character:
            self._lead = ", " if frame.items else ""
            self._state = GemmaArguments._key if frame.closer == "}" else GemmaArguments._value
            self._stack[-1] = frame._replace(items=frame.items + 1)
            self._wanted = Wanted()
        return bool(character)

    def _key(self, scanner: Scanner) -> bool:
        if may_become(scanner, self._delimiter):
            return False
        if scanner.starts(self._delimiter):
            return self._delimited_key(scanner)
        whole, part = (_JSON_KEY, _MAY_BE_JSON_KEY) if scanner.starts('"') else (_BARE_KEY, _MAY_BE_BARE_KEY)
        found = whole.match(scanner.text, scanner.position)
        if found is None:
            return False if part.match(scanner.text, scanner.position) else self._fail()
        scanner.take(len(found.group()))
        return self._begin_value(found.group(1).strip() if whole is _BARE_KEY else _unescaped(found.group(1)))

    def _delimited_key(self, scanner: Scanner) -> bool:
        length = len(self._delimiter)
        key, delimiter, behind = scanner.peek(_KEY_MAX + 2 * length)[length:].partition(self._delimiter)
        space = len(behind) - len(behind.lstrip())
        if behind[space : space + 1] == ":":
            scanner.take(2 * length + len(key) + space + 1)
            return self._begin_value(key)
        waits = len(scanner) < _KEY_MAX + 2 * length and (not delimiter or not behind.strip())
        return False if waits else self._fail()

    def _begin_value(self, key: str) -> bool:
        if not key:
            return self._fail()
        if len(self._stack) == 1:
            self._wanted = self._schema.member(key).wanted
        self._lead += quoted(key) + ": "
        self._state = GemmaArguments._value
        return True

    # -- values --------------------------------------------------------------------------------------

    def _value(self, scanner: Scanner) -> bool:
        character = _next(scanner)
        if not character or may_become(scanner, self._delimiter):
            return False
        self._delimited = False
        if scanner.starts(self._delimiter):
            scanner.take(len(self._delimiter))
            return self._enter_delimited()
        if character in "{[":
            return self._enter(scanner)
        if character in "\"'":
            scanner.take(1)
            return self._enter_text(JsonQuoted() if character == '"' else SingleQuoted(self._delimiter))
        schema = None if self._stack[-1].closer == "]" else self._schema if len(self._stack) == 1 else _NO_SCHEMA
        self._bare = Bare(self._delimiter, self._closers, schema, self._held_max)
        self._state = GemmaArguments._in_bare
        return True

    def _enter(self, scanner: Scanner) -> bool:
        if len(self._stack) > DEPTH_MAX:
            return self._fail()
        bracket = scanner.take(1)
        self._say(bracket)
        self._stack.append(_Frame("}" if bracket == "{" else "]"))
        self._state = GemmaArguments._item
        return True

    def _enter_delimited(self) -> bool:
        brackets = "".join(frame.closer for frame in reversed(self._stack))
        text = Delimited(self._delimiter, self._closers, brackets)
        if may_be_string(self._wanted.types):
            return self._enter_text(text)
        self._typed = TypedText(text, self._held_max)
        self._state = GemmaArguments._in_typed
        return True

    def _enter_text(self, text: GemmaText) -> bool:
        self._say('"')
        self._text = text
        self._state = GemmaArguments._in_text
        return True

    def _in_text(self, scanner: Scanner) -> bool:
        self._said.append(self._text.read(scanner, final=self._final))
        if self._text.done:
            self._said.append('"')
            delimited = isinstance(self._text, Delimited)
            self._end_value(delimited=delimited, ends_call=delimited and self._text.ends_call)
        return self._text.done

    def _in_typed(self, scanner: Scanner) -> bool:
        """A value between delimiters that the schema does not want to be a string."""
        typed = self._typed
        typed.read(scanner, final=self._final)
        if typed.done:
            self._say(as_json(typed.text, self._wanted))
            self._typed = TypedText(Delimited("", (), ""), 0)
            self._end_value(delimited=True, ends_call=typed.ends_call)
        return typed.done or (typed.too_long and self._fail())

    def _in_bare(self, scanner: Scanner) -> bool:
        bare = self._bare
        bare.read(scanner)
        if bare.done:
            self._say(bare.json)
            self._bare = Bare("", (), None, 0)
            self._end_value(delimited=bare.delimited)
        return bare.done or (bare.too_long and self._fail())

    def _end_value(self, *, delimited: bool, ends_call: bool = False) -> None:
        self._delimited = delimited
        self._state = GemmaArguments._behind_value
        if ends_call:
            self._said += [frame.closer for frame in reversed(self._stack)]
            self.done = True

    def _behind_value(self, scanner: Scanner) -> bool:
        character = _next(scanner)
        if character == self._stack[-1].closer:
            return self._leave(scanner)
        if not character:
            return False
        if character != "," and (not self._delimited or character in "}]<"):
            return self._fail()
        self._state = GemmaArguments._item
        return True

    def _leave(self, scanner: Scanner) -> bool:
        scanner.take(1)
        self._said.append(self._stack.pop().closer)
        self.done = not self._stack
        self.begun |= self.done
        self._delimited = False
        self._state = GemmaArguments._behind_value
        return True

    def _say(self, piece: str) -> None:
        """Begin a value."""
        self._said.append(self._lead + piece)
        self._lead, self.begun = "", True

    def _fail(self) -> bool:
        self.wrong = True
        return False


def _unescaped(inside: str) -> str:
    """What the inside of a JSON string says; itself where it is no JSON."""
    try:
        return str(json.loads(f'"{inside}"'))
    except ValueError:
        return inside


def _next(scanner: Scanner) -> str:
    """Take white space, and look at the character behind it; empty at the end of the text."""
    scanner.take_space()
    return scanner.peek(1)
