"""Request heads that llhttp lets through and that are refused all the same, and how such a refusal looks on the wire.

Spec: https://www.rfc-editor.org/rfc/rfc9112#section-6.3
"""

from __future__ import annotations

import http
import logging
from urllib.parse import unquote

import httptools

from headgate.errors import PeerError, RequestError
from headgate.gateway.asgi import Headers, Scope
from headgate.gateway.door import is_host
from headgate.surfaces import surface

logger = logging.getLogger("headgate")

_VERSIONS = frozenset({"1.0", "1.1"})


def fault(version: str, url: bytes, headers: list[tuple[bytes, bytes]]) -> str:
    """What is wrong with a head that llhttp took; "" if nothing is. Names of headers are in lower case."""
    codings: list[bytes] = []
    lengths: list[bytes] = []
    hosts: list[bytes] = []
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    if version not in _VERSIONS:
        return "expected HTTP/1.1 or HTTP/1.0, got another version."
    if not url.startswith(b"/"):
        return "expected a path that begins with /, got another form of target: this is no proxy."
    if len(hosts) != 1 or not is_host(hosts[0].strip()):
        return "expected exactly one Host header of the form NAME or NAME:PORT."
    if codings and (version == "1.0" or lengths or len(codings) > 1 or codings[0].strip().lower() != b"chunked"):
        return "expected no transfer-encoding, or exactly `chunked` with HTTP/1.1 and without a content-length."
    if len(lengths) > 1 or not all(length.strip().isdigit() for length in lengths):
        return "expected at most one content-length, a number."
    return ""


def size(headers: list[tuple[bytes, bytes]]) -> int:
    """How many bytes header fields take."""
    taken = 4 * len(headers)  # `: ` and the line's end
    for name, value in headers:
        taken += len(name) + len(value)
    return taken


def said(version: str, method: bytes, url: bytes, headers: Headers) -> Scope:
    """What a head says, in ASGI's words: the part of a scope that is not the connection's.

    Raises:
        HttpParserInvalidURLError: for a target that llhttp lets through and is no path.
        UnicodeDecodeError: for one that is not ASCII.
    """
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return {
        "http_version": version,
        "method": method.decode("ascii"),
        "path": unquote(path) if "%" in path else path,
        "raw_path": parsed.path,
        "query_string": parsed.query or b"",
        "headers": headers,
    }


def waits(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a client wants to be told before it sends its body."""
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)


def malformed(error: httptools.HttpParserError) -> RequestError:
    """The refusal of what llhttp did not take."""
    reason = f" ({error})"  # llhttp's sentences hold nothing of what was sent
    if isinstance(error, httptools.HttpParserCallbackError):
        logger.info("a request head could not be used: %s", type(error.__context__).__name__)
        reason = ""
    return RequestError("invalid_request", f"expected an HTTP/1.1 request, got something malformed{reason}.")


def refusal(error: PeerError, request_id: str) -> bytes:
    """The whole reply to a client whose request never reached an app."""
    status, body = surface("chat").error(error)
    head = (
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "cache-control: no-cache\r\n"
        f"x-request-id: {request_id}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
