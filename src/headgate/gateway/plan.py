"""A client's request, and the engine that is to answer it -> everything that their exchange needs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from headgate.dialects.base import Dialect, Reading
from headgate.errors import UpstreamError
from headgate.events import Event, MessageStart, StreamError
from headgate.gateway.asgi import Headers, json_headers
from headgate.gateway.engines import Engine
from headgate.gateway.whole import WholeEncoder
from headgate.library import new_id
from headgate.limits import Limits
from headgate.messages import ChatRequest, HttpRequest
from headgate.surfaces.base import Encoder, Surface, Writing
from headgate.translator import Translator
from headgate.upstream.base import Upstream

_ERRORS = range(400, 600)
_REDIRECTS = range(300, 400)
_DROPPED_MAX = 32
"""Names in `x-headgate-dropped`: a client may invent fields without end, and headers have one."""
_DROPPED_CHARS_MAX = 64


class Watch:
    """A translator's tap: what an exchange must know of the events that pass."""

    def __init__(self) -> None:
        self.begun = False
        self.error: StreamError | None = None

    def __call__(self, events: Sequence[Event], /) -> None:
        """Note what matters."""
        for event in events:
            if isinstance(event, MessageStart):
                self.begun = True
            elif isinstance(event, StreamError):
                self.error = event


class Plan(NamedTuple):
    """One exchange, before it begins. `streamed` says that the client wants a stream."""

    upstream: Upstream
    dialect: Dialect
    surface: Surface
    request: HttpRequest
    encoder: Encoder
    translator: Translator
    watch: Watch
    streamed: bool

    def headers(self, body: bytes) -> Headers:
        """The headers of the reply whose first bytes, or only bytes, are `body`."""
        kind = (b"content-type", self.surface.media_type.encode())
        head = [kind, (b"cache-control", b"no-cache")] if self.streamed else json_headers(body)
        # nginx and its kin would gather a stream before they pass it on.
        return [*head, (b"x-accel-buffering", b"no"), *_dropped(self.request.dropped)]

    def refusal(self, status: int, body: bytes) -> UpstreamError:
        """The failure that an engine's HTTP error reply means."""
        if status in _REDIRECTS:
            sentence = f"expected a reply from {self.upstream.name}, got a redirect (HTTP {status}). Correct its URL."
            return UpstreamError("upstream_protocol", sentence)
        return failure(self.dialect.error(status, body))


def plan(surface: Surface, engine: Engine, chat: ChatRequest, model: str, limits: Limits) -> Plan:
    """Prepare an exchange. `model` is what the engine calls the model that the client asked for.

    Raises:
        RequestError: if the engine cannot do what the request asks for.
    """
    request = engine.dialect.request(msgspec.structs.replace(chat, model=model))
    watch = Watch()
    reading = Reading(
        ids=new_id,
        limits=limits,
        families=engine.families,
        tools=chat.declared(),
        starts_in_reasoning=engine.config.starts_in_reasoning,
    )
    writing = Writing(
        id=surface.new_id(new_id),
        created_s=int(time.time()),
        model=chat.model,
        include_usage=chat.include_usage,
        include_timings=chat.include_timings or "timings" in engine.config.extras,
    )
    encoder: Encoder = surface.encoder(writing) if chat.stream else WholeEncoder(surface, writing)
    translator = Translator(engine.dialect.decoder(reading), encoder, watch)
    return Plan(engine.upstream, engine.dialect, surface, request, encoder, translator, watch, chat.stream)


def failure(error: StreamError) -> UpstreamError:
    """The failure that an error event means, with a status that HTTP allows for one."""
    status = error.status_hint if error.status_hint in _ERRORS else None
    return UpstreamError(error.code, error.message, status=status, retryable=error.retryable, vendor=error.vendor)


def _dropped(names: Sequence[str]) -> Headers:
    if not names:
        return []
    # A client's field may be called anything, a line end included.
    shown = [quote(name[:_DROPPED_CHARS_MAX], safe="._-[]") for name in names[:_DROPPED_MAX]]
    return [(b"x-headgate-dropped", ", ".join(shown).encode())]
