"""What a short request costs before its engine is asked, in calls: the one measure that is the same on every machine.

The limits leave room for a feature, and none for work that is the same for every request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from headgate.config import Config, UpstreamConfig
from headgate.gateway.engines import engines
from headgate.gateway.plan import plan
from headgate.limits import DEFAULTS
from headgate.surfaces import surfaces

TURNS = b'"messages":[{"role":"user","content":"hello"}]'
BODIES = {
    "/v1/chat/completions": b'{"model":"m",%b,"temperature":0.7,"max_tokens":2048,"stream":true}' % TURNS,
    "/v1/completions": b'{"model":"m","prompt":"hello","temperature":0.7,"max_tokens":2048,"stream":true}',
    "/v1/messages": b'{"model":"m",%b,"max_tokens":2048,"temperature":0.7,"stream":true}' % TURNS,
    "/api/chat": b'{"model":"m",%b,"options":{"temperature":0.7},"stream":true}' % TURNS,
    "/api/generate": b'{"model":"m","prompt":"hello","options":{"temperature":0.7},"stream":true}',
}
SURFACES = {path: one for one in surfaces().values() for path in one.paths}


def calls(run: Callable[[], object]) -> int:
    """How many functions a run calls, of Python and of C, once everything that is kept has been made."""
    run()
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("path", BODIES)
def test_a_short_request_is_read_in_few_calls(path: str) -> None:
    assert 20 < calls(lambda: SURFACES[path].parse(path, {}, BODIES[path])) < 65


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
@pytest.mark.parametrize("path", BODIES)
def test_an_exchange_is_prepared_in_few_calls(path: str, dialect: str) -> None:
    upstream = UpstreamConfig(name="u", url="http://127.0.0.1:9", dialect=dialect)
    [engine] = engines(Config(upstreams=(upstream,)), {}, {}, DEFAULTS)
    chat = SURFACES[path].parse(path, {}, BODIES[path])

    assert 30 < calls(lambda: plan(SURFACES[path], engine, chat, "m", DEFAULTS).prepare(0.0)) < 85
