"""What is timed: each dialect on each surface, the ways through the translator, and the plan of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import headgate
from bench.micro.streams import STREAMS, reads, request
from bench.micro.timing import Case, Prepared
from headgate.config import Config, UpstreamConfig
from headgate.events import Event
from headgate.gateway.engines import engines
from headgate.gateway.plan import Plan, plan
from headgate.limits import DEFAULTS
from headgate.surfaces import surface, surfaces
from headgate.translator import Translator

TOKENS = 2000
REQUESTS = 200
COALESCED = 32

SURFACES = sorted(surfaces())


def chunk_name(dialect: str, name: str, *, markup: str = "auto", per_read: int = 1) -> str:
    """What a case is called, and how the gate finds it."""
    return f"{dialect} -> {name}, markup {markup}, {per_read} in a read"


def whole_name(per_read: int = 1) -> str:
    """The case that takes no shortcut."""
    return f"{chunk_name('openai', 'chat', per_read=per_read)}, the whole way"


def _fed(make: Callable[[], Translator], pieces: Sequence[bytes]) -> Callable[[], Prepared]:
    def prepare() -> Prepared:
        feed = make().feed
        return lambda: [feed(piece) for piece in pieces]

    return prepare


def _chunks(dialect: str, name: str, *, markup: str = "auto", per_read: int = 1) -> Case:
    def make() -> Translator:
        return headgate.translator(dialect, name, markup=markup, now_s=1)

    pieces = reads(STREAMS[dialect](TOKENS), per_read)
    return Case(chunk_name(dialect, name, markup=markup, per_read=per_read), _fed(make, pieces), TOKENS)


def _listen(events: Sequence[Event]) -> None:
    """Somebody who must hear every delta keeps the translator from its shortcut."""
    del events


def _whole_way(per_read: int) -> Case:
    def make() -> Translator:
        return Translator(headgate.decoder("openai"), headgate.encoder("chat", now_s=1), tap=_listen)

    return Case(whole_name(per_read), _fed(make, reads(STREAMS["openai"](TOKENS), per_read)), TOKENS)


def chunk_cases() -> Iterator[Case]:
    """What a chunk costs."""
    for per_read in (1, COALESCED):
        for dialect in STREAMS:
            for name in SURFACES:
                yield _chunks(dialect, name, per_read=per_read)
            yield _chunks(dialect, "chat", markup="off", per_read=per_read)
        yield _whole_way(per_read)


def _planned(body: bytes, **upstream: Any) -> Callable[[], Prepared]:
    config = UpstreamConfig(name="u", url="http://127.0.0.1:9", **upstream)
    [engine] = engines(Config(upstreams=(config,)), {}, {}, DEFAULTS)
    chat = surface("chat")

    def once() -> Plan:
        return plan(chat, engine, chat.parse("/v1/chat/completions", {}, body), "m", DEFAULTS)

    return lambda: lambda: [once() for _ in range(REQUESTS)]


def request_cases() -> Iterator[Case]:
    """What a request costs to read and to plan."""
    bodies = {
        "short": request(stream=True),
        "not streamed": request(),
        "10 tools": request(stream=True, tools=10),
        "100 kB": request(stream=True, prompt_bytes=100_000),
    }
    for name, body in bodies.items():
        yield Case(f"request, {name}", _planned(body), REQUESTS, "request")
    yield Case("request, short, markup off", _planned(bodies["short"], markup=()), REQUESTS, "request")
    yield Case("request, short, to ollama", _planned(bodies["short"], dialect="ollama"), REQUESTS, "request")


def all_cases() -> list[Case]:
    """Every case."""
    return [*chunk_cases(), *request_cases()]
