"""A plain token from the engine's socket to the client's, in one call.

Strategy: most reads of a stream are one HTTP chunk that holds one plain record, whose envelope the shortcut knows.
Such a read is known but for the text in it: put together from the text and what should stand around it, it must be the
same bytes. The client's chunk is put together from the same text, and nothing else is done for the token: what runs
between two sleeps of the processor runs from cold caches, where each object and each call costs. Whatever is another
thing in any way is left to the parser.
Spec: https://www.rfc-editor.org/rfc/rfc9112#section-7.1; why: `docs/decisions/0020-a-token-in-one-call.md`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from headgate.shortcut import Alone, Shortcut

_READ_BYTES_MAX = 1024
"""Of a read that is one token; engines' records have 150 to 400 bytes."""
_FRAME_BYTES_MAX = 4096
"""Of what a token becomes."""
_CHUNK_END = b"\r\n"
_LINES = [b"%x\r\n" % size for size in range(_FRAME_BYTES_MAX)]
"""By the size of a chunk: the line before it, as all known engines write it."""


def _reads() -> dict[int, bytes]:
    """By the length of a read that is one chunk: the line before it."""
    reads = ((len(line) + size + len(_CHUNK_END), line) for size, line in enumerate(_LINES) if size)
    return {length: line for length, line in reads if length <= _READ_BYTES_MAX}


_line_of = _reads().get


class _Fit(NamedTuple):
    """What stands around a text in a read and in what it becomes; `rest` is its place from the read's end."""

    head: bytes
    middle: bytes
    tail: bytes
    head_bytes: int
    rest: int
    before: bytes
    behind: bytes
    around_bytes: int


_NO_FIT = _Fit(b"", b"", b"", 0, 0, b"", b"", 0)
"""Where no envelope is known yet: no read has a text there."""


class Splice:
    """Takes reads of an engine's chunked reply that hold a plain token, and writes them as chunks to the client.

    A `Through` for the upstream's connection.

    Args:
        write: gives bytes to the client's connection.
        shortcut: of the translator that reads everything else.
    """

    __slots__ = (
        "_alone",
        "_fit",
        "_more_bytes",
        "_passed_bytes",
        "_shortcut",
        "_text_bytes",
        "_value_bytes",
        "_write",
        "tokens",
    )

    def __init__(self, write: Callable[[bytes], None], shortcut: Shortcut) -> None:
        self._write = write
        self._shortcut = shortcut
        self._alone: Alone | None = None
        self._fit = _NO_FIT
        self._passed_bytes = 0  # until `settle` was called last
        # Since then:
        self.tokens = 0
        self._text_bytes = 0
        self._value_bytes = 0  # what stood before the texts and is not in every read
        self._more_bytes = 0  # what the client was given beyond the texts as they came

    @property
    def passed_bytes(self) -> int:
        """How many bytes of body were taken in all."""
        return self._passed_bytes + self._taken_bytes()

    def take(self, data: bytes, /) -> bool:
        """Pass on a read that begins between two chunks, if it is a chunk that holds a plain token."""
        # As few steps as there can be; and a callable in a slot is called sooner by a name of its own.
        shortcut, line = self._shortcut, _line_of(len(data))
        if line is None or (shortcut.alone is not self._alone and not self._fits()):
            return False
        head, middle, tail, head_bytes, rest, before, behind, around_bytes = self._fit
        if middle:
            head = _with_value(data, head, len(line), middle)
            head_bytes = len(head)
        text = data[len(line) + head_bytes : rest]
        if not text or data != b"".join((line, head, text, tail)):
            return False
        copies, write = shortcut.copies, self._write
        if copies(text):
            write(b"".join((_LINES[around_bytes + len(text)], before, text, behind)))
        else:
            frame = shortcut.frame_of(text)
            if frame is None:
                return False
            if frame:
                write(b"%x\r\n%b\r\n" % (len(frame), frame))
            self._more_bytes += len(frame) - around_bytes - len(text)
        self.tokens += 1
        self._text_bytes += len(text)
        if middle:
            self._value_bytes += head_bytes - self._fit.head_bytes
        return True

    def settle(self) -> int:
        """Tell the shortcut what passed since this was called last; return how many bytes the client was given."""
        taken_bytes = self._taken_bytes()
        given_bytes = self.tokens * self._fit.around_bytes + self._text_bytes + self._more_bytes
        if self.tokens:
            self._shortcut.passed(self.tokens, taken_bytes)
        self._passed_bytes += taken_bytes
        self.tokens = self._text_bytes = self._value_bytes = self._more_bytes = 0
        return given_bytes

    def _taken_bytes(self) -> int:
        around_bytes = self._fit.head_bytes - self._fit.rest - len(_CHUNK_END)
        return self.tokens * around_bytes + self._text_bytes + self._value_bytes

    def _fits(self) -> bool:
        """Learn what stands around a token now. Nothing has passed since `settle`: else it would be the same."""
        alone = self._shortcut.alone
        if alone is None:
            return False
        head, middle, tail, _, _, before, behind = alone
        around_bytes = len(before) + len(behind)
        if around_bytes + _READ_BYTES_MAX > _FRAME_BYTES_MAX:
            return False
        tail, behind = tail + _CHUNK_END, behind + _CHUNK_END
        self._alone = alone
        self._fit = _Fit(head, middle, tail, len(head), -len(tail), before, behind, around_bytes)
        return True


def splice(write: Callable[[bytes], None] | None, shortcut: Shortcut | None) -> Splice | None:
    """Join an engine's connection to what writes to a client's, if there are both ends, and no limit forbids it."""
    if write is None or shortcut is None or shortcut.longest < _READ_BYTES_MAX:
        return None
    return Splice(write, shortcut)


def _with_value(data: bytes, head: bytes, start: int, middle: bytes) -> bytes:
    """What stands before the text where a value that changes stands between head and middle."""
    ahead = start + len(head)
    return b"".join((head, data[ahead : data.find(b'"', ahead)], middle))
