"""A client's request, and the engine that is to answer it -> everything that their exchange needs."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from headgate import call_ids
from headgate.dialects.base import Reading
from headgate.errors import UpstreamError
from headgate.events import StreamError
from headgate.gateway import engine_errors, journal
from headgate.gateway.asgi import Headers, json_headers
from headgate.gateway.completing import able_to_complete
from headgate.gateway.engines import Engine
from headgate.gateway.loading import able_to_load
from headgate.gateway.watch import Watch
from headgate.gateway.whole import WholeEncoder
from headgate.library import new_id
from headgate.limits import Limits
from headgate.messages import ChatRequest, HttpRequest, Spelling
from headgate.naming import is_other_model
from headgate.spelling import first_of, untagged
from headgate.surfaces.base import Encoder, Surface, Writing
from headgate.tool_names import ToolNames
from headgate.translator import Translator
from headgate.upstream.base import Call, Receiver

_DROPPED_MAX = 32
"""Names in `x-headgate-dropped`: a client may invent fields without end, and headers have one."""
_DROPPED_CHARS_MAX = 64
_PROGRESS = {"return_progress": msgspec.Raw(b"true")}
_SPELLED = "chat"
"""The surface whose format has no word of its own for thoughts, and writes them as its client reads them."""
_UNBUFFERED = (b"x-accel-buffering", b"no")
"""nginx and its kin would gather a stream before they pass it on."""


class _Unread(NamedTuple):
    """What is needed once more to read the reply."""

    engine: Engine
    limits: Limits
    chat: ChatRequest
    asked: ChatRequest
    names: ToolNames
    reasoning: Spelling


class Plan:
    """One exchange: what to ask and whom, and, once that was asked, how to read the reply.

    `ask` sends `request`, which is let go then, and makes what reads the reply: `watch`, `encoder`, `translator`.
    `model` is what the engine calls the model; `streamed` says that the client wants a stream.
    """

    __slots__ = (
        "_also",
        "_answered",
        "_dialect",
        "_dropped",
        "_seen",
        "_unread",
        "_writing",
        "encoder",
        "model",
        "request",
        "streamed",
        "surface",
        "translator",
        "upstream",
        "watch",
    )
    encoder: Encoder
    translator: Translator
    watch: Watch
    _writing: Writing

    def __init__(
        self, surface: Surface, unread: _Unread, request: HttpRequest, model: str, also: Collection[str]
    ) -> None:
        self.upstream = unread.engine.upstream
        self.surface = surface
        self.request = request
        self.model = model
        self.streamed = unread.chat.stream
        self._unread = unread
        self._dialect = unread.engine.dialect
        self._dropped = request.dropped
        self._also = also
        self._seen: str | None = None  # the name for which it was seen whether it is another model's
        self._answered: str | None = None

    def ask(self, receiver: Receiver, /) -> Call:
        """Ask the engine, and make what reads its reply: it takes longer to answer than that does.

        Raises:
            UsageError: as `Upstream.open` does.
        """
        sent_s = time.perf_counter()
        call = self.upstream.open(self.request, receiver)
        try:
            self.prepare(sent_s)
        except BaseException:
            call.abort()  # nobody could read what it says
            raise
        return call

    def prepare(self, sent_s: float) -> None:
        """Make what reads the reply; `sent_s` is when the engine is asked, by `time.perf_counter()`."""
        unread = self._unread
        self._writing = writing = _writing_of(self.surface, unread)
        self.watch = watch = Watch(unread.names, sent_s)
        streamed = self.streamed
        self.encoder = self.surface.encoder(writing) if streamed else WholeEncoder(self.surface, writing)
        decoder = self._dialect.decoder(_reading_of(unread))
        # A whole reply is gathered of every delta.
        self.translator = Translator(decoder, self.encoder, watch, every_delta=not streamed, measure=watch.measure)
        del self._unread, self.request  # a prompt may be long, and so may its reply

    @property
    def keepalive(self) -> bytes:
        """What keeps the client waiting; few have to, so it is made when it is sent."""
        return self.surface.keepalive(self._writing)

    @property
    def answered_model(self) -> str | None:
        """The model that the engine says it is, if that is another one than it was asked for."""
        answered = self.watch.model
        if answered is not self._seen:
            self._seen = answered
            is_other = is_other_model(self.model, answered, self._also)
            self._answered = answered[: journal.NAME_CHARS_READ] if answered and is_other else None
        return self._answered

    def headers(self, body: bytes) -> Headers:
        """The headers of the reply whose first bytes, or only bytes, are `body`."""
        head = [*_stream_headers(self.surface.media_type)] if self.streamed else json_headers(body)
        head.append(_UNBUFFERED)
        return [*head, *dropped_headers(self._dropped)] if self._dropped else head

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
        return engine_errors.refusal(self.upstream.name, self._dialect, status, body)

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
    if chat.completion is not None or not chat.messages:
        engine = able_to_complete(able_to_load(engine, chat), chat)
    reasoning = first_of(chat.reasoning, engine.config.reasoning)
    names = ToolNames(chat)
    asked = _for_engine(engine, names.to_engine(chat), model)
    if reasoning == "tags" and surface.name == _SPELLED:
        asked = msgspec.structs.replace(asked, messages=untagged(asked.messages))
    request = engine.dialect.request(asked)
    return Plan(surface, _Unread(engine, limits, chat, asked, names, reasoning), request, model, also)


def _reading_of(unread: _Unread) -> Reading:
    engine = unread.engine
    starts_in_reasoning = None if unread.chat.completion is not None else engine.config.starts_in_reasoning
    tools, whole_calls = unread.asked.declared(), engine.config.whole_calls
    return Reading(new_id, unread.limits, engine.families, tools, starts_in_reasoning, whole_calls=whole_calls)


def _writing_of(surface: Surface, unread: _Unread) -> Writing:
    chat = unread.chat
    include_timings = chat.include_timings or "timings" in unread.engine.config.extras
    own_id, created_s = surface.new_id(new_id), int(time.time())
    return Writing(own_id, created_s, chat.model, chat.include_usage, include_timings, unread.reasoning)


@lru_cache(maxsize=32)
def _stream_headers(media_type: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-type", media_type.encode()), (b"cache-control", b"no-cache"))


def _for_engine(engine: Engine, chat: ChatRequest, model: str) -> ChatRequest:
    """The request, with the engine's name for the model, and with what only its configuration knows."""
    config, options = engine.config, chat.options
    if config.return_progress:
        # llama.cpp looks whether its client has gone when it has something to say to it, and otherwise reads a prompt,
        # of minutes perhaps, to its end.
        options = {**_PROGRESS, **options}
    if options is not chat.options or chat.model != model or chat.history != config.history_reasoning:
        chat = msgspec.structs.replace(chat, model=model, options=options, history=config.history_reasoning)
    return chat if config.call_ids == "any" else call_ids.to_engine(chat, config.call_ids)


def dropped_headers(names: Sequence[str]) -> Headers:
    """The header that names the fields of a request that its engine cannot be told."""
    if not names:
        return []
    # A client's field may be called anything, a line end included.
    shown = [quote(name[:_DROPPED_CHARS_MAX], safe="._-[]") for name in names[:_DROPPED_MAX]]
    return [(b"x-headgate-dropped", ", ".join(shown).encode())]
