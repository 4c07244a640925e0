"""Bytes in any split -> whole lines.

Strategy: fragments of an unfinished line are kept in a list and joined once, when its end arrives, so
that one byte at a time costs no more than linear time. A line over the limit ends the splitting.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from headgate.twins import twin


class Lines:
    """Splits bytes at LF, and at CR and CRLF too when `carriage_returns` is set.

    `overflow` becomes true when a line is longer than `line_bytes_max` bytes (its end not counted);
    the lines before it have been returned, and nothing more comes.
    """

    __slots__ = ("_after_cr", "_carriage_returns", "_held", "_held_bytes", "_max", "overflow")

    def __init__(self, *, line_bytes_max: int, carriage_returns: bool) -> None:
        self.overflow = False
        self._max = line_bytes_max
        self._carriage_returns = carriage_returns
        self._after_cr = False
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, data: bytes, /) -> list[bytes]:
        """Return the lines that end in `data`, without their line ends."""
        if self.overflow or not data:
            return []
        if self._carriage_returns and (self._after_cr or b"\r" in data):
            data = self._unify(data)
        longest = self._held_bytes + len(data)  # no line has more
        lines = data.split(b"\n")
        tail = lines.pop()
        if lines and self._held:
            lines[0] = b"".join((*self._held, lines[0]))
            self._held, self._held_bytes = [], 0
        if longest > self._max:
            for number, line in enumerate(lines):
                if len(line) > self._max:
                    self.overflow = True
                    return lines[:number]
        if tail:
            self._hold(tail)
        return lines

    def rest(self) -> bytes:
        """Return what came after the last line end, and forget it. For the end of input."""
        rest = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        return rest

    @property
    def between(self) -> bool:
        """Whether it stands at the start of a line, with nothing held."""
        return not (self._held or self._after_cr or self.overflow)

    def copy(self) -> Lines:
        """An independent splitter in the same state."""
        copied = twin(self)
        copied._held = self._held.copy()
        return copied

    def _unify(self, data: bytes) -> bytes:
        # The LF of a CRLF that a read split in two belongs to the line end already seen.
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, tail: bytes) -> None:
        self._held.append(tail)
        self._held_bytes += len(tail)
        self.overflow = self._held_bytes > self._max
