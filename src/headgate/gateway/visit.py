"""One request that was let in: whose errors it is told, and what is known of it."""

from __future__ import annotations

import logging
from typing import NamedTuple

from headgate.errors import CODES, PeerError, UpstreamError
from headgate.gateway.asgi import Headers, Receive, Scope, Send, respond
from headgate.gateway.direct import Opener
from headgate.gateway.entrance import Admitted
from headgate.gateway.policy import Entry
from headgate.surfaces.base import Surface

logger = logging.getLogger("headgate")


class Visit(NamedTuple):
    """One request on an ASGI host; `send` adds the headers that every reply to it carries."""

    scope: Scope
    receive: Receive
    send: Send
    admitted: Admitted
    entry: Entry
    direct: Opener | None

    async def turn_away(self, error: PeerError, more: Headers | None = None) -> None:
        """Settle the request with an error, and tell its client, with `more` headers."""
        told = settled(self.entry, error)
        await refuse(self.scope, self.send, self.admitted.head.surface, told, [*(more or ()), *self.entry.headers])


def settled(entry: Entry, error: PeerError) -> PeerError:
    """Settle a request that gets no exchange, and return the error to tell its client."""
    told = entry.refuse(error)
    if isinstance(told, UpstreamError):
        logger.warning("%s: %s (HTTP %d)", entry.upstream, told.code, told.status)
    return told


async def refuse(scope: Scope, send: Send, served: Surface, error: PeerError, more: Headers) -> None:
    """Tell a client an error, in the form of its API."""
    status, body = served.error(error)
    await respond(scope, send, status, body, more)


def shutting_down() -> PeerError:
    """What clients are told whose request cannot be served to its end."""
    return PeerError("shutting_down", f"{CODES['shutting_down'].meaning} Nothing is wrong with the request.")
