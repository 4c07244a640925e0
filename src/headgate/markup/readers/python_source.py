"""A value that is neither a string nor a container (a number, a constant, a name, an expression) -> its source.

Strategy: it runs to the comma or bracket that ends it, past those that stand in brackets or quotes of its own.
Spec: https://docs.python.org/3/reference/expressions.html
"""

from __future__ import annotations

import re

from headgate.markup.scanner import Scanner

_STOP = re.compile(r"[\[\](){},:'\"\\]")


class PythonSource:
    """Reads one such value, to what ends it.

    Args:
        size_max: how long it may be, in characters.
        key: whether a colon ends it too.
    """

    def __init__(self, size_max: int, *, key: bool) -> None:
        self.done = False
        self.too_long = False
        self.depth = 0  # how many brackets of its own are open
        self._size_max, self._key = size_max, key
        self._pieces: list[str] = []
        self._size = 0
        self._quote = ""

    def copy(self) -> PythonSource:
        """An independent reader in the same state."""
        twin = PythonSource.__new__(PythonSource)
        twin.__dict__.update(self.__dict__)
        twin._pieces = self._pieces.copy()
        return twin

    @property
    def text(self) -> str:
        """What has been read."""
        return "".join(self._pieces)

    def read(self, scanner: Scanner) -> None:
        """Take what there is of it."""
        while not (self.done or self.too_long):
            found = _STOP.search(scanner.text, scanner.position)
            stop = found.start() if found else len(scanner.text)
            # What is too long is so at the same character in every split.
            self._take(scanner, min(stop - scanner.position, self._size_max + 1 - self._size))
            self.too_long = self._size > self._size_max
            if found is None or self.too_long or not self._at_stop(scanner, found.group()):
                return

    def _at_stop(self, scanner: Scanner, character: str) -> bool:
        """Take a bracket, a quote or an escape; False where it ends the value, or needs more text."""
        if character == "\\" and len(scanner) < 2:
            return False
        if not self._quote and not self.depth and (character in ",)]}" or (character == ":" and self._key)):
            self.done = True
            return False
        if self._quote:
            self._quote = "" if character == self._quote else self._quote
        elif character in "'\"":
            self._quote = character
        else:
            self.depth += (character in "([{") - (character in ")]}")
        self._take(scanner, min(2 if character == "\\" else 1, self._size_max + 1 - self._size))
        return True

    def _take(self, scanner: Scanner, length: int) -> None:
        self._pieces.append(scanner.take(length))
        self._size += length
