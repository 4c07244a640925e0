"""The bytes of a reply's head -> what it says.

Strategy: llhttp reads it, and calls Python for every field, though most engines send one head with every reply, and a
success is asked for hardly more than its content type. So what was read is remembered by the bytes that it was read of,
for all connections; of a head that tells the time that helps until the next second.
Spec: https://www.rfc-editor.org/rfc/rfc9112.html#section-4
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from httptools import HttpParserError, HttpResponseParser

_END = b"\r\n\r\n"
_END_BYTES = len(_END)
_KNOWN_MAX = 64
_KNOWN_BYTES_MAX = 2048
"""Of a head that is remembered; engines' have 100 to 300 bytes, and what proxies add fits as well."""
_INTERIM = range(100, 200)


class Head(NamedTuple):
    """Status and headers of a reply; names in lower case, in the order received."""

    status: int
    headers: tuple[tuple[str, str], ...]


class Said(NamedTuple):
    """All that a head says.

    `keeps` says that the connection may serve again, and `coding` is the transfer coding around all others, "" for
    none.
    """

    head: Head
    keeps: bool
    coding: str


def read_head(raw: bytes, /) -> Said | None:
    """Read the first head in `raw` that is not interim (1xx), and more may follow; None if none is whole."""
    end = raw.find(_END) + _END_BYTES
    return (_known(raw[:end]) if end <= _KNOWN_BYTES_MAX else None) or _read(raw)


@lru_cache(maxsize=_KNOWN_MAX)
def _known(raw: bytes) -> Said | None:
    """What a head says; None if it is interim, or if something else comes first."""
    return _read(raw)


def _read(raw: bytes) -> Said | None:
    fields = _Fields()
    try:
        fields.parser.feed_data(raw)
    except HttpParserError:
        pass  # behind the head; who reads the body comes to it as well
    finally:
        del fields.parser
    return fields.said


class _Fields:
    """Gathers the fields of one head for a parser."""

    def __init__(self) -> None:
        self.said: Said | None = None
        self._fields: list[tuple[str, str]] = []
        self.parser = HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field, unless it is a trailer."""
        if self.said is None:
            self._fields.append((name.decode("latin-1").lower(), value.decode("latin-1").rstrip(" \t")))

    def on_headers_complete(self) -> None:
        """Note the head, unless a better one follows."""
        status = self.parser.get_status_code()
        if status in _INTERIM:
            self._fields = []
        elif self.said is None:
            head = Head(status, tuple(self._fields))
            self.said = Said(head, self.parser.should_keep_alive(), _last_coding(head))


def _last_coding(head: Head) -> str:
    codings = ",".join(value for name, value in head.headers if name == "transfer-encoding")
    return codings.rpartition(",")[2].strip().lower()
