"""Records in one envelope that follow each other -> what stands in them, by a few calls for all of them.

Strategy: split at line ends, which a text as JSON does not hold; cut each record where the envelope's text begins and
ends; then put the envelope around all pieces again and compare, so that whatever is not in it is noticed at once.
Spec: ours (`shortcut.py`)
"""

from __future__ import annotations

BYTES_MAX = 16 * 1024
"""Of one row, so that what looking for one costs has a limit where there is none."""


class Rows:
    """Finds rows of records.

    Args:
        head: what stands before the text, or before a value in quotes that changes with each record.
        middle: what stands between the end of that value and the text; b"" if there is none.
        tail: what stands behind the text; it ends the record.
    """

    def __init__(self, head: bytes, middle: bytes, tail: bytes) -> None:
        self._head, self._middle, self._tail = head, middle, tail
        self._between = tail + head
        self._above, self._ahead = head.count(b"\n"), len(head) - head.rfind(b"\n") - 1
        self._step, self._rest = self._above + tail.count(b"\n"), tail.index(b"\n")

    def find(self, data: bytes, start: int) -> tuple[list[bytes], list[bytes]]:
        """Look at `data` from `start` on.

        Returns what stands between head and tail in each record of the row, and their texts; there may be fewer of
        these, where `middle` is missing.
        """
        block = data[start : start + BYTES_MAX]
        lines = block.split(b"\n")
        step = self._step
        whole = (len(lines) - 1) // step  # the last line goes on behind the block
        ahead, rest = self._ahead, -self._rest
        pieces = [line[ahead:rest] for line in lines[self._above : whole * step : step]]
        if not block.startswith(b"%b%b%b" % (self._head, self._between.join(pieces), self._tail)):
            pieces = self._until_another(block, pieces)
        return pieces, self._texts(pieces) if self._middle else pieces

    def size(self, pieces: list[bytes]) -> int:
        """How many bytes the records have that these pieces stand in."""
        return len(pieces) * len(self._between) + sum(map(len, pieces))

    def _until_another(self, block: bytes, pieces: list[bytes]) -> list[bytes]:
        """The pieces up to the first record that is not in the envelope."""
        place, head, tail = 0, self._head, self._tail
        for number, piece in enumerate(pieces):
            behind = place + len(head) + len(piece)
            if not (block.startswith(head, place) and block.startswith(tail, behind)):
                return pieces[:number]
            place = behind + len(tail)
        return pieces

    def _texts(self, pieces: list[bytes]) -> list[bytes]:
        """What stands behind `middle` in each, up to a piece without it."""
        middle, texts = self._middle, []
        for piece in pieces:
            place = piece.find(b'"')
            if place < 0 or not piece.startswith(middle, place):
                break
            texts.append(piece[place + len(middle) :])
        return texts
