"""Looking for engines: a few GETs to every place at once, none of which may take longer than half a second.

Strategy: no key is sent, and nothing that somebody's server could mistake for more than a question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from headgate.discovery import FIRST, TELLING, Answer, Engine, promising, recognise
from headgate.discovery_places import Place, is_own
from headgate.errors import UpstreamError, UsageError
from headgate.limits import DEFAULTS
from headgate.messages import HttpRequest
from headgate.upstream.http import HttpUpstream

TRY_S = 0.5
"""How long one question may take. An engine on this machine answers in milliseconds."""

_BODY_BYTES_MAX = 8 * 1024 * 1024
"""A list of models; llama.cpp's `/props` holds a chat template."""


class Looked(NamedTuple):
    """What was found, and what was found but wants a key."""

    engines: tuple[Engine, ...]
    locked: tuple[tuple[Engine, Place], ...] = ()


async def look(places: Sequence[Place], *, own_port: int | None, try_s: float = TRY_S) -> Looked:
    """Look at every place at once.

    Args:
        places: where.
        own_port: the gateway's own, which is left out, since a gateway that asks itself never answers.
        try_s: how long one question may take, in seconds.
    """
    others = [place for place in places if own_port is None or not is_own(place.url, own_port)]
    found = await asyncio.gather(*(_ask(place, try_s) for place in others))
    known = [(engine, place) for engine, place in zip(found, others, strict=True) if engine and _wanted(engine, place)]
    engines = tuple(engine for engine, _ in known if not engine.needs_key)
    return Looked(engines, tuple((engine, place) for engine, place in known if engine.needs_key))


def _wanted(engine: Engine, place: Place) -> bool:
    # Two gateways that find each other would send a request round and round.
    return engine.name != "headgate" or place.named


async def _ask(place: Place, try_s: float) -> Engine | None:
    limits = msgspec.structs.replace(DEFAULTS, body_bytes_max=_BODY_BYTES_MAX)
    try:
        upstream = HttpUpstream(place.source, place.url, limits=limits)
    except UsageError:  # a variable that holds no URL; whoever set it will hear from their own client
        return None
    try:
        first = await _answer(upstream, FIRST, try_s)
        if first is None or not promising(first):
            return None
        return recognise(place.url, {FIRST: first, **await _answers(upstream, TELLING, try_s)})
    finally:
        await upstream.close()


async def _answers(upstream: HttpUpstream, paths: Iterable[str], try_s: float) -> dict[str, Answer]:
    asked = tuple(paths)
    answers = await asyncio.gather(*(_answer(upstream, path, try_s) for path in asked))
    return {path: answer for path, answer in zip(asked, answers, strict=True) if answer is not None}


async def _answer(upstream: HttpUpstream, path: str, try_s: float) -> Answer | None:
    try:
        async with asyncio.timeout(try_s):
            reply = await upstream.fetch(HttpRequest(method="GET", path=path))
    except (UpstreamError, TimeoutError):
        return None
    return Answer(reply.status, reply.body)
