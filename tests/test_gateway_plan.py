"""What an upstream's configuration does to the reading of its replies."""

from __future__ import annotations

import json

import pytest

from headgate.config import Config, UpstreamConfig
from headgate.gateway.engines import engines
from headgate.gateway.plan import plan
from headgate.limits import DEFAULTS
from headgate.surfaces import surface

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
    translator = plan(surface("chat"), engine, chat, "m", DEFAULTS).translator

    out = translator.feed(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode())

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
