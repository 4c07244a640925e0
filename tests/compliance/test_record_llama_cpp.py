"""A real llama.cpp server, recorded, replayed and recorded again: nothing of it changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from real_engine import llama_cpp
from recording import ask, recorded, recordings, relayed

from headgate.record.match import Match, Matcher
from headgate.upstream.replay import ReplayUpstream

CHATS = [
    {"messages": [{"role": "user", "content": text}], "stream": stream}
    for text in ("what is your name?", "say something in unicode", "list the files")
    for stream in (True, False)
]
ASKED = [
    *(("POST", "/v1/chat/completions", json.dumps(chat).encode()) for chat in CHATS),
    ("POST", "/completion", b'{"prompt": "a", "n_predict": 4}'),
    ("GET", "/v1/models", b""),
    ("GET", "/health", b""),
]


@pytest.mark.parametrize("match", [Match.EXACT, Match.LOOSE, Match.ORDER])
def test_a_replay_of_a_real_engine_is_recorded_as_the_engine_was(match: Match, tmp_path: Path) -> None:
    def ask_all(url: str) -> list[bytes]:
        return [ask(url, *one, {"content-type": "application/json"}).body for one in ASKED]

    with llama_cpp("hermes") as engine, recorded(engine, tmp_path / "first") as url:
        said = ask_all(url)
        first = recordings(tmp_path / "first")
    matcher = Matcher({str(number): one for number, one in enumerate(first)}, match)
    replay = ReplayUpstream("replay", first, speed=0, chooser=matcher)
    with relayed(replay) as replayed, recorded(replayed, tmp_path / "second") as url:
        again = ask_all(url)
        second = recordings(tmp_path / "second")

    assert said == again == [one.response for one in first]
    assert all(said)
    assert [(one.request, one.response) for one in first] == [(one.request, one.response) for one in second]
    assert {()} == {one.meta.masks for one in first}
    assert {"complete"} == {one.meta.ended for one in first}
