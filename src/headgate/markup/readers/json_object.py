"""One tool call as a JSON object (`{"name": …, "arguments": …}`) -> a call's spans.

Strategy: the object's own keys are read token by token and held; from the first character of its arguments they are
given out as they come. Every spelling of the keys that is known is read, in any order, and an OpenAI-style
`"function": {…}` inside.
Spec: https://www.rfc-editor.org/rfc/rfc8259; the keys are those of the chat templates of the families named in the
files that use this one.
"""

from __future__ import annotations

import json
import re
from typing import Self

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallReader, State
from headgate.markup.readers.json_shape import ID_KEYS, NAME_KEYS, Shape
from headgate.markup.readers.json_text import JsonText, begins_value
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,:\]}\"{\[<]+(?=[\s,\]}<])")


class JsonObject(CallReader):
    """Reads one object; a subclass says how objects begin and what follows one (`_behind_object`).

    Args:
        settings: what it may decide by.
        shape: what it must hold.
    """

    def __init__(self, settings: Settings, shape: Shape) -> None:
        super().__init__(settings)
        self._shape = shape
        self._forget()

    def _forget(self) -> None:
        """Before the next object."""
        self._name = self._id = self._key = ""
        self._depth = 0
        self._argued = False
        self._value = JsonText()
        self._whole: list[str] = []  # of a value that means something only when it is whole
        self._whole_size = 0

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._value, twin._whole = self._value.copy(), self._whole.copy()
        return twin

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the object; a string that is not whole goes the way of what was held."""
        if self._state in {JsonObject._arguments, JsonObject._broken}:
            closer = next((closer for closer in tags(*self._shape.closers).all if scanner.starts(closer)), "")
            if closer:
                self._end(scanner.take(len(closer)), out)  # a longer one might have followed
        scanner.put_back("".join(self._whole))
        self._whole = []
        return super().close(scanner, out)

    def _cut(self, rest: str) -> str:
        # Behind the arguments, a brace or a closer that is cut off is no part of them.
        return rest if self._state in {JsonObject._arguments, JsonObject._broken} else ""

    def _behind_object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The state behind an object that is a call."""
        raise NotImplementedError

    # -- the object's own keys -----------------------------------------------------------------------

    def _pair(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A key, or the object's end where it has none."""
        self._hold_space(scanner)
        if scanner.starts("}"):
            self._state = JsonObject._after_value
            return None
        key = self._string(scanner)
        if not key:
            return self._wrong(scanner, out) if key is not None else self._wait(scanner, out)
        self._hold(key)
        self._key = _decoded(key)
        self._state = type(self)._colon
        told = self._settings.tools is not None or self._calling
        return None if told or self._shape.may_have(self._key) else self._wrong(scanner, out)

    def _colon(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        return self._expect(scanner, out, {":": type(self)._begin_value})

    def _begin_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        first = scanner.peek(1)
        if not first:
            return Control.MORE
        self._value, self._whole, self._whole_size = JsonText(), [], 0
        if self._key in self._shape.argument_keys and not self._argued and first in "{[":
            if (begun := begins_value(scanner.peek(self._settings.limits.markup_chars_max))) is not True:
                return self._wait(scanner, out) if begun is None else self._wrong(scanner, out)
            self._argued = True
            if self._name:
                self._start(self._name, out, self._id)
            self._state = JsonObject._arguments
        elif self._key == "function" and first == "{" and not self._name:
            self._depth += 1
            self._hold(scanner.take(1))
            self._state = JsonObject._pair
        elif first in "{[":
            self._state = JsonObject._skipped
        else:
            self._state = JsonObject._short_value if first != '"' else JsonObject._text_value
        return None

    def _short_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A number, `true`, `false` or `null`."""
        found = _SCALAR.match(scanner.text, scanner.position, self._token_end(scanner))
        if found is None:
            return self._wait(scanner, out)
        raw = scanner.take(len(found.group()))
        if self._key in self._shape.argument_keys and raw != "null" and not self._argued:
            self._argue_whole(raw, raw, out)
        else:
            self._id = raw if self._key in ID_KEYS and raw != "null" else self._id
            self._hold(raw)
        self._state = JsonObject._after_value
        return None

    def _text_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        limits = self._settings.limits
        most = limits.arguments_chars_max if self._key in self._shape.argument_keys else limits.markup_chars_max
        end = self._value.advance(scanner.text, scanner.position, scanner.position + most + 1 - self._whole_size)
        self._whole.append(scanner.take(end - scanner.position))
        self._whole_size += len(self._whole[-1])
        if self._whole_size > most:
            self._hold("".join(self._whole))
            self._whole = []
            return self._wrong(scanner, out)
        if not self._value.done:
            return Control.MORE
        raw = "".join(self._whole)
        value = _decoded(raw)
        if self._key in self._shape.argument_keys and not self._argued:
            self._argue_whole(raw, value if _is_object(value) or not value.strip() else raw, out)
        else:
            self._hold(raw)
            self._note(value, out)
        self._whole, self._state = [], JsonObject._after_value
        told = self._settings.tools is not None or self._calling
        return None if told or self._shape.may_say(self._key, value) else self._wrong(scanner, out)

    def _note(self, value: str, out: list[Span]) -> None:
        if self._key in NAME_KEYS and not self._name:
            self._name = value
            if self._argued and value:
                self._start(value, out, self._id)
        elif self._key in ID_KEYS:
            self._id = value

    def _skipped(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A value that a call has no use for."""
        room = self._settings.limits.markup_chars_max + 1 - self._held_size
        end = self._value.advance(scanner.text, scanner.position, scanner.position + room)
        self._hold(scanner.take(end - scanner.position))
        if self._value.done:
            self._state = JsonObject._after_value
            return None
        return self._wrong(scanner, out) if len(scanner) or room <= 0 else Control.MORE

    # -- the arguments -------------------------------------------------------------------------------

    def _argue_whole(self, raw: str, value: str, out: list[Span]) -> None:
        self._argued = True
        if self._name:
            self._start(self._name, out, self._id)
        self._argue(raw, value, out)

    def _arguments(self, scanner: Scanner, out: list[Span]) -> Control | None:
        end = self._value.advance(scanner.text, scanner.position, scanner.position + self._room())
        if fragment := scanner.take(end - scanner.position):
            self._argue(fragment, fragment, out)
        if self._value.done:
            self._state = JsonObject._after_value
            return None
        if self._too_long():
            return self._fail(scanner, out)
        if not len(scanner):
            return Control.MORE
        # The scanner stands at a `<`: broken JSON, but the call's own, unless it is the closer.
        closer = self._literal(scanner, self._shape.closers)
        if closer is None:
            return Control.MORE
        if closer:
            return self._over(scanner, len(closer), out)
        self._argue("<", scanner.take(1), out)
        return None

    def _broken(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind a mistake in a call that was started, all is its arguments, up to the closer or the end."""
        text, _, closer = scanner.until(tags(*self._shape.closers))
        if text:
            self._argue(text, text, out)
        if closer is None:
            return Control.MORE
        scanner.position -= len(closer)
        if (whole := self._literal(scanner, self._shape.closers)) is None:
            return Control.MORE
        return self._over(scanner, len(whole), out)

    # -- behind a value --------------------------------------------------------------------------------

    def _after_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        found = self._literal(scanner, (",", "}", *self._shape.closers))
        if found is None:
            return Control.MORE
        if not found or (found not in {",", "}"} and not self._ready(out)):
            return self._wrong(scanner, out)
        if found not in {",", "}"}:
            return self._over(scanner, len(found), out)  # the last brace is missing
        self._hold(scanner.take(1))
        if found == ",":
            self._state = JsonObject._pair
        elif self._depth:
            self._depth -= 1
        elif not self._ready(out):
            return self._fail(scanner, out)
        else:
            self._state = type(self)._behind_object
        return None

    def _ready(self, out: list[Span]) -> bool:
        """Whether the object is a call, which then is started at the latest."""
        if not self._name or not (self._argued or self._shape.name_alone):
            return False
        if not (self._calling or self._refused):
            self._start(self._name, out, self._id)
        return True

    def _over(self, scanner: Scanner, length: int, out: list[Span]) -> Control | None:
        self._end(scanner.take(length), out)
        return Control.OVER

    # -- tokens --------------------------------------------------------------------------------------

    def _expect(self, scanner: Scanner, out: list[Span], states: dict[str, State]) -> Control | None:
        character = scanner.peek(1)
        if not character:
            return Control.MORE
        if character not in states:
            return self._wrong(scanner, out)
        self._hold(scanner.take(1))
        self._state = states[character]
        return None

    def _string(self, scanner: Scanner) -> str | None:
        """Take a short string whole: "" where none stands, None while it is not over."""
        if len(scanner) and not scanner.starts('"'):
            return ""
        found = _STRING.match(scanner.text, scanner.position, self._token_end(scanner))
        return scanner.take(len(found.group())) if found else None

    def _token_end(self, scanner: Scanner) -> int:
        """How far a short token may go; what is longer is none, in whatever pieces it comes."""
        return scanner.position + self._settings.limits.markup_chars_max + 1

    def _wait(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Wait for the end of a short token, unless it is longer than any."""
        if len(scanner) > self._settings.limits.markup_chars_max:
            return self._wrong(scanner, out)
        return Control.MORE

    def _wrong(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A mistake: before the call has started it is no call, afterwards its arguments are broken."""
        if not (self._calling or self._refused):
            return self._fail(scanner, out)
        self._state = JsonObject._broken
        return None


def _decoded(raw: str) -> str:
    """A JSON string's value; the generated text itself where it is none (a bad escape)."""
    try:
        value: str = json.loads(raw, strict=False)
    except ValueError:
        return raw
    return value


def _is_object(text: str) -> bool:
    return text.lstrip().startswith(("{", "["))
