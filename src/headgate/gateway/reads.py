"""What the gateway says of itself: whether it lives, whether it can serve, and what.

Strategy: each read is given what is served at the moment, and the rest of its path; it returns a status and JSON.
Spec: https://platform.openai.com/docs/api-reference/models/retrieve; the others are ours (`docs/gateway.md`)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from headgate.gateway.door import check_name
from headgate.gateway.fleet import Fleet

Read = Callable[[Fleet, str], Awaitable[tuple[int, bytes]]]
_encode = msgspec.json.Encoder().encode


async def health(fleet: Fleet, _rest: str, /) -> tuple[int, bytes]:
    """Whether the process is alive: whoever restarts what is dead asks this, and no engine is asked for it."""
    return 200, _encode({"status": "ok", "upstreams": list(fleet.engines)})


async def ready(fleet: Fleet, _rest: str, /) -> tuple[int, bytes]:
    """Whether a request that comes now can be served: at least one engine answered a moment ago."""
    await fleet.models.look()
    alive = fleet.models.alive
    upstreams = {name: "ok" if name in alive else "no answer" for name in fleet.engines}
    body = _encode({"status": "ready" if alive else "no engine answers", "upstreams": upstreams})
    return (200 if alive else 503), body


def draining() -> tuple[int, bytes]:
    """As `ready`, of a gateway that is being stopped."""
    return 503, _encode({"status": "draining"})


async def models(fleet: Fleet, _rest: str, /) -> tuple[int, bytes]:
    """What all engines serve."""
    return 200, await fleet.models.listing()


async def model(fleet: Fleet, id_: str, /) -> tuple[int, bytes]:
    """One model; its id may hold `/` and `:`.

    Raises:
        RequestError: `model_not_found`, with those whose names are near.
    """
    check_name(id_, "model")
    return 200, await fleet.models.one(id_)
