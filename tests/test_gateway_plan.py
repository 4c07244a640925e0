"""What an upstream's configuration does to the reading of its replies."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest

from headgate.config import Config, UpstreamConfig
from headgate.gateway.engines import engines
from headgate.gateway.plan import Plan, plan
from headgate.limits import DEFAULTS
from headgate.messages import HttpRequest
from headgate.surfaces import surface
from headgate.upstream.base import Receiver

CUT = '<|channel|>commentary to=functions.run <|constrain|>json<|message|>{"command": "l'


@pytest.mark.parametrize("whole_calls", [True, False])
def test_whole_calls_holds_a_call_until_it_is_whole(*, whole_calls: bool) -> None:
    """The configured value reaches the decoder: a call that was cut then stays text, and nobody began to run it."""
    config = Config(upstreams=(UpstreamConfig(name="u", url="http://127.0.0.1:9", whole_calls=whole_calls),))
    [engine] = engines(config, {}, {}, DEFAULTS)
    chat = surface("chat").parse(
        "/v1/chat/completions",
        {},
        b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}],'
        b'"tools":[{"type":"function","function":{"name":"run"}}]}',
    )
    chunk = {"choices": [{"index": 0, "delta": {"content": CUT}, "finish_reason": "stop"}]}
    prepared = plan(surface("chat"), engine, chat, "m", DEFAULTS)
    prepared.prepare(0.0)

    out = prepared.translator.feed(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode())

    assert (not whole_calls) == (b'"tool_calls"' in out)
    assert whole_calls == out.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("configured", "asked", "sent"),
    [(True, b"", True), (False, b"", None), (True, b'"return_progress":false,', False)],
)
def test_return_progress_is_asked_for_where_it_is_configured(
    *, configured: bool, asked: bytes, sent: bool | None
) -> None:
    """A client that says what it wants gets that; other engines are not asked what they do not know."""
    config = Config(upstreams=(UpstreamConfig(name="u", url="http://127.0.0.1:9", return_progress=configured),))
    [engine] = engines(config, {}, {}, DEFAULTS)
    body = b'{"model":"m",' + asked + b'"messages":[{"role":"user","content":"x"}]}'
    chat = surface("chat").parse("/v1/chat/completions", {}, body)

    request = plan(surface("chat"), engine, chat, "m", DEFAULTS).request

    assert sent is json.loads(request.body).get("return_progress")


NOBODY: Any = None
"""Who hears nothing."""


class Asked:
    """An upstream, and the call that it gives; it never answers."""

    name = "u"

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.aborted = False

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Any:
        del receiver
        self.requests.append(request)
        return self

    def abort(self) -> None:
        self.aborted = True


def planned(upstream: Any) -> Plan:
    config = Config(upstreams=(UpstreamConfig(name="u", url="http://127.0.0.1:9"),))
    [engine] = engines(config, {"u": upstream}, {}, DEFAULTS)
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
    return plan(surface("chat"), engine, surface("chat").parse("/v1/chat/completions", {}, body), "m", DEFAULTS)


def test_what_reads_the_reply_is_made_when_the_engine_was_asked() -> None:
    """So that an engine's time is not spent waiting; and a prompt is not kept while its reply is read."""
    upstream = Asked()
    prepared = planned(upstream)
    assert not hasattr(prepared, "translator")

    call: object = prepared.ask(NOBODY)

    assert upstream is call
    assert ["/v1/chat/completions"] == [request.path for request in upstream.requests]
    assert b"" == prepared.translator.feed(b"")
    assert not upstream.aborted
    assert not hasattr(prepared, "request")
    assert not any("Request" in type(getattr(prepared, name, None)).__name__ for name in Plan.__slots__)


def test_an_engine_whose_reply_cannot_be_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialect of somebody else may fail to make a decoder; by then its engine works already."""
    upstream = Asked()
    prepared = planned(upstream)

    def broken(*_given: object) -> None:
        raise KeyError("no decoder")

    monkeypatch.setattr(type(prepared), "prepare", broken)

    with pytest.raises(KeyError):
        prepared.ask(NOBODY)
    assert upstream.aborted


def test_a_plan_is_freed_without_the_collector() -> None:
    """One cycle per request would feed the collector on a busy gateway."""
    upstream = Asked()
    prepared = planned(upstream)
    prepared.prepare(0.0)
    gone = weakref.ref(upstream)
    gc.disable()
    try:
        del prepared, upstream
        assert gone() is None
    finally:
        gc.enable()
