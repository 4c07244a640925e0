"""Golden folders of Ollama's surface: `tests/fixtures/surfaces/ollama/replies/` and `.../requests/`.

A reply's folder holds canonical events, and what each path writes of them, streamed and whole. A request's folder holds
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
from headgate.surfaces import surface
from headgate.surfaces.base import Writing

FOLDER = Path(__file__).parent / "fixtures" / "surfaces" / "ollama"
REPLIES = sorted((FOLDER / "replies").iterdir())
REQUESTS = sorted((FOLDER / "requests").iterdir())
SURFACES = {"ollama": "chat", "ollama_generate": "generate"}
WRITING = Writing("id", 1795221199, "asked")


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_a_reply_has_its_golden_bytes(folder: Path, name: str) -> None:
    events = events_of(folder)
    writes = surface(name).encoder(WRITING)
    data = writes.feed(events) + writes.close()

    assert [] == check_events(events)
    golden(folder / f"{SURFACES[name]}.ndjson", data)
    golden(folder / f"{SURFACES[name]}.whole", whole_of(surface(name), WRITING, events))
    assert [] == check_stream(data, name)


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("folder", REPLIES, ids=lambda folder: folder.name)
def test_the_whole_reply_says_what_the_stream_says(folder: Path, name: str) -> None:
    """A client that turns streaming off must not get another answer, nor another verdict."""
    lines = [json.loads(line) for line in (folder / f"{SURFACES[name]}.ndjson").read_bytes().split(b"\n")[:-1]]
    status, _, body = (folder / f"{SURFACES[name]}.whole").read_bytes().partition(b"\n")
    reply = json.loads(body)
    if "error" in lines[-1]:
        assert (lines[-1], True) == (reply, int(status) >= 400)
        return

    assert b"200" == status
    said = [line.get("message", line) for line in lines]
    got = reply.get("message", reply)
    key = "content" if "message" in reply else "response"
    assert "".join(one[key] for one in said) == got[key]
    assert "".join(one.get("thinking", "") for one in said) == got.get("thinking", "")
    assert [call for one in said for call in one.get("tool_calls", ())] == got.get("tool_calls", [])
    assert [one for line in lines for one in line.get("logprobs", ())] == reply.get("logprobs", [])
    assert ends(lines[-1]) == ends(reply)


def ends(line: dict[str, Any]) -> dict[str, Any]:
    said = {"message", "response", "thinking", "tool_calls", "logprobs"}
    return {name: value for name, value in line.items() if name not in said}


@pytest.mark.parametrize("engine", ["ollama", "openai"])
@pytest.mark.parametrize("folder", REQUESTS, ids=lambda folder: folder.name)
def test_a_request_becomes_its_golden_request(folder: Path, engine: str) -> None:
    path = tomllib.loads((folder / "meta.toml").read_text())["path"]
    served = surface("ollama" if path == "/api/chat" else "ollama_generate")
    chat = served.parse(path, {}, (folder / "request.json").read_bytes())
    asked = dialect(engine).request(chat)
    told = {"path": asked.path, "body": json.loads(asked.body), "dropped": asked.dropped, "streams": chat.stream}

    golden(folder / f"to_{engine}.json", json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")


def test_every_folder_says_what_it_shows() -> None:
    folders = [*REPLIES, *REQUESTS]

    assert all(tomllib.loads((folder / "meta.toml").read_text())["shows"].endswith((".", "!")) for folder in folders)
    assert 20 < len(folders)
