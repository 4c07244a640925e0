"""The inside of a Python string literal, in any split -> the inside of a JSON string.

Strategy: text is given out as it comes; only an escape or a quote that is not all there yet waits. A raw line end and
an escape that Python does not know stay as they are, as models write both.
Spec: https://docs.python.org/3/reference/lexical_analysis.html#string-and-bytes-literals
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from headgate.markup.readers.json_pieces import escaped
from headgate.markup.scanner import Scanner

BEHIND_MAX = 256
"""How far behind a quote to look for what tells whether it ends its string, in characters."""

_STOPS = {"'": re.compile(r"['\\]"), '"': re.compile(r'["\\]')}
_ESCAPE = re.compile(
    r"\\(?:\r\n|[0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|N\{[\w -]{1,80}\}|.)", re.ASCII | re.DOTALL
)
_PART_OF_ESCAPE = re.compile(
    r"\\(?:\r|[0-7]{0,2}|x[\da-fA-F]?|u[\da-fA-F]{0,3}|U[\da-fA-F]{0,7}|N(?:\{[\w -]{0,80})?)?\Z", re.ASCII
)
_MEANINGS = dict(zip("ntrabfv\\'\"", "\n\t\r\a\b\f\v\\'\"", strict=True)) | dict.fromkeys(("\n", "\r", "\r\n"), "")


class PythonString:
    """Reads one string literal behind its opening quote, and the quote that ends it.

    Args:
        quote: one quote, or three.
        raw: whether backslashes mean nothing.
    """

    def __init__(self, quote: str, *, raw: bool) -> None:
        self.done = False
        self.broken = False  # a quote stood in it that did not end it
        self._quote = quote
        self._raw = raw

    def copy(self) -> PythonString:
        """An independent reader in the same state."""
        twin = PythonString(self._quote, raw=self._raw)
        twin.done, twin.broken = self.done, self.broken
        return twin

    def read(self, scanner: Scanner, ends: Callable[[str], bool | None]) -> str:
        """Take what is decided, and return it as JSON.

        Args:
            scanner: stands behind the opening quote, or where the last reading stopped.
            ends: whether what follows a quote lets it be the last one; None while that is open.
        """
        said: list[str] = []
        while not self.done:
            found = _STOPS[self._quote[0]].search(scanner.text, scanner.position)
            stop = found.start() if found else len(scanner.text)
            said.append(scanner.take(stop - scanner.position))
            piece = self._at_stop(scanner, ends) if found else None
            if piece is None:
                break
            said.append(piece)
        return escaped("".join(said))

    def _at_stop(self, scanner: Scanner, ends: Callable[[str], bool | None]) -> str | None:
        """What the backslash or the quote means that stands next; None while that is open."""
        if scanner.starts("\\"):
            return self._escape(scanner)
        if len(self._quote) > 1:
            if scanner.starts(self._quote):
                scanner.take(len(self._quote))
                self.done = True
                return ""
            return None if self._quote.startswith(scanner.peek(3)) else scanner.take(1)
        start = scanner.position + 1
        verdict = ends(scanner.text[start : start + BEHIND_MAX])
        if verdict is None:
            return None
        self.done = verdict
        self.broken |= not verdict
        quote = scanner.take(1)
        return "" if verdict else quote

    def _escape(self, scanner: Scanner) -> str | None:
        if self._raw:
            return scanner.take(2) if len(scanner) > 1 else None
        if _PART_OF_ESCAPE.match(scanner.text, scanner.position):
            return None
        found = _ESCAPE.match(scanner.text, scanner.position)
        return _meaning(scanner.take(len(found.group()))) if found else None


def _meaning(escape: str) -> str:
    """The character that an escape means; the escape itself where Python knows none."""
    kind, rest = escape[1], escape[2:]
    if escape[1:] in _MEANINGS:
        return _MEANINGS[escape[1:]]
    if kind in "01234567":
        return chr(int(escape[1:], 8))
    if kind in "xuU" and rest:
        code = int(rest, 16)
        return chr(code) if code <= 0x10FFFF else escape
    if kind == "N" and rest:
        try:
            return unicodedata.lookup(rest[1:-1])
        except KeyError:
            return escape
    return escape
