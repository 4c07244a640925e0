"""The parameters of one call that is written with tags -> its arguments, as JSON text, while the values come.

Strategy: what follows a closing tag decides whether it closes anything (`tag_grammar`), since a value is bare text that
may quote any tag; until then it is held.
Spec: ours; each grammar's file names its templates.
"""

from __future__ import annotations

from typing import Self

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallReader
from headgate.markup.readers.schema import Schema
from headgate.markup.readers.tag_arguments import Arguments
from headgate.markup.readers.tag_grammar import Grammar, Newlines, Rank
from headgate.markup.readers.tag_heads import Head
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

_CDATA, _CDATA_END = "<![CDATA[", "]]>"


class TagParameters(CallReader):
    """Reads the parameters of one call; a subclass says how calls begin and what follows a parameter (`_next`).

    Args:
        settings: what it may decide by.
        grammar: how calls are written.
    """

    def __init__(self, settings: Settings, grammar: Grammar) -> None:
        super().__init__(settings)
        self._grammar = grammar
        self._final = False  # nothing follows what the scanner holds
        self._begin_call("")

    def _begin_call(self, name: str) -> None:
        self._name = self._grammar.tool(name, self._settings)
        schema = Schema((self._settings.tools or {}).get(self._name))
        self._arguments = Arguments(self._grammar, schema, self._settings.limits.arguments_chars_max)
        self._newlines = False  # whether a line end before the closer belongs to it
        self._quoted = dict.fromkeys(Rank, 0)  # tags that the value quotes, and has not closed yet

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._arguments, twin._quoted = self._arguments.copy(), self._quoted.copy()
        return twin

    def _next(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The state behind a parameter."""
        raise NotImplementedError

    def _cut_tag(self, rest: str) -> int:
        """How many characters at the end of a value are the beginning of a tag, and the line end before it."""
        length = self._grammar.ends(self._arguments.key).held(rest, 0)
        if length < len("</"):
            return 0
        return length + (self._newlines and rest[: len(rest) - length].endswith("\n"))

    def _window(self, scanner: Scanner, start: int = 0) -> str:
        """What stands behind so many characters, as far as a header may reach."""
        return scanner.peek(start + self._settings.limits.markup_chars_max)[start:]

    def _is_whole(self, window: str) -> bool:
        """Whether what is undecided in a window stays so."""
        return self._final or len(window) >= self._settings.limits.markup_chars_max

    # -- one parameter ---------------------------------------------------------------------------------

    def _parameter(self, scanner: Scanner, head: Head, out: list[Span]) -> Control | None:
        """Take a parameter's tag, and begin its value."""
        self._argue(scanner.take(head.length), self._arguments.begin(head), out)
        self._quoted = dict.fromkeys(Rank, 0)
        self._state = TagParameters._value_begins
        return None

    def _value_begins(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """Take the line end, or the marker, that a value begins with."""
        window = self._window(scanner)
        space = len(window) - len(window.lstrip())
        if self._grammar.cdata and not self._is_whole(window):
            if tags(_CDATA).may_start(window[space:]):
                return Control.MORE
        elif not window and not self._final:
            return Control.MORE
        self._state = TagParameters._text
        if self._grammar.cdata and window.startswith(_CDATA, space):
            self._argue(scanner.take(space + len(_CDATA)), "", out)
            self._newlines, self._state = False, TagParameters._cdata
            return None
        leading = self._grammar.newlines is not Newlines.NONE and window.startswith("\n")
        self._argue(scanner.take(leading), "", out)
        self._newlines = leading or self._grammar.newlines is Newlines.EACH
        return None

    def _text(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The value, up to the tag that ends it."""
        ends = self._grammar.ends(self._arguments.key)
        found = ends.find(scanner.text, scanner.position)
        end = found[0] if found else len(scanner.text) - ends.held(scanner.text, scanner.position)
        if self._newlines and end > scanner.position and scanner.text[end - 1] == "\n":
            end -= 1
        self._tell(scanner.take(end - scanner.position), out)
        if found is None:
            return Control.MORE
        place, tag = found
        behind = place + len(tag) - scanner.position
        verdict = self._ends(scanner, place - scanner.position, tag)
        if verdict is None:
            return Control.MORE
        if not verdict:
            self._tell(scanner.take(behind), out)
            return None
        is_closer = tag in self._grammar.parameter_closers(self._arguments.key)
        self._end_value(scanner, behind if is_closer else behind - len(tag))
        return None

    def _cdata(self, scanner: Scanner, out: list[Span]) -> Control | None:
        """The value in a `CDATA` section, up to the section's end that the parameter's closer follows."""
        ends = tags(_CDATA_END)
        found = ends.find(scanner.text, scanner.position)
        end = found[0] if found else len(scanner.text) - ends.held(scanner.text, scanner.position)
        self._tell(scanner.take(end - scanner.position), out)
        if found is None:
            return Control.MORE
        window = self._window(scanner, len(_CDATA_END))
        space = len(window) - len(window.lstrip())
        closers = self._grammar.parameter_closers(self._arguments.key)
        closer = next((closer for closer in closers if window.startswith(closer, space)), None)
        if closer is None and tags(*closers, _CDATA).may_start(window[space:]) and not self._is_whole(window):
            return Control.MORE
        if window.startswith(_CDATA):
            self._argue(scanner.take(len(_CDATA_END) + len(_CDATA)), "", out)
        elif closer is None:
            self._tell(scanner.take(len(_CDATA_END)), out)
        else:
            self._end_value(scanner, len(_CDATA_END) + space + len(closer))
        return None

    # -- whether a tag ends a value --------------------------------------------------------------------

    def _ends(self, scanner: Scanner, place: int, tag: str) -> bool | None:
        """Whether a tag in a value ends it; None while that is open."""
        rank = self._grammar.rank(tag)
        if tag in self._grammar.parameter.prefixes:
            verdict = self._ends_unclosed(scanner, place)
        elif self._grammar.opens(tag):
            verdict = False
        else:
            return self._ends_closed(scanner, place + len(tag), rank)
        if verdict is False:
            self._quoted[rank] += 1
        return verdict

    def _ends_closed(self, scanner: Scanner, behind: int, rank: Rank) -> bool | None:
        window = self._window(scanner, behind)
        verdict = self._grammar.follows(window, rank, self._arguments.may_begin if self._quoted[rank] else None)
        if verdict is None and self._is_whole(window):
            verdict = self._final and self._grammar.is_last(rank)
        if verdict is False and self._quoted[rank]:
            self._quoted[rank] -= 1
        return verdict

    def _ends_unclosed(self, scanner: Scanner, place: int) -> bool | None:
        """Whether a parameter's tag in a value is the next one, and the value's closer is missing."""
        window = self._window(scanner, place)
        head = self._grammar.parameter.match(window, 0)
        if head is True and not self._is_whole(window):
            return None
        return isinstance(head, Head) and self._arguments.may_begin(head.name)

    def _tell(self, text: str, out: list[Span]) -> None:
        """More of the value."""
        if text:
            self._argue(text, self._arguments.feed(text), out)

    def _end_value(self, scanner: Scanner, length: int) -> None:
        """The value is over, with so many characters of its closer; what follows is a tag."""
        self._hold(scanner.take(length))
        self._arguments.end()
        self._state = type(self)._next
