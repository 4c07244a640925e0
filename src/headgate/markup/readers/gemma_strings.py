"""The strings in a Gemma call: between delimiters, in JSON's quotes, in single quotes -> text, or JSON.

Strategy: text is given out as it comes. Nothing in a delimited string is an escape, so that only its delimiter ends it;
but models forget that one, and then the brackets that close everything, with the call's closer behind them, end it.
Spec: the chat template of google/gemma-4-E4B-it; the mistakes are those in Ollama model/parsers/gemma4.go.
"""

from __future__ import annotations

import re
from typing import Protocol

from headgate.markup.readers.json_pieces import escaped
from headgate.markup.scanner import Scanner, tags

_SPACE_MAX = 64
_RUN_MAX = 256
_RUN = re.compile(r"[}\]\s]{1,256}")
_STOP = re.compile(r"[<}\]]")
_JSON_STOP = re.compile(r"[\"\\\x00-\x1f]")
_JSON_ESCAPES = '"\\/bfnrtu'
_BEHIND_QUOTE = re.compile(r"'\s{0,64}[,}\]]")
_MAY_BE_BEHIND_QUOTE = re.compile(r"'\s{0,64}\Z")


def may_become(scanner: Scanner, *literals: str) -> bool:
    """Whether all that is left of the text may be the beginning of one of these, and more must come to tell."""
    rest = scanner.peek(max(map(len, literals)))
    return len(rest) == len(scanner) and tags(*literals).may_start(rest)


class GemmaText(Protocol):
    """Reads one string behind what opens it."""

    done: bool
    """What ends it has been taken, or stands next where it belongs to more than the string."""
    ends_call: bool
    """It was ended by a closer, with which the message ends."""

    def read(self, scanner: Scanner, /, *, final: bool) -> str:
        """Take what is decided, and return it as the inside of a JSON string; `final` says that no text follows."""
        ...

    def copy(self) -> GemmaText:
        """An independent reader in the same state."""
        ...


class Delimited:
    """Reads a string between delimiters.

    Args:
        delimiter: what ends it.
        closers: what may end the call.
        brackets: those that would close all that is open around it.
    """

    def __init__(self, delimiter: str, closers: tuple[str, ...], brackets: str) -> None:
        self.done = False
        self.ends_call = False
        self._delimiter, self._closers, self._brackets = delimiter, closers, brackets

    def copy(self) -> Delimited:
        """An independent reader in the same state."""
        twin = Delimited(self._delimiter, self._closers, self._brackets)
        twin.done, twin.ends_call = self.done, self.ends_call
        return twin

    def read(self, scanner: Scanner, /, *, final: bool) -> str:
        """Take what is decided, as JSON."""
        said: list[str] = []
        while not self.done and (piece := self.piece(scanner, final=final)) is not None:
            said.append(piece)
        return escaped("".join(said))

    def piece(self, scanner: Scanner, *, final: bool) -> str | None:
        """Take a piece of the text; None where more must come."""
        found = _STOP.search(scanner.text, scanner.position)
        stop = found.start() if found else len(scanner.text)
        if stop > scanner.position:
            return scanner.take(stop - scanner.position)
        if found is None or may_become(scanner, self._delimiter):
            return None
        if scanner.starts(self._delimiter):
            scanner.take(len(self._delimiter))
            self.done = True
            return ""
        return self._closer(scanner, final=final) if found.group() == "<" else self._run(scanner, final=final)

    def _closer(self, scanner: Scanner, *, final: bool) -> str | None:
        """A `<`: text, unless it begins a closer with which the message ends."""
        closer = next((closer for closer in tags(*self._closers).all if scanner.starts(closer)), "")
        behind = scanner.peek(len(closer) + _SPACE_MAX + 1)[len(closer) :]
        if not closer or behind.strip() or len(behind) > _SPACE_MAX:
            return None if not closer and may_become(scanner, *self._closers) else scanner.take(1)
        if not final:
            return None
        scanner.take_all()
        self.done = self.ends_call = True
        return ""

    def _run(self, scanner: Scanner, *, final: bool) -> str | None:
        """Brackets: text, unless they close all that is open, and the call's closer follows, but no delimiter."""
        found = _RUN.match(scanner.text, scanner.position)
        run = found.group() if found else ""
        start = scanner.position + len(run)
        behind = scanner.text[start : start + max(map(len, self._closers))]
        if len(run) < _RUN_MAX and tags(*self._closers).may_start(behind):
            return None
        closer = next((closer for closer in self._closers if behind.startswith(closer)), "")
        if closer and "".join(run.split()) == self._brackets:
            start += len(closer)
            quote = scanner.text[start : start + len(self._delimiter)]
            if not final and quote != self._delimiter and self._delimiter.startswith(quote):
                return None
            if quote != self._delimiter:
                self.done = True
                return ""
        return scanner.take(len(run))


class TypedText:
    """Holds a string between delimiters that should be something else, to its end.

    Args:
        reads: reads the string.
        size_max: how long it may be, in characters.
    """

    def __init__(self, reads: Delimited, size_max: int) -> None:
        self.too_long = False
        self._reads, self._size_max = reads, size_max
        self._pieces: list[str] = []
        self._size = 0

    def copy(self) -> TypedText:
        """An independent reader in the same state."""
        twin = TypedText(self._reads.copy(), self._size_max)
        twin.too_long, twin._pieces, twin._size = self.too_long, self._pieces.copy(), self._size
        return twin

    @property
    def done(self) -> bool:
        """Whether its end has been reached."""
        return self._reads.done

    @property
    def ends_call(self) -> bool:
        """Whether a closer ended it, with which the message ends."""
        return self._reads.ends_call

    @property
    def text(self) -> str:
        """What has been read."""
        return "".join(self._pieces)

    def read(self, scanner: Scanner, /, *, final: bool) -> None:
        """Take what there is of it."""
        while not (self.done or self.too_long) and (piece := self._reads.piece(scanner, final=final)) is not None:
            # What is too long is so at the same character in every split.
            room = self._size_max + 1 - self._size
            scanner.position -= len(piece[room:])
            self._pieces.append(piece[:room])
            self._size += len(piece[:room])
            self.too_long = self._size > self._size_max


class JsonQuoted:
    """Reads a JSON string; a bare line end in it, and an escape that JSON does not know, are text."""

    ends_call = False

    def __init__(self) -> None:
        self.done = False

    def copy(self) -> JsonQuoted:
        """An independent reader in the same state."""
        twin = JsonQuoted()
        twin.done = self.done
        return twin

    def read(self, scanner: Scanner, /, *, final: bool) -> str:
        """Take what is decided, as JSON."""
        said: list[str] = []
        while found := _JSON_STOP.search(scanner.text, scanner.position):
            said.append(escaped(scanner.take(found.start() - scanner.position)))
            length = 2 if found.group() == "\\" else 1
            if len(scanner) < length:
                return "".join(said)
            source = scanner.take(length)
            if source == '"':
                self.done = True
                return "".join(said)
            said.append(source if length == 2 and source[1] in _JSON_ESCAPES else escaped(source))
        return "".join(said) + escaped(scanner.take_all())


class SingleQuoted:
    """Reads a string in single quotes, without escapes; its last one stands before a comma, a bracket or a delimiter.

    Args:
        delimiter: that of other strings, of which one too many may follow.
    """

    ends_call = False

    def __init__(self, delimiter: str) -> None:
        self.done = False
        self._delimiter = delimiter

    def copy(self) -> SingleQuoted:
        """An independent reader in the same state."""
        twin = SingleQuoted(self._delimiter)
        twin.done = self.done
        return twin

    def read(self, scanner: Scanner, /, *, final: bool) -> str:
        """Take what is decided, as JSON."""
        said: list[str] = []
        while not self.done:
            stop = scanner.text.find("'", scanner.position)
            said.append(scanner.take(stop - scanner.position if stop >= 0 else len(scanner)))
            piece = self._at_quote(scanner) if stop >= 0 else None
            if piece is None:
                break
            said.append(piece)
        return escaped("".join(said))

    def _at_quote(self, scanner: Scanner) -> str | None:
        delimiter = "'" + self._delimiter
        if may_become(scanner, delimiter) or _MAY_BE_BEHIND_QUOTE.match(scanner.text, scanner.position):
            return None
        ends = _BEHIND_QUOTE.match(scanner.text, scanner.position) is not None
        self.done = ends or scanner.starts(delimiter)
        taken = scanner.take(1 if ends or not self.done else len(delimiter))
        return "" if self.done else taken
