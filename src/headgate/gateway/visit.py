"""One request that was let in: whose errors it is told, and what is known of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from headgate.errors import CODES, PeerError, UpstreamError
from headgate.gateway.asgi import Headers, Receive, Scope, Send, respond
from headgate.gateway.direct import Opener
from headgate.gateway.policy import Entry
from headgate.surfaces.base import Surface

logger = logging.getLogger("headgate")


class Visit(NamedTuple):
    """One request.

    `headers` are the scope's, names in lower case; `surface` is whose errors it wears, and `rest` what of its path its
    route left open.
    """

    scope: Scope
    headers: Mapping[str, str]
    receive: Receive
    send: Send
    surface: Surface
    entry: Entry
    rest: str
    principal: str
    direct: Opener | None
    cors: Headers

    async def turn_away(self, error: PeerError, more: Headers | None = None) -> None:
        """Settle the request with an error, and tell its client, with `more` headers."""
        told = self.entry.refuse(error)
        if isinstance(told, UpstreamError):
            logger.warning("%s: %s (HTTP %d)", self.entry.upstream, told.code, told.status)
        await refuse(self.scope, self.send, self.surface, told, [*(more or ()), *self.entry.headers])


async def refuse(scope: Scope, send: Send, served: Surface, error: PeerError, more: Headers) -> None:
    """Tell a client an error, in the form of its API."""
    status, body = served.error(error)
    await respond(scope, send, status, body, more)


def shutting_down() -> PeerError:
    """What clients are told whose request cannot be served to its end."""
    return PeerError("shutting_down", f"{CODES['shutting_down'].meaning} Nothing is wrong with the request.")
