"""Recorded, replayed and recorded again, every exchange keeps its bytes: through real sockets, streamed and whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from recording import ask, recorded, recordings, relayed

from headgate.cassette import Cassette
from headgate.record.folders import load
from headgate.record.match import Match, Matcher
from headgate.upstream.replay import ReplayUpstream

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = [FIXTURES / "dialects" / "openai", FIXTURES / "dialects" / "ollama", FIXTURES / "endpoints"]


def play(cassettes: Sequence[Cassette], directory: Path) -> list[Cassette]:
    """Replay them in their order, with a recorder before the replay."""
    named = {str(number): one for number, one in enumerate(cassettes)}
    engine = ReplayUpstream("replay", cassettes, speed=0, chooser=Matcher(named, Match.ORDER))
    with relayed(engine) as replayed, recorded(replayed, directory) as url:
        for one in cassettes:
            ask(url, one.method, one.path, one.request, {"content-type": "application/json"})
        return recordings(directory)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_fixture_survives_two_recordings(folder: Path, tmp_path: Path) -> None:
    cassettes = list(load([folder]).values())

    first = play(cassettes, tmp_path / "first")
    second = play(first, tmp_path / "second")

    assert len(cassettes) >= 8
    for before, *after in zip(cassettes, first, second, strict=True):
        for one in after:
            assert (before.request, before.response) == (one.request, one.response)
            assert (before.method, before.path, before.meta.status) == (one.method, one.path, one.meta.status)
            assert (before.meta.content_type, before.meta.truncated) == (one.meta.content_type, one.meta.truncated)
            assert () == one.meta.masks  # nothing in them is a key, so nothing may be taken for one
