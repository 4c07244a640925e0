"""What the gateway says of itself: whether it lives, whether it can serve, and what.

Strategy: each read is given what is served at the moment, and by whom it is asked; it returns a status and JSON.
Spec: https://platform.openai.com/docs/api-reference/models/retrieve; the others are ours (`docs/gateway.md`)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from headgate.gateway.door import STRANGER, check_name
from headgate.gateway.fleet import Fleet


class Asked(NamedTuple):
    """What a read is asked: what is served at the moment, the rest of its path, and who asks."""

    fleet: Fleet
    rest: str
    principal: str


Read = Callable[[Asked], Awaitable[tuple[int, bytes]]]
_encode = msgspec.json.Encoder().encode


async def health(asked: Asked, /) -> tuple[int, bytes]:
    """Whether the process is alive: whoever restarts what is dead asks this, and no engine is asked for it."""
    return 200, _told(asked, "ok", list(asked.fleet.engines))


async def ready(asked: Asked, /) -> tuple[int, bytes]:
    """Whether a request that comes now can be served: at least one engine answered a moment ago."""
    await asked.fleet.models.look()
    alive = asked.fleet.models.alive
    upstreams = {name: "ok" if name in alive else "no answer" for name in asked.fleet.engines}
    body = _told(asked, "ready" if alive else "no engine answers", upstreams)
    return (200 if alive else 503), body


def draining() -> tuple[int, bytes]:
    """As `ready`, of a gateway that is being stopped."""
    return 503, _encode({"status": "draining"})


async def models(asked: Asked, /) -> tuple[int, bytes]:
    """What all engines serve."""
    return 200, await asked.fleet.models.listing()


async def model(asked: Asked, /) -> tuple[int, bytes]:
    """One model; its id may hold `/` and `:`.

    Raises:
        RequestError: `model_not_found`, with those whose names are near.
    """
    check_name(asked.rest, "model")
    return 200, await asked.fleet.models.one(asked.rest)


def _told(asked: Asked, status: str, upstreams: Any) -> bytes:
    """A status, and which engines there are; that is nobody's business who has no key."""
    return _encode({"status": status} if asked.principal == STRANGER else {"status": status, "upstreams": upstreams})
