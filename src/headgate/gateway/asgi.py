"""ASGI's words: types, request heads and bodies, whole replies.

Spec: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from headgate.errors import RequestError

# Any: ASGI's messages are dictionaries of whatever their type says.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

DISCONNECT = "http.disconnect"
_JSON = b"application/json"


class ClientGoneError(Exception):
    """The client closed its connection before its request was whole."""


def path_of(scope: Scope) -> str:
    """The path below the place where the app is mounted.

    Newer hosts put the mount point into `path` too, older ones only into `root_path`.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case; a later one of the same name wins."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(scope: Scope, receive: Receive, bytes_max: int) -> bytes:
    """Read the request's body.

    Raises:
        RequestError: `body_too_large`, as soon as that is known.
        ClientGoneError: if the client closes before the end.
    """
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit() and int(value) > bytes_max:
            raise _too_large(bytes_max)
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == DISCONNECT:
            raise ClientGoneError
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        more = message.get("more_body", False)
        if size > bytes_max:
            raise _too_large(bytes_max)
    return b"".join(pieces)


def json_headers(body: bytes, content_type: bytes = _JSON) -> Headers:
    """The headers of a whole reply, which is JSON if nothing else is said."""
    return [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-cache"),
    ]


async def respond(
    scope: Scope,
    send: Send,
    status: int,
    body: bytes,
    more: Iterable[tuple[bytes, bytes]] = (),
    *,
    content_type: bytes = _JSON,
) -> None:
    """Send a whole reply; a HEAD request gets its head only."""
    headers = [*json_headers(body, content_type), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def respond_empty(send: Send, headers: Headers) -> None:
    """Send a reply that has no body at all (HTTP 204)."""
    head = {"type": "http.response.start", "status": 204, "headers": [(b"cache-control", b"no-cache"), *headers]}
    await send(head)
    await send({"type": "http.response.body", "body": b""})


def with_headers(send: Send, more: Headers) -> Send:
    """A `send` that adds headers to every reply's head."""

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return adding


def _too_large(bytes_max: int) -> RequestError:
    sentence = f"expected a request body of at most {bytes_max:,} bytes (limits.body_bytes_max), got more."
    return RequestError("body_too_large", sentence)
