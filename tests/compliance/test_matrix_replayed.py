"""Ordinary exchanges with engines that do not run here, replayed behind the gateway: each comes to its message."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import pytest
from matrix.asking import PATH, WAYS, Way, fields_of
from matrix.page import ordinary
from oracle.folders import Case
from oracle.wire import Choice, read
from recording import ask

from headgate.cassette import Cassette
from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.messages import HttpRequest
from headgate.record.folders import load_one
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

CHATS = {PATH: "openai", "/api/chat": "ollama"}
ENGINES = {"Ollama", "ollama", "vLLM", "SGLang", "mlx-lm", "LM Studio"}
CASES = [case for case in ordinary() if case.engine in ENGINES and case.path in CHATS]
"""What a surface makes of each quirk is tested where the surface is."""


class Stand(NamedTuple):
    """A gateway whose engines answer every chat with the one cassette that lies in `tape`."""

    url: str
    tape: list[Cassette]


@pytest.fixture(scope="module")
def stand() -> Generator[Stand]:
    tape: list[Cassette] = []

    def chooser(_: Sequence[Cassette], request: HttpRequest) -> Cassette | None:
        return tape[0] if request.path == tape[0].path else None

    upstreams = {name: ReplayUpstream(name, (), speed=0, chooser=chooser) for name in CHATS.values()}
    configured = tuple(
        UpstreamConfig(name=name, url="http://127.0.0.1:9", dialect=name, models=("m",)) for name in upstreams
    )
    with serving(create_app(Config(upstreams=configured), upstreams=upstreams)) as url:
        yield Stand(url, tape)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_client_gets_the_message_of_the_exchange(stand: Stand, case: Case, way: Way) -> None:
    stand.tape[:] = [load_one(case.folder)]

    got = ask(stand.url, "POST", PATH, body_of(case, way), {"content-type": "application/json"})

    if got.status < 400 and way == "streamed":
        assert [] == check_stream(got.body)
    (choice,) = read(PATH, got.status, got.body)

    assert [message(expected) for expected in case.messages or ()] == [client_message(choice)]


def body_of(case: Case, way: Way) -> bytes:
    """The request that a client makes for the exchange: only what is declared decides how it is read."""
    declared = {name: case.request[name] for name in ("tools", "tool_choice") if case.request.get(name)}
    asked = {"model": f"{CHATS[case.path]}/m", "messages": [{"role": "user", "content": "?"}]}
    return json.dumps(asked | declared | fields_of(way)).encode()


def message(expected: dict[str, Any]) -> dict[str, Any]:
    """What of a message a client of chat completions can see, however it is told."""
    error = expected["error"]
    if error is not None:
        return {"error": error["message"]}
    calls = [call["function"] for call in expected["tool_calls"]]
    return {
        "content": expected["content"] or "",
        "reasoning": expected["reasoning_content"] or "",
        "calls": [(call["name"], call["arguments"]) for call in calls],
        "finish": expected["finish_reason"],
    }


def client_message(choice: Choice) -> dict[str, Any]:
    """The same of what a client got."""
    if choice.error is not None:
        return {"error": choice.error["message"]}
    return {
        "content": choice.content,
        "reasoning": choice.reasoning,
        "calls": [(call.name, call.arguments) for call in choice.calls],
        "finish": choice.reason,
    }
