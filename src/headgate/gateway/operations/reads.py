"""What the gateway says of itself: whether it lives, whether it can serve, and what.

Spec: https://platform.openai.com/docs/api-reference/models/retrieve; the others are ours (`docs/gateway.md`)
"""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.gateway.door import STRANGER, check_name
from headgate.gateway.models import Listed
from headgate.gateway.operations import anthropic_models
from headgate.gateway.operations.base import Asked, Response

_encode = msgspec.json.Encoder().encode


async def health(asked: Asked, /) -> Response:
    """Whether the process is alive: whoever restarts what is dead asks this, and no engine is asked for it."""
    return Response(200, _told(asked, "ok", list(asked.fleet.engines)))


async def ready(asked: Asked, /) -> Response:
    """Whether a request that comes now can be served: at least one engine answered a moment ago."""
    if asked.draining:
        return Response(503, _encode({"status": "draining"}))
    await asked.fleet.models.look()
    alive = asked.fleet.models.alive
    upstreams = {name: "ok" if name in alive else "no answer" for name in asked.fleet.engines}
    body = _told(asked, "ready" if alive else "no engine answers", upstreams)
    return Response(200 if alive else 503, body)


async def models(asked: Asked, /) -> Response:
    """What all engines serve, in the form of whoever asks."""
    listed = await asked.fleet.models.listing()
    if anthropic_models.is_asked(asked.headers):
        return Response(200, anthropic_models.listing(listed))
    return Response(200, _encode({"object": "list", "data": [_entry(one) for one in listed]}))


async def model(asked: Asked, /) -> Response:
    """One model; its id may hold `/` and `:`.

    Raises:
        RequestError: `model_not_found`, with those whose names are near.
    """
    check_name(asked.rest, "model")
    found = await asked.fleet.models.one(asked.rest)
    entry = anthropic_models.entry if anthropic_models.is_asked(asked.headers) else _entry
    return Response(200, _encode(entry(found)))


def _entry(listed: Listed) -> dict[str, Any]:
    owner = "headgate" if listed.engine is None else listed.engine.name
    return {"id": listed.id, "object": "model", "created": listed.created_s, "owned_by": owner}


def _told(asked: Asked, status: str, upstreams: Any) -> bytes:
    """A status, and which engines there are; that is nobody's business who has no key."""
    return _encode({"status": status} if asked.principal == STRANGER else {"status": status, "upstreams": upstreams})
