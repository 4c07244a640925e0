"""A client's request, and the engine that is to answer it -> everything that their exchange needs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from headgate import call_ids
from headgate.dialects.base import Dialect, Reading
from headgate.errors import UpstreamError
from headgate.events import Event, MessageStart, Repair, StreamError, Usage
from headgate.gateway import engine_errors, journal
from headgate.gateway.asgi import Headers, json_headers
from headgate.gateway.completing import able_to_complete
from headgate.gateway.engines import Engine
from headgate.gateway.loading import able_to_load
from headgate.gateway.whole import WholeEncoder
from headgate.library import new_id
from headgate.limits import Limits
from headgate.messages import ChatRequest, HttpRequest
from headgate.naming import is_other_model
from headgate.spelling import first_of, untagged
from headgate.stopwatch import Stopwatch
from headgate.surfaces.base import Encoder, Surface, Writing
from headgate.tool_names import ToolNames
from headgate.translator import Translator
from headgate.upstream.base import Upstream

_DROPPED_MAX = 32
"""Names in `x-headgate-dropped`: a client may invent fields without end, and headers have one."""
_DROPPED_CHARS_MAX = 64
_PROGRESS = {"return_progress": msgspec.Raw(b"true")}
_SPELLED = "chat"
"""The surface whose format has no word of its own for thoughts, and writes them as its client reads them."""
_WATCHED = frozenset({MessageStart, StreamError, Usage, Repair})


class Watch:
    """A translator's tap: what an exchange must know of the events that pass.

    `heard` says that any event came, `begun` that a message did, and `model` which one the engine says it is of;
    `repairs` counts each kind.
    """

    def __init__(self) -> None:
        self.heard = False
        self.begun = False
        self.model: str | None = None
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
                self.model = self.model or event.model
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

    `model` is what the engine calls the model, and `also` are other names it has for it; `streamed` says that the
    client wants a stream, which `keepalive` keeps waiting. The stopwatch is to be started when the engine is asked, by
    `time.perf_counter()`.
    """

    upstream: Upstream
    model: str
    dialect: Dialect
    surface: Surface
    request: HttpRequest
    encoder: Encoder
    translator: Translator
    watch: Watch
    stopwatch: Stopwatch
    streamed: bool
    also: Collection[str] = ()
    keepalive: bytes = b""

    @property
    def answered_model(self) -> str | None:
        """The model that the engine says it is, if that is another one than it was asked for."""
        answered = self.watch.model
        return answered if is_other_model(self.model, answered, self.also) else None

    def headers(self, body: bytes) -> Headers:
        """The headers of the reply whose first bytes, or only bytes, are `body`."""
        kind = (b"content-type", self.surface.media_type.encode())
        head = [kind, (b"cache-control", b"no-cache")] if self.streamed else json_headers(body)
        # nginx and its kin would gather a stream before they pass it on.
        return [*head, (b"x-accel-buffering", b"no"), *dropped_headers(self.request.dropped)]

    def identity(self) -> Headers:
        """The headers that say who answers, as far as that is known."""
        headers = engine_errors.identity(self.upstream.name, self.model)
        answered = self.answered_model
        if answered is not None:
            headers.append((b"x-headgate-answered-model", journal.safe(answered).encode()))
        return headers

    def no_reply(self, status: int, headers: Sequence[tuple[str, str]]) -> UpstreamError | None:
        """The failure that the head of a reply means, if what follows cannot be read for a reply or an error."""
        return engine_errors.no_reply(self.upstream.name, status, headers, "a stream")

    def refusal(self, status: int, body: bytes) -> UpstreamError:
        """The failure that an engine's HTTP error reply means."""
        return engine_errors.refusal(self.upstream.name, self.dialect, status, body)

    def failure(self, error: StreamError) -> UpstreamError:
        """The failure that an error event means, with a status that HTTP allows for one."""
        return engine_errors.failure(self.upstream.name, error)


def plan(
    surface: Surface,
    engine: Engine,
    chat: ChatRequest,
    model: str,
    limits: Limits,
    *,
    also: Collection[str] = (),
) -> Plan:
    """Prepare an exchange. `model` is what the engine calls the model that the client asked for, as are `also`.

    Raises:
        RequestError: if the engine cannot do what the request asks for.
    """
    engine = able_to_complete(able_to_load(engine, chat), chat)
    reasoning = first_of(chat.reasoning, engine.config.reasoning)
    names = ToolNames(chat)
    asked = _for_engine(engine, names.to_engine(chat))
    if reasoning == "tags" and surface.name == _SPELLED:
        asked = msgspec.structs.replace(asked, messages=untagged(asked.messages))
    request = engine.dialect.request(msgspec.structs.replace(asked, model=model))
    watch = Watch()
    reading = Reading(
        ids=new_id,
        limits=limits,
        families=engine.families,
        tools=asked.declared(),
        starts_in_reasoning=None if chat.completion is not None else engine.config.starts_in_reasoning,
        whole_calls=engine.config.whole_calls,
    )
    writing = Writing(
        id=surface.new_id(new_id),
        created_s=int(time.time()),
        model=chat.model,
        include_usage=chat.include_usage,
        include_timings=chat.include_timings or "timings" in engine.config.extras,
        reasoning=reasoning,
    )
    encoder: Encoder = surface.encoder(writing) if chat.stream else WholeEncoder(surface, writing)
    stopwatch = Stopwatch()
    translator = Translator(
        engine.dialect.decoder(reading),
        encoder,
        watch,
        every_delta=not chat.stream,  # a whole reply is gathered of every one
        measure=lambda events: stopwatch.note(names.to_client(events), time.perf_counter()),
    )
    return Plan(
        engine.upstream,
        model,
        engine.dialect,
        surface,
        request,
        encoder,
        translator,
        watch,
        stopwatch,
        chat.stream,
        also,
        surface.keepalive(writing),
    )


def _for_engine(engine: Engine, chat: ChatRequest) -> ChatRequest:
    """The request, with what only the engine's configuration knows."""
    options, history = _options(engine, chat), engine.config.history_reasoning
    known = msgspec.structs.replace(chat, options=options, history=history)
    return call_ids.to_engine(known, engine.config.call_ids)


def _options(engine: Engine, chat: ChatRequest) -> dict[str, msgspec.Raw]:
    # llama.cpp looks whether its client has gone when it has something to say to it, and otherwise reads a prompt, of
    # minutes perhaps, to its end.
    return {**_PROGRESS, **chat.options} if engine.config.return_progress else chat.options


def dropped_headers(names: Sequence[str]) -> Headers:
    """The header that names the fields of a request that its engine cannot be told."""
    if not names:
        return []
    # A client's field may be called anything, a line end included.
    shown = [quote(name[:_DROPPED_CHARS_MAX], safe="._-[]") for name in names[:_DROPPED_MAX]]
    return [(b"x-headgate-dropped", ", ".join(shown).encode())]
