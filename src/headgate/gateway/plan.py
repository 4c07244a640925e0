"""A client's request, and the engine that is to answer it -> everything that their exchange needs."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from headgate.dialects.base import Dialect, Reading
from headgate.errors import UpstreamError
from headgate.events import Event, MessageStart, Repair, StreamError, Usage
from headgate.gateway import journal
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
_WATCHED = frozenset({MessageStart, StreamError, Usage, Repair})
_KEY_REFUSED = frozenset({401, 403})
_TRY_LATER = frozenset({429, 503})
_is_wait = re.compile(
    r"[0-9]{1,9}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
).fullmatch
_NO_STREAM = ("text/html", "text/xml", "application/xhtml", "application/xml", "application/pdf", "multipart/")
_NO_TEXT = ("image/", "audio/", "video/", "font/")
"""What no engine calls a chat model's reply. Everything else is read for what it holds, not for its label."""


class Watch:
    """A translator's tap: what an exchange must know of the events that pass.

    `heard` says that any event came, `begun` that a message did; `repairs` counts each kind.
    """

    def __init__(self) -> None:
        self.heard = False
        self.begun = False
        self.error: StreamError | None = None
        self.usage: Usage | None = None
        self.repairs: Counter[str] = Counter()

    def __call__(self, events: Sequence[Event], /) -> None:
        """Note what matters; most events are deltas, of which nothing does."""
        self.heard = True
        for event in events:
            if type(event) in _WATCHED:
                self._note(event)

    def _note(self, event: Event) -> None:
        match event:
            case MessageStart():
                self.begun = True
            case StreamError():
                self.error = event
            case Usage():
                self.usage = event
            case Repair():
                self.repairs[event.code] += 1
            case _:
                pass


class Plan(NamedTuple):
    """One exchange, before it begins.

    `model` is what the engine calls the model; `streamed` says that the client wants a stream.
    """

    upstream: Upstream
    model: str
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

    def identity(self) -> Headers:
        """The headers that say who answers."""
        name, model = journal.safe(self.upstream.name), journal.safe(self.model)
        return [(b"x-headgate-upstream", name.encode()), (b"x-headgate-model", model.encode())]

    def no_reply(self, status: int, headers: Sequence[tuple[str, str]]) -> UpstreamError | None:
        """The failure that the head of a reply means, if what follows cannot be read for a reply or an error."""
        kind, coding = _header(headers, "content-type"), _header(headers, "content-encoding")
        name = self.upstream.name
        if coding and coding != "identity":
            got = f"content-encoding {journal.safe(coding[:20])}. See its proxy."
            sentence = f"expected an uncompressed reply from {name}, which was asked for it so, got {got}"
            return UpstreamError("upstream_protocol", sentence)
        if status < 300 and kind.startswith(_NO_STREAM + _NO_TEXT):
            got = journal.safe(kind.partition(";")[0][:40])
            sentence = f"expected a stream from {name}, got {got}. Correct its URL, or see the proxy before it."
            return UpstreamError("upstream_protocol", sentence)
        return None

    def refusal(self, status: int, body: bytes) -> UpstreamError:
        """The failure that an engine's HTTP error reply means."""
        if status in _REDIRECTS:
            sentence = f"expected a reply from {self.upstream.name}, got a redirect (HTTP {status}). Correct its URL."
            return UpstreamError("upstream_protocol", sentence)
        return self.failure(self.dialect.error(status, body))

    def failure(self, error: StreamError) -> UpstreamError:
        """The failure that an error event means, with a status that HTTP allows for one."""
        if error.status_hint in _KEY_REFUSED and error.code == "upstream_error":
            # The client would take the engine's 401 for its own key's.
            refused = f"{self.upstream.name} refused Headgate's key for it (HTTP {error.status_hint})"
            sentence = f"{refused}; yours is fine. Whoever runs Headgate corrects the upstream's api_key."
            return UpstreamError(error.code, sentence, status=502, retryable=False)
        status = error.status_hint if error.status_hint in _ERRORS else None
        return UpstreamError(error.code, error.message, status=status, retryable=error.retryable, vendor=error.vendor)


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
        whole_calls=engine.config.whole_calls,
    )
    writing = Writing(
        id=surface.new_id(new_id),
        created_s=int(time.time()),
        model=chat.model,
        include_usage=chat.include_usage,
        include_timings=chat.include_timings or "timings" in engine.config.extras,
    )
    encoder: Encoder = surface.encoder(writing) if chat.stream else WholeEncoder(surface, writing)
    translator = Translator(engine.dialect.decoder(reading), encoder, watch, every_delta=False)
    return Plan(engine.upstream, model, engine.dialect, surface, request, encoder, translator, watch, chat.stream)


def wait(status: int, headers: Sequence[tuple[str, str]]) -> Headers:
    """The engine's `Retry-After`, where it means something: a number of seconds or a date, for who may come again."""
    value = _header(headers, "retry-after", lower=False) if status in _TRY_LATER else ""
    return [(b"retry-after", value.encode())] if _is_wait(value) else []


def _header(headers: Sequence[tuple[str, str]], wanted: str, *, lower: bool = True) -> str:
    value = next((value for name, value in headers if name == wanted), "").strip()
    return value.lower() if lower else value


def _dropped(names: Sequence[str]) -> Headers:
    if not names:
        return []
    # A client's field may be called anything, a line end included.
    shown = [quote(name[:_DROPPED_CHARS_MAX], safe="._-[]") for name in names[:_DROPPED_MAX]]
    return [(b"x-headgate-dropped", ", ".join(shown).encode())]
