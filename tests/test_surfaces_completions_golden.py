"""Golden folders of text completions: `tests/fixtures/surfaces/completions/replies/` and `.../requests/`.

A reply's folder holds canonical events, and what a client gets of them, streamed and whole. A request's folder holds
what a client sends, and what each kind of engine is asked. The derived files are rewritten with HEADGATE_GOLDEN=rewrite
and reviewed in the diff.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from surface_goldens import events_of, golden, whole_of

from headgate.conform import check_events, check_stream
from headgate.dialects import dialect
from headgate.errors import RequestError
from headgate.surfaces import surface
from headgate.surfaces.base import Writing

FOLDER = Path(__file__).parent / "fixtures" / "surfaces" / "completions"
REPLIES = sorted((FOLDER / "replies").iterdir())
REQUESTS = sorted((FOLDER / "requests").iterdir())
SURFACE = surface("completions")
WRITING = Writing("cmpl-1", 1795221199, "asked", include_usage=True, include_timings=True)


@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_a_reply_has_its_golden_bytes(folder: Path) -> None:
    events = events_of(folder)
    writes = SURFACE.encoder(WRITING)
    data = writes.feed(events) + writes.close()

    assert [] == check_events(events)
    golden(folder / "stream.sse", data)
    golden(folder / "reply.whole", whole_of(SURFACE, WRITING, events))
    assert [] == check_stream(data, "completions")


@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_the_whole_reply_says_what_the_stream_says(folder: Path) -> None:
    """A client that turns streaming off must not get another answer, nor another verdict."""
    stream = (folder / "stream.sse").read_bytes()
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in stream.split(b"\n\n")[:-1] if b"[DONE]" not in line]
    status, _, body = (folder / "reply.whole").read_bytes().partition(b"\n")
    reply = json.loads(body)
    if "error" in chunks[-1]:
        assert (chunks[-1], True) == (reply, int(status) >= 400)
        return

    assert b"200" == status
    usage, timings = (next((chunk[key] for chunk in chunks if key in chunk), None) for key in ("usage", "timings"))
    assert (usage, timings) == (reply.get("usage"), reply.get("timings"))
    for choice in reply["choices"]:
        said = [one for chunk in chunks for one in chunk["choices"] if one["index"] == choice["index"]]
        assert choice["text"] == "".join(one["text"] for one in said)
        assert choice["finish_reason"] == said[-1]["finish_reason"]
        assert choice["logprobs"] == joined([one["logprobs"] for one in said if one["logprobs"]])


def joined(told: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The lists of several chunks behind each other; where one has no alternatives, it says so for each token."""
    if not told:
        return None
    names = ("tokens", "token_logprobs", "text_offset")
    others = [one["top_logprobs"] or [{}] * len(one["tokens"]) for one in told]
    top = [entry for one in others for entry in one] if any(one["top_logprobs"] for one in told) else None
    return {name: [entry for one in told for entry in one[name]] for name in names} | {"top_logprobs": top}


@pytest.mark.parametrize("engine", ["llamacpp", "ollama", "openai"])
@pytest.mark.parametrize("folder", REQUESTS, ids=lambda folder: folder.name)
def test_a_request_becomes_its_golden_request(folder: Path, engine: str) -> None:
    chat = SURFACE.parse("/v1/completions", {}, (folder / "request.json").read_bytes())
    golden(folder / f"to_{engine}.json", json.dumps(told(engine, chat), indent=2, ensure_ascii=False).encode() + b"\n")


def told(engine: str, chat: Any) -> dict[str, Any]:
    try:
        asked = dialect(engine).request(chat)
    except RequestError as refused:
        return {"refused": refused.message, "param": refused.param, "status": refused.status}
    return {"path": asked.path, "body": json.loads(asked.body), "dropped": asked.dropped, "streams": chat.stream}


def test_every_folder_says_what_it_shows() -> None:
    folders = [*REPLIES, *REQUESTS]

    assert all(tomllib.loads((folder / "meta.toml").read_text())["shows"].endswith(".") for folder in folders)
    assert 20 < len(folders)
