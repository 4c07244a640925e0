"""Tool calls written with XML-like tags, one tag for the call and one for each parameter -> call spans.

Strategy: a call starts at its first parameter (or its closer); `TagParameters` reads these, and here stands what is
around them. Some models write the arguments as one JSON object in the call's tag: that is given out as it comes.
Spec: ours; each grammar's file names its templates.
"""

from __future__ import annotations

from typing import Self

from headgate.markup.family import Control
from headgate.markup.readers.json_text import JsonText
from headgate.markup.readers.tag_grammar import Rank
from headgate.markup.readers.tag_heads import Head
from headgate.markup.readers.tag_parameters import TagParameters
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span


class TagCalls(TagParameters):
    """Reads one block of calls."""

    def _begin_call(self, name: str) -> None:
        super()._begin_call(name)
        self._json = JsonText()

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._json = self._json.copy()
        return twin

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends: what waited for more is decided, and a call that is still open is cut."""
        self._final = True
        while self._state(self, scanner, out) is None:
            pass
        rest = scanner.take_all()
        if self._calling:
            self._argue(rest, self._arguments.cut(rest[: len(rest) - self._cut_tag(rest)]), out)
            self._end("", out)
            return False
        scanner.put_back(rest)
        return super().close(scanner, out)

    # -- up to the first parameter ---------------------------------------------------------------------

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        opener = next((opener for opener in tags(*self._grammar.openers).all if scanner.starts(opener)), "")
        self._hold(scanner.take(len(opener)))
        self._state = TagCalls._header
        return None

    def _header(self, scanner: Scanner, out: list[Span]) -> Control | None:
        found = self._grammar.header(self._window(scanner))
        if isinstance(found, bool):
            return Control.MORE if found and not self._is_whole(self._window(scanner)) else self._fail(scanner, out)
        space, head = found
        self._hold(scanner.take(space + head.length))
        self._begin_call(head.name)
        self._state = TagCalls._body
        return None

    def _body(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """What follows the call's tag: a parameter, an object, or its closer."""
        window = self._window(scanner)
        space = len(window) - len(window.lstrip())
        head = self._grammar.parameter.match(window, space)
        tag = "{" if window.startswith("{", space) else self._grammar.structure(window, space)
        if isinstance(head, Head):
            self._hold(scanner.take(space))
            self._start(self._name, out)
            return self._parameter(scanner, head, out)
        if (head or tag is None) and not self._is_whole(window):
            return Control.MORE
        if tag == "{":
            self._hold(scanner.take(space))
            self._start(self._name, out)
            self._state = TagCalls._object
        elif tag and self._grammar.closes(tag):
            self._start(self._name, out)
            return self._over(scanner, space, tag, out)
        else:
            return self._fail(scanner, out)
        return None

    # -- behind a parameter, behind a call -------------------------------------------------------------

    def _next(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Between two parameters: only what may follow stands here."""
        window = self._window(scanner)
        space = len(window) - len(window.lstrip())
        head = self._grammar.parameter.match(window, space)
        tag = self._grammar.structure(window, space)
        if not isinstance(head, Head) and (head or tag is None):
            return Control.MORE
        self._hold(scanner.take(space))
        if isinstance(head, Head):
            return self._parameter(scanner, head, out)
        if tag and self._grammar.closes(tag):
            return self._over(scanner, 0, tag, out)
        self._argue("", self._arguments.close(), out)
        self._end("", out)
        return Control.OVER

    def _over(self, scanner: Scanner, space: int, tag: str, out: list[Span]) -> Control | None:
        """The call's closer, or the block's: the call is over."""
        self._argue(scanner.take(space + len(tag)), self._arguments.close(), out)
        self._end("", out)
        if self._grammar.rank(tag) is Rank.BLOCK:
            return Control.OVER
        self._state = TagCalls._between
        return None

    def _between(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Behind a call: another one, the block's closer, or what is no part of the block."""
        window = self._window(scanner)
        place = self._grammar.past(window, 0)
        tag = self._grammar.structure(window, place)
        if tag in self._grammar.closers:
            self._skip(scanner.take(place + len(tag or "")), out)
            return Control.OVER
        head = False if tag in self._grammar.openers else self._grammar.header(window)
        if not isinstance(head, bool):
            self._state = TagCalls._header
            return None
        if (head or tag is None) and not self._is_whole(window):
            return Control.MORE
        self._skip(scanner.take(place if place == len(window) or window[:place].strip() else 0), out)
        return Control.OVER

    # -- arguments in one object -----------------------------------------------------------------------

    def _object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        end = self._json.advance(scanner.text, scanner.position)
        if fragment := scanner.take(end - scanner.position):
            self._argue(fragment, fragment, out)
        if self._json.done:
            self._state = TagCalls._behind_object
            return None
        if not len(scanner):
            return Control.MORE
        # The scanner stands at a `<` outside of strings: broken JSON, unless it is a closer.
        tag = self._grammar.structure(self._window(scanner), 0)
        if tag is None and not self._final:
            return Control.MORE
        if tag and self._grammar.closes(tag):
            self._state = TagCalls._behind_object
            return None
        self._argue("<", scanner.take(1), out)
        return None

    def _behind_object(self, scanner: Scanner, out: list[Span]) -> Control | None:
        window = self._window(scanner)
        space = len(window) - len(window.lstrip())
        tag = self._grammar.structure(window, space)
        if tag is None and not self._is_whole(window):
            return Control.MORE
        if not tag or not self._grammar.closes(tag):
            self._end("", out)
            return Control.OVER
        self._end(scanner.take(space + len(tag)), out)
        self._state = TagCalls._between
        return Control.OVER if self._grammar.rank(tag) is Rank.BLOCK else None
