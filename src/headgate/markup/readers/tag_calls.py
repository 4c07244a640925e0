"""Tool calls written with XML-like tags, one tag for the call and one for each parameter -> call spans.

Strategy: a call starts at its first parameter (or its closer), and its arguments are built as JSON text while the
values come. What follows a closing tag decides whether it closes anything (`tag_grammar`); until then it is held.
Some models write the arguments as one JSON object in the call's tag: that is given out as it comes.
Spec: ours; each grammar's file names its templates.
"""

from __future__ import annotations

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallReader
from headgate.markup.readers.json_text import JsonText
from headgate.markup.readers.schema import Schema
from headgate.markup.readers.tag_arguments import Arguments
from headgate.markup.readers.tag_grammar import Grammar, Newlines, Rank
from headgate.markup.readers.tag_heads import Head
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

_CDATA, _CDATA_END = "<![CDATA[", "]]>"


class TagCalls(CallReader):
    """Reads one block of calls."""

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
        self._json = JsonText()

    def copy(self) -> TagCalls:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._arguments, twin._json = self._arguments.copy(), self._json.copy()
        twin._quoted = self._quoted.copy()
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

    # -- up to the first parameter -------------------------------------------------------------------

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

    # -- parameters ----------------------------------------------------------------------------------

    def _parameter(self, scanner: Scanner, head: Head, out: list[Span]) -> Control | None:
        """Take a parameter's tag, and begin its value."""
        self._argue(scanner.take(head.length), self._arguments.begin(head), out)
        self._quoted = dict.fromkeys(Rank, 0)
        self._state = TagCalls._value_begins
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
        self._state = TagCalls._text
        if self._grammar.cdata and window.startswith(_CDATA, space):
            self._argue(scanner.take(space + len(_CDATA)), "", out)
            self._newlines, self._state = False, TagCalls._cdata
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
        self._state = TagCalls._next

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

    # -- the end of a call, and what follows ----------------------------------------------------------

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

    # -- arguments in one object ----------------------------------------------------------------------

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
