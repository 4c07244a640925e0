"""A base URL, headers and an `HttpRequest` -> the bytes of a request head.

Strategy: what never changes (host, user-agent, the upstream's own headers) is checked and joined once per upstream; a
request adds its line, its dialect's headers and the length. Everything that comes from outside is matched against the
grammar before it is written, so no value can end a line and begin another.
Spec: https://www.rfc-editor.org/rfc/rfc9112.html#section-3 and https://www.rfc-editor.org/rfc/rfc9110.html#section-5
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from headgate._version import __version__
from headgate.errors import UsageError
from headgate.messages import AS_JSON, HttpRequest

Headers = Iterable[tuple[str, str]]

_STARTS_MAX = 64
"""Request lines that are remembered with their headers: an engine is asked by a few paths, again and again."""

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OURS = frozenset(
    "accept-encoding connection content-length expect keep-alive te trailer transfer-encoding upgrade".split()
)
"""What the connection itself decides; another value would break its framing."""

_is_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_is_path = re.compile(r"/[!\"$-~]*").fullmatch  # visible ASCII but "#": a fragment is never sent
_is_plain = re.compile(r"[!\"$->A-~]*").fullmatch  # nor "?", nor "@"


class Origin(NamedTuple):
    """Where an engine listens. `prefix` stands before every path and has no slash at its end."""

    host: str
    port: int
    tls: bool
    prefix: str

    @property
    def where(self) -> str:
        """`host:port`, as error messages name it."""
        return f"{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of the `host` header."""
        return self._bracketed if self.port == (443 if self.tls else 80) else self.where

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def parse_base_url(base_url: str, /) -> Origin:
    """Read a base URL such as `http://127.0.0.1:8080` or `https://host/prefix`.

    Raises:
        UsageError: if it is no http or https URL, or holds credentials, a query or a fragment.
    """
    # Checked before anything is repeated in a message, since it may hold a password or a key.
    if "@" in base_url:
        raise UsageError(
            "the base URL holds credentials (user:password@host), which end up in logs. "
            'Send them as a header instead, such as ("authorization", "Bearer …").'
        )
    if not _is_plain(base_url):
        raise UsageError("the base URL holds a query, a fragment, a space or a character beyond ASCII. Leave it out.")
    scheme, host, port, path = _split(base_url)
    if scheme not in {"http", "https"} or not host:
        raise UsageError(f"expected a base URL such as http://127.0.0.1:8080, got {base_url!r}.")
    tls = scheme == "https"
    return Origin(host, (443 if tls else 80) if port is None else port, tls, path.rstrip("/"))


def _split(base_url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"expected a host and a port from 0 to 65535, got {base_url!r} ({error}).") from error
    return parts.scheme, parts.hostname or "", port, parts.path


class RequestWriter:
    """Writes request heads for one origin.

    Args:
        origin: where the requests go.
        headers: the upstream's own headers, sent with every request; they win over the request's.

    Raises:
        UsageError: if a header is not fit to be sent.
    """

    def __init__(self, origin: Origin, headers: Headers = ()) -> None:
        own = [(_checked_name(name), _checked_value(name, value)) for name, value in headers]
        names = {name for name, _ in own}
        defaults = [("host", origin.authority), ("user-agent", f"headgate/{__version__}")]
        fixed = [*((name, value) for name, value in defaults if name not in names), *own]
        fixed += [("accept-encoding", "identity"), ("connection", "keep-alive")]
        self._prefix = origin.prefix
        self._names = names | {"host", "user-agent"}
        self._fixed = "".join(f"{name}: {value}\r\n" for name, value in fixed)
        self._starts: dict[tuple[str, str, bool], bytes] = {}

    def head(self, request: HttpRequest, /) -> bytes:
        """The bytes of the request line and headers, up to and with the empty line.

        Raises:
            UsageError: if the method, the path or a header is not fit to be sent.
        """
        key = request.method, request.path, request.headers == AS_JSON
        start = self._starts.get(key)
        if start is None:
            start = self._start(*key)
            if len(self._starts) < _STARTS_MAX:
                self._starts[key] = start
        if request.headers and not key[2]:
            start += self._varying(request.headers)
        if request.body or request.method != "GET":
            return b"%bcontent-length: %d\r\n\r\n" % (start, len(request.body))
        return start + b"\r\n"

    def _start(self, method: str, path: str, is_json: bool) -> bytes:  # noqa: FBT001 - a part of the key
        """The request line, and the headers that are always the same."""
        if method not in _METHODS:
            raise UsageError(f"expected a method of {', '.join(sorted(_METHODS))}, got {method!r}.")
        if not _is_path(path):
            raise UsageError("expected a path that begins with / and holds only visible ASCII (others escaped as %…).")
        start = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._fixed}".encode("latin-1")
        return start + self._varying(AS_JSON) if is_json else start

    def _varying(self, headers: Headers) -> bytes:
        checked = ((_checked_name(name), _checked_value(name, value)) for name, value in headers)
        return "".join(f"{name}: {value}\r\n" for name, value in checked if name not in self._names).encode("latin-1")


def _checked_name(name: str) -> str:
    lower = name.lower()
    if not _is_name(name):
        raise UsageError(f"expected a header name of letters, digits and hyphens, got {name!r}.")
    if lower in _OURS:
        raise UsageError(f"the header {lower} is written by the connection itself. Leave it out.")
    return lower


def _checked_value(name: str, value: str) -> str:
    # The value is never repeated in the message: it may be a key.
    if not _is_value(value):
        raise UsageError(f"the value of the header {name} holds a line end, another control character, or no Latin-1.")
    return value
