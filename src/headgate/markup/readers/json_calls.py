"""Tool calls that are JSON objects (`{"name": …, "arguments": …}`), one, several, or in a list -> call spans.

Strategy: the object's own keys are read token by token and held; from the first character of its arguments
they are given out as they come. Every spelling of the keys that is known is read, in any order, and an
OpenAI-style `"function": {…}` inside.
Spec: https://www.rfc-editor.org/rfc/rfc8259; the keys are those of the chat templates of the families named
in the files that use this one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Self

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallReader, State
from headgate.markup.readers.json_text import JsonText, begins_value
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

NAME_KEYS = frozenset({"name", "function", "tool_name", "tool", "function_name"})
ARGUMENT_KEYS = frozenset({"arguments", "parameters", "args", "params", "input"})
ID_KEYS = frozenset({"id", "call_id", "tool_call_id"})

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,:\]}\"{\[<]+(?=[\s,\]}<])")
_SPARE = " \t\r\n}]"
"""What may stand between a call and its closer: models close a brace too many."""


@dataclass(frozen=True)
class Frame:
    """What stands around the objects.

    Args:
        openers: what begins the block.
        closers: what may end it; it is no less over without.
        separators: what may stand between two objects, besides white space.
        inner: what may stand between the opener and the first object, such as a code fence.
        argument_keys: the keys that its arguments may have.
        name_alone: whether an object that holds a tool's name and no arguments is a call.
    """

    openers: tuple[str, ...]
    closers: tuple[str, ...] = ()
    separators: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    argument_keys: frozenset[str] = ARGUMENT_KEYS
    name_alone: bool = True

    def reader(self, settings: Settings) -> JsonCalls:
        """A reader of one block."""
        return JsonCalls(settings, self)

    def bare(self, settings: Settings) -> JsonCalls:
        """A reader of a block without an opener: the first object, or a list of them, stands next."""
        return JsonCalls(settings, self, opened=True)


class JsonCalls(CallReader):
    """Reads one block of JSON calls.

    Args:
        settings: what it may decide by.
        frame: what stands around the objects.
        opened: whether the first object, or a list, stands next, and no opener.
    """

    def __init__(self, settings: Settings, frame: Frame, *, opened: bool = False) -> None:
        super().__init__(settings)
        self._frame = frame
        self._state = JsonCalls._first if opened else type(self)._opener
        self._in_list = False
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
        """The text ends inside the block; a string that is not whole goes the way of what was held."""
        if self._state == type(self)._after_list:
            self._skip(scanner.take_all(), out)  # a closer, or its beginning: another one might have begun so
        elif self._state in {JsonCalls._arguments, JsonCalls._broken}:
            closer = next((closer for closer in tags(*self._frame.closers).all if scanner.starts(closer)), "")
            if closer:
                self._end(scanner.take(len(closer)), out)  # a longer one might have followed
        scanner.put_back("".join(self._whole))
        self._whole = []
        return super().close(scanner, out)

    def _cut(self, rest: str) -> str:
        # Behind the arguments, a brace or a closer that is cut off is no part of them.
        return rest if self._state in {JsonCalls._arguments, JsonCalls._broken} else ""

    # -- the beginning -------------------------------------------------------------------------------

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        opener = next(opener for opener in tags(*self._frame.openers).all if scanner.starts(opener))
        self._hold(scanner.take(len(opener)))
        self._state = JsonCalls._first
        return None

    def _first(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        found = self._literal(scanner, (*self._frame.inner, "{", "["))
        if found is None:
            return Control.MORE
        if found not in {"{", "["}:
            self._hold(scanner.take(len(found)))
            return None if found else self._fail(scanner, out)
        if found == "[":
            self._in_list = True
            self._hold(scanner.take(1))
        self._state = JsonCalls._object
        return None

    def _object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        return self._expect(scanner, out, {"{": JsonCalls._pair})

    # -- the object's own keys -----------------------------------------------------------------------

    def _pair(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A key, or the object's end where it has none."""
        self._hold_space(scanner)
        if scanner.starts("}"):
            self._state = JsonCalls._after_value
            return None
        key = self._string(scanner)
        if not key:
            return self._wrong(scanner, out) if key is not None else self._wait(scanner, out)
        self._hold(key)
        self._key = _decoded(key)
        self._state = type(self)._colon
        return None

    def _colon(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        return self._expect(scanner, out, {":": type(self)._begin_value})

    def _begin_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        first = scanner.peek(1)
        if not first:
            return Control.MORE
        self._value, self._whole, self._whole_size = JsonText(), [], 0
        if self._key in self._frame.argument_keys and not self._argued and first in "{[":
            if (begun := begins_value(scanner.peek(self._settings.limits.markup_chars_max))) is not True:
                return self._wait(scanner, out) if begun is None else self._wrong(scanner, out)
            self._argued = True
            if self._name:
                self._start(self._name, out, self._id)
            self._state = JsonCalls._arguments
        elif self._key == "function" and first == "{" and not self._name:
            self._depth += 1
            self._hold(scanner.take(1))
            self._state = JsonCalls._pair
        elif first in "{[":
            self._state = JsonCalls._skipped
        else:
            self._state = JsonCalls._short_value if first != '"' else JsonCalls._text_value
        return None

    def _short_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """A number, `true`, `false` or `null`."""
        found = _SCALAR.match(scanner.text, scanner.position, self._token_end(scanner))
        if found is None:
            return self._wait(scanner, out)
        raw = scanner.take(len(found.group()))
        if self._key in self._frame.argument_keys and raw != "null" and not self._argued:
            self._argue_whole(raw, raw, out)
        else:
            self._id = raw if self._key in ID_KEYS and raw != "null" else self._id
            self._hold(raw)
        self._state = JsonCalls._after_value
        return None

    def _text_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        limits = self._settings.limits
        most = limits.arguments_chars_max if self._key in self._frame.argument_keys else limits.markup_chars_max
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
        if self._key in self._frame.argument_keys and not self._argued:
            self._argue_whole(raw, value if _is_object(value) or not value.strip() else raw, out)
        else:
            self._hold(raw)
            self._note(value, out)
        self._whole, self._state = [], JsonCalls._after_value
        return None

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
            self._state = JsonCalls._after_value
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
            self._state = JsonCalls._after_value
            return None
        if self._too_long():
            return self._fail(scanner, out)
        if not len(scanner):
            return Control.MORE
        # The scanner stands at a `<`: broken JSON, but the call's own, unless it is the closer.
        closer = self._literal(scanner, self._frame.closers)
        if closer is None:
            return Control.MORE
        if closer:
            return self._over(scanner, len(closer), out)
        self._argue("<", scanner.take(1), out)
        return None

    def _broken(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind a mistake in a call that was started, all is its arguments, up to the closer or the end."""
        text, _, closer = scanner.until(tags(*self._frame.closers))
        if text:
            self._argue(text, text, out)
        if closer is None:
            return Control.MORE
        scanner.position -= len(closer)
        if (whole := self._literal(scanner, self._frame.closers)) is None:
            return Control.MORE
        return self._over(scanner, len(whole), out)

    # -- behind a value, an object, the list ---------------------------------------------------------

    def _after_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        found = self._literal(scanner, (",", "}", *self._frame.closers))
        if found is None:
            return Control.MORE
        if not found or (found not in {",", "}"} and not self._ready(out)):
            return self._wrong(scanner, out)
        if found not in {",", "}"}:
            return self._over(scanner, len(found), out)  # the last brace is missing
        self._hold(scanner.take(1))
        if found == ",":
            self._state = JsonCalls._pair
        elif self._depth:
            self._depth -= 1
        elif not self._ready(out):
            return self._fail(scanner, out)
        else:
            self._state = type(self)._after_element if self._in_list else type(self)._after_object
        return None

    def _ready(self, out: list[Span]) -> bool:
        """Whether the object is a call, which then is started at the latest."""
        if not self._name or not (self._argued or self._frame.name_alone):
            return False
        if not (self._calling or self._refused):
            self._start(self._name, out, self._id)
        return True

    def _after_object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit)
        word = rest.lstrip(_SPARE if self._frame.closers else None)
        closers = tags(*self._frame.closers)
        if len(rest) < limit and tags(*closers.all, *self._frame.separators).may_start(word):
            return Control.MORE
        for closer in closers.all:
            if word.startswith(closer):
                return self._over(scanner, len(rest) - len(word) + len(closer), out)
        return self._another(scanner, rest.lstrip(), len(rest) - len(rest.lstrip()), out)

    def _another(self, scanner: Scanner, word: str, space: int, out: list[Span]) -> Control | None:
        separator = next((separator for separator in self._frame.separators if word.startswith(separator)), "")
        behind = word[len(separator) :].lstrip()
        if separator and not behind and space + len(word) < self._settings.limits.markup_chars_max:
            return Control.MORE
        self._end("", out)
        if not behind.startswith("{"):
            return Control.OVER
        self._hold(scanner.take(space + len(separator)))
        self._forget()
        self._state = JsonCalls._object
        return None

    def _after_element(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._end("", out)
        self._forget()
        self._state = JsonCalls._between
        return None

    def _between(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        if scanner.starts("{"):
            self._state = JsonCalls._object  # the comma is missing
            return None
        closer = self._literal(scanner, self._frame.closers)
        if closer is None:
            return Control.MORE
        if closer:
            self._skip(scanner.take(len(closer)), out)  # the bracket is missing
            return Control.OVER
        return self._expect(scanner, out, {",": JsonCalls._object, "]": type(self)._after_list})

    def _after_list(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._skip("", out)
        limit = self._settings.limits.markup_chars_max
        rest = scanner.peek(limit)
        word = rest.lstrip()
        closers = tags(*self._frame.closers)
        if len(rest) < limit and closers.all and closers.may_start(word):
            return Control.MORE
        closer = next((closer for closer in closers.all if word.startswith(closer)), "")
        self._skip(scanner.take(len(rest) - len(word) + len(closer)) if closer else "", out)
        return Control.OVER

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
        self._state = JsonCalls._broken
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
