"""JSON text that is written piece by piece, with places that are filled in once it is known what stands there.

Spec: https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import json
import re

_HALF_PAIR = re.compile("[\ud800-\udfff]")


def escaped(text: str) -> str:
    """The inside of a JSON string that says `text`; half a surrogate pair is written as an escape."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1]
    return _HALF_PAIR.sub(lambda found: f"\\u{ord(found.group()):04x}", inside)


def quoted(text: str) -> str:
    """The JSON string that says `text`."""
    return f'"{escaped(text)}"'


class Pieces:
    """What has been written and not been taken. Nothing behind an open place can be taken."""

    def __init__(self) -> None:
        self.changes = 0  # how often something was written or filled in
        self.waiting = 0  # characters written since a place was left open
        self._pieces: list[str] = []
        self._taken = 0  # how many pieces have been taken
        self._open: list[int] = []

    def copy(self) -> Pieces:
        """Independent pieces in the same state."""
        twin = Pieces()
        twin.__dict__.update(self.__dict__)
        twin._pieces, twin._open = self._pieces.copy(), self._open.copy()
        return twin

    @property
    def decided(self) -> bool:
        """Whether no place is open."""
        return not self._open

    def put(self, piece: str) -> None:
        """Write more."""
        if not piece:
            return
        self.changes += 1
        self._pieces.append(piece)
        if self._open:
            self.waiting += len(piece)

    def leave(self) -> int:
        """Leave a place open; the number is for `fill`."""
        self._open.append(self._taken + len(self._pieces))
        self._pieces.append("")
        return self._open[-1]

    def fill(self, place: int, piece: str) -> None:
        """Fill an open place."""
        self.changes += 1
        self._open.remove(place)
        self._pieces[place - self._taken] = piece
        if not self._open:
            self.waiting = 0

    def take(self) -> str:
        """Take everything before the first open place."""
        count = min(self._open) - self._taken if self._open else len(self._pieces)
        taken, self._pieces = "".join(self._pieces[:count]), self._pieces[count:]
        self._taken += count
        return taken

    def take_all(self) -> str:
        """Take everything; what is open stays empty."""
        self._open.clear()
        self.waiting = 0
        return self.take()
