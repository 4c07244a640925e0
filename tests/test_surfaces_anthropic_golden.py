"""Golden folders of Anthropic's surface: `tests/fixtures/surfaces/anthropic/replies/` and `.../requests/`.

A reply's folder holds canonical events, and what becomes of them, streamed and whole. A request's folder holds what a
client sends, and what each kind of engine is asked. The derived files are rewritten with HEADGATE_GOLDEN=rewrite and
reviewed in the diff.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from anthropic_reader import read, read_whole
from surface_goldens import events_of, golden, whole_of

from headgate.conform import check_events, check_stream
from headgate.dialects import dialect
from headgate.errors import RequestError
from headgate.surfaces import surface
from headgate.surfaces.base import Writing

FOLDER = Path(__file__).parent / "fixtures" / "surfaces" / "anthropic"
REPLIES = sorted((FOLDER / "replies").iterdir())
REQUESTS = sorted((FOLDER / "requests").iterdir())
ANTHROPIC = surface("anthropic")
WRITING = Writing("msg_1", 7, "asked")


@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_a_reply_has_its_golden_bytes(folder: Path) -> None:
    events = events_of(folder)
    writes = ANTHROPIC.encoder(WRITING)
    data = writes.feed(events) + writes.close()

    assert [] == check_events(events)
    golden(folder / "stream.sse", data)
    golden(folder / "whole.http", whole_of(ANTHROPIC, WRITING, events))
    assert [] == check_stream(data, "anthropic")
    assert writes.done
    assert (b"event: error\n" in data) == writes.failed


@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_events_one_by_one_give_the_same_bytes(folder: Path) -> None:
    writes = ANTHROPIC.encoder(WRITING)
    data = b"".join(writes.feed([event]) for event in events_of(folder))

    assert (folder / "stream.sse").read_bytes() == data


@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_the_whole_reply_says_what_the_stream_says(folder: Path) -> None:
    """A client that turns streaming off must not get another answer."""
    streamed = read((folder / "stream.sse").read_bytes())
    status, _, body = (folder / "whole.http").read_bytes().partition(b"\n")
    if b"200" != status:
        assert streamed.error == json.loads(body)["error"]
        return
    whole = read_whole(body)
    if streamed.error is not None:
        # The call had begun before anybody knew that it would not end; a whole reply leaves it out.
        assert "tool_call_incomplete" == streamed.error["code"]
        return

    assert [block for block in streamed.blocks if not block.cut] == whole.blocks
    assert streamed.ended() == whole.ended()


@pytest.mark.parametrize("engine", ["ollama", "openai"])
@pytest.mark.parametrize("folder", REQUESTS, ids=lambda folder: folder.name)
def test_a_request_becomes_its_golden_request(folder: Path, engine: str) -> None:
    chat = ANTHROPIC.parse("/v1/messages", {}, (folder / "request.json").read_bytes())
    told: dict[str, Any]
    try:
        asked = dialect(engine).request(chat)
        told = {"path": asked.path, "body": json.loads(asked.body), "dropped": asked.dropped, "streams": chat.stream}
    except RequestError as refused:
        told = {"status": refused.status, "param": refused.param, "message": refused.message}

    golden(folder / f"to_{engine}.json", json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")


def test_every_folder_says_what_it_shows() -> None:
    folders = [*REPLIES, *REQUESTS]

    assert all(tomllib.loads((folder / "meta.toml").read_text())["shows"].endswith(".") for folder in folders)
    assert 40 < len(folders)
