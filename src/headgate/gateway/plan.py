"""A client's request, and the engine that is to answer it -> everything that their exchange needs."""

from __future__ import annotations

import time
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
from headgate.stopwatch import Measure, Stopwatch
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

    heard = False
    begun = False
    model: str | None = None
    error: StreamError | None = None
    usage: Usage | None = None

    def __init__(self) -> None:
        self.repairs: dict[str, int] = {}

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
                self.repairs[event.code] = self.repairs.get(event.code, 0) + 1
            case _:
                pass


class Plan(NamedTuple):
    """One exchange, before it begins.

    `model` is what the engine calls the model, and `also` are other names it has for it; `streamed` says that the
    client wants a stream. The stopwatch is to be started when the engine is asked, by `time.perf_counter()`.
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
    writing: Writing
    also: Collection[str] = ()

    @property
    def keepalive(self) -> bytes:
        """What keeps the client waiting; few have to, so it is made when it is sent."""
        return self.surface.keepalive(self.writing)

    @property
    def answered_model(self) -> str | None:
        """The model that the engine says it is, if that is another one than it was asked for."""
        answered = self.watch.model
        if answered == self.model or not is_other_model(self.model, answered, self.also):
            return None
        return answered

    def headers(self, body: bytes) -> Headers:
        """The headers of the reply whose first bytes, or only bytes, are `body`."""
        kind = (b"content-type", self.surface.media_type.encode())
        head = [kind, (b"cache-control", b"no-cache")] if self.streamed else json_headers(body)
        # nginx and its kin would gather a stream before they pass it on.
        head.append((b"x-accel-buffering", b"no"))
        return [*head, *dropped_headers(self.request.dropped)] if self.request.dropped else head

    def identity(self) -> Sequence[tuple[bytes, bytes]]:
        """The headers that say who answers, as far as that is known."""
        headers, answered = engine_errors.identity(self.upstream.name, self.model), self.answered_model
        if answered is None:
            return headers
        return (*headers, (b"x-headgate-answered-model", journal.safe(answered).encode()))

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
    asked = _for_engine(engine, names.to_engine(chat), model)
    if reasoning == "tags" and surface.name == _SPELLED:
        asked = msgspec.structs.replace(asked, messages=untagged(asked.messages))
    request = engine.dialect.request(asked)
    watch, stopwatch = Watch(), Stopwatch()
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
    translator = Translator(
        engine.dialect.decoder(reading),
        encoder,
        watch,
        every_delta=not chat.stream,  # a whole reply is gathered of every one
        measure=_measure(stopwatch, names),
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
        writing,
        also,
    )


def _measure(stopwatch: Stopwatch, names: ToolNames) -> Measure:
    if names.differ:
        return lambda events: stopwatch.note(names.to_client(events), time.perf_counter())
    return lambda events: stopwatch.note(events, time.perf_counter())


def _for_engine(engine: Engine, chat: ChatRequest, model: str) -> ChatRequest:
    """The request, with the engine's name for the model, and with what only its configuration knows."""
    config, options = engine.config, chat.options
    if config.return_progress:
        # llama.cpp looks whether its client has gone when it has something to say to it, and otherwise reads a prompt,
        # of minutes perhaps, to its end.
        options = {**_PROGRESS, **options}
    if options is not chat.options or chat.model != model or chat.history != config.history_reasoning:
        chat = msgspec.structs.replace(chat, model=model, options=options, history=config.history_reasoning)
    return call_ids.to_engine(chat, config.call_ids)


def dropped_headers(names: Sequence[str]) -> Headers:
    """The header that names the fields of a request that its engine cannot be told."""
    if not names:
        return []
    # A client's field may be called anything, a line end included.
    shown = [quote(name[:_DROPPED_CHARS_MAX], safe="._-[]") for name in names[:_DROPPED_MAX]]
    return [(b"x-headgate-dropped", ", ".join(shown).encode())]
