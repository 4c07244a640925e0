"""The record that is being read: what is kept of it, what came of it so far, and how it arrived."""

from __future__ import annotations

from headgate.events import Event

SPACE = b"\xef\xbb\xbf \t\r\n"
KEPT_BYTES_MAX = 1024 * 1024
"""How much of one record is kept to be shown and looked into; what is longer is decoded all the same."""


class Draft:
    """One record in the making."""

    def __init__(self) -> None:
        self.size = 0
        self.is_blank = True
        self.reads = 1
        self.torn_character = False
        self.events: list[Event] = []
        self._kept = bytearray()

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the record."""
        self.size += len(piece)
        self.is_blank = self.is_blank and not piece.strip(SPACE)
        if len(self._kept) < KEPT_BYTES_MAX:
            self._kept += piece[: KEPT_BYTES_MAX - len(self._kept)]

    def read_ends(self) -> None:
        """A read ends here; if the record goes on, it arrives in several."""
        if not self.is_blank:
            self.reads += 1
            self.torn_character |= self.is_whole and ends_inside_character(bytes(self._kept[-3:]))

    @property
    def raw(self) -> bytes:
        """The record, as far as it is kept."""
        return bytes(self._kept)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is kept."""
        return len(self._kept) == self.size


def ends_inside_character(data: bytes) -> bool:
    """Whether the bytes end inside a UTF-8 sequence."""
    for back, byte in enumerate(reversed(data[-3:]), 1):
        if byte & 0xC0 != 0x80:
            return byte >= 0xC0 and back < _length(byte)
    return False


def _length(first: int) -> int:
    return 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2
