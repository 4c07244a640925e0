"""A URL -> which engine listens there, asked with its key."""

from __future__ import annotations

import asyncio

from headgate.discovery import FIRST, TELLING, Answer, Engine, recognise
from headgate.errors import UpstreamError
from headgate.messages import HttpRequest
from headgate.upstream.base import Upstream

_TRY_S = 2.0
"""One of the telling questions; whoever answers the first does not need longer."""


async def find(upstream: Upstream, url: str, within_s: float) -> Engine | None:
    """Say which engine listens at a URL; None if whoever answers does not look like one.

    Raises:
        UpstreamError: if nobody answers at all.
    """
    try:
        first = await _ask(upstream, FIRST, within_s)
    except TimeoutError:
        sentence = f"expected an answer to GET {FIRST} within {within_s:g} s, got none. Is it an engine?"
        raise UpstreamError("upstream_timeout", sentence) from None
    answers = await asyncio.gather(*(_try(upstream, path, min(_TRY_S, within_s)) for path in TELLING))
    told = {path: answer for path, answer in zip(TELLING, answers, strict=True) if answer is not None}
    return recognise(url, {FIRST: first, **told})


async def _ask(upstream: Upstream, path: str, within_s: float) -> Answer:
    async with asyncio.timeout(within_s):
        reply = await upstream.fetch(HttpRequest(method="GET", path=path))
    return Answer(reply.status, reply.body)


async def _try(upstream: Upstream, path: str, within_s: float) -> Answer | None:
    try:
        return await _ask(upstream, path, within_s)
    except (UpstreamError, TimeoutError):
        return None
