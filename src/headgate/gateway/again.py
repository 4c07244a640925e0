"""A request's head that comes again, byte for byte but for the length of the body behind it.

Strategy: a client sends the same head before each of its requests, on a connection that it keeps and on each new one.
What was read and decided of the first holds for the next. So connections hold what is known of their last head, all
those with the same head the same, and what comes is compared with it. It is known as long as one of them is open.
Nothing is parsed by other rules than llhttp's: the bytes are those that it took, and all that may differ is a number of
digits.
Spec: https://www.rfc-editor.org/rfc/rfc9112#section-6.2; why: `docs/decisions/0019-a-small-connection.md`
"""

from __future__ import annotations

import re
from weakref import WeakValueDictionary

from headgate.gateway.asgi import Headers
from headgate.gateway.entrance import Admitted

_END = b"\r\n\r\n"
_BYTES_MAX = 8 * 1024
"""Of a head that is remembered; the OpenAI client's have less than 1 KiB. It is held as long as a connection has it."""
_LENGTH_DIGITS_MAX = 15
_length = re.compile(rb"\r\ncontent-length: *([0-9]{1,15})\r\n", re.IGNORECASE)


class KnownHead:
    """A head around its body's length, and who was let in by it.

    Args:
        before: what stands before the digits.
        after: what stands behind them, to the head's end.
        admitted: what was decided of it, by the door that it names.
    """

    __slots__ = ("__weakref__", "_after", "_before", "admitted")

    def __init__(self, before: bytes, after: bytes, admitted: Admitted) -> None:
        self._before = before
        self._after = after
        self.admitted = admitted

    def find(self, data: bytes, /) -> tuple[int, int] | None:
        """Where the body begins in data that begin with this head, and its length; None for another head, or a part."""
        before, after = self._before, self._after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + _LENGTH_DIGITS_MAX + 1)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        return end + len(after), int(digits)


class KnownHeads:
    """The heads that the connections of a server know now."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[bytes, bytes], KnownHead] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, data: bytes, /) -> KnownHead | None:
        """The head that data begin with, if it is known and whole."""
        around = _around(data)
        return None if around is None else self._known.get(around[:2])

    def learn(self, data: bytes, headers: Headers, admitted: Admitted) -> KnownHead | None:
        """The head that data begin with, which was just decided about; None if it is not worth remembering.

        Its request has to be lawful HTTP/1.1, and its connection to be kept. Keep what is returned: it is forgotten
        with the last who does. What is decided anew, after a reload, holds for all who have the same head.

        Args:
            data: what was read.
            headers: what the parser read of it, names in lower case.
            admitted: who was let in.
        """
        around = _around(data)
        if around is None:
            return None
        before, after, digits = around
        if [digits] != [value for name, value in headers if name == b"content-length"]:
            return None
        known = self._known.get((before, after))
        if known is None:
            known = self._known[before, after] = KnownHead(before, after, admitted)
        else:
            known.admitted = admitted
        return known


def _around(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """What stands around the length in a head that data begin with, and its digits; None for a part, or without one."""
    end = data.find(_END, 0, _BYTES_MAX)
    if end < 0:
        return None
    end += len(_END)
    length = _length.search(data, 0, end)
    return None if length is None else (data[: length.start(1)], data[length.end(1) : end], length[1])
