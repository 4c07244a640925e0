"""A request's head that comes again on its connection, byte for byte but for the length of the body behind it.

Strategy: a client on a connection that it keeps sends the same head before each of its requests. What was read and
decided of the first holds for the next, so a connection remembers its last head, and compares. Nothing is parsed by
other rules than llhttp's: the bytes are those that it took, and all that may differ is a number of digits.
Spec: https://www.rfc-editor.org/rfc/rfc9112#section-6.2
"""

from __future__ import annotations

import re

from headgate.gateway.asgi import Scope
from headgate.gateway.entrance import Admitted

_END = b"\r\n\r\n"
_BYTES_MAX = 8 * 1024
"""Of a head that is remembered; the OpenAI client's have less than 1 KiB. It is held as long as its connection is."""
_LENGTH_DIGITS_MAX = 15
_length = re.compile(rb"\r\ncontent-length: *([0-9]{1,15})\r\n", re.IGNORECASE)


class KnownHead:
    """A head around its body's length.

    Args:
        before: what stands before the digits.
        after: what stands behind them, to the head's end.
        scope: what was read of it.
    """

    __slots__ = ("_after", "_before", "admitted", "scope")

    def __init__(self, before: bytes, after: bytes, scope: Scope) -> None:
        self._before = before
        self._after = after
        self.scope = scope
        self.admitted: Admitted | None = None

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


def learn(data: bytes, scope: Scope) -> KnownHead | None:
    """The head that data begin with, of which `scope` was read; None if it is not worth remembering.

    Its request has to be lawful HTTP/1.1, and its connection to be kept.
    """
    end = data.find(_END, 0, _BYTES_MAX)
    if end < 0:
        return None
    end += len(_END)
    length = _length.search(data, 0, end)
    if length is None:
        return None
    said = [value for name, value in scope["headers"] if name == b"content-length"]
    if said != [length[1]]:
        return None
    return KnownHead(data[: length.start(1)], data[length.end(1) : end], scope)
