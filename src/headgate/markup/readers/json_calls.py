"""Tool calls that are JSON objects (`{"name": …, "arguments": …}`), one, several, or in a list -> call spans.

Strategy: `JsonObject` reads each of them; here stands what is around them: openers, a list's brackets, what separates
two objects, closers.
Spec: the chat templates of the families named in the files that use this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.markup.family import Control, Settings
from headgate.markup.readers.json_object import JsonObject
from headgate.markup.readers.json_shape import Shape
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

_SPARE = " \t\r\n}]"
"""What may stand between a call and its closer: models close a brace too many."""


@dataclass(frozen=True)
class Frame(Shape):
    """What stands around the objects; the block is no less over without a closer.

    Args:
        openers: what begins the block.
        separators: what may stand between two objects, besides white space.
        inner: what may stand between the opener and the first object, such as a code fence.
    """

    openers: tuple[str, ...]
    separators: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()

    def reader(self, settings: Settings) -> JsonCalls:
        """A reader of one block."""
        return JsonCalls(settings, self)

    def bare(self, settings: Settings) -> JsonCalls:
        """A reader of a block without an opener: the first object, or a list of them, stands next."""
        return JsonCalls(settings, self, opened=True)


class JsonCalls(JsonObject):
    """Reads one block of JSON calls.

    Args:
        settings: what it may decide by.
        frame: what stands around the objects.
        opened: whether the first object, or a list, stands next, and no opener.
    """

    def __init__(self, settings: Settings, frame: Frame, *, opened: bool = False) -> None:
        super().__init__(settings, frame)
        self._frame = frame
        self._state = JsonCalls._first if opened else type(self)._opener
        self._in_list = False

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the block."""
        if self._state == type(self)._after_list:
            self._skip(scanner.take_all(), out)  # a closer, or its beginning: another one might have begun so
        return super().close(scanner, out)

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

    # -- behind an object, behind the list --------------------------------------------------------------

    def _behind_object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._state = type(self)._after_element if self._in_list else type(self)._after_object
        return None

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
