"""Every surface over every dialect: the same replies from each engine are the same to each client.

The work is M + N and the test runs M x N. `tests/fixtures/matrix/replies/` has a folder for each reply: `reply.json`
says what it is, `engines/` has it as each kind of engine puts it on the wire, and `clients/` as each kind of client is
given it. `.../requests/` has the same conversation as clients send it, and as engines are asked. The clients' files are
read here by readers that share nothing with the encoders; they are rewritten with HEADGATE_GOLDEN=rewrite.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pieces import numbered
from surface_readers import READERS, Told, chat_stream, chat_whole, tagged

import headgate
from headgate.conform import check_stream
from headgate.dialects import dialect, dialects
from headgate.gateway.whole import WholeEncoder
from headgate.messages import Spelling
from headgate.surfaces import surface, surfaces
from headgate.surfaces.base import Encoder, Writing
from headgate.translator import Translator

FOLDER = Path(__file__).parent / "fixtures" / "matrix"
REPLIES = sorted((FOLDER / "replies").iterdir())
REQUESTS = sorted((FOLDER / "requests").iterdir())
ENGINES = [raw for folder in REPLIES for raw in sorted((folder / "engines").iterdir())]
REWRITE = os.environ.get("HEADGATE_GOLDEN") == "rewrite"
FIRST = "openai.llamacpp"
COUNTLESS = {"text"}
"""Dialects that tell no usage."""


def told_of(folder: Path) -> Told:
    """What a reply is, as its folder says."""
    body = json.loads((folder / "reply.json").read_text(encoding="utf-8"))
    calls = tuple((call_id, name, arguments) for call_id, name, arguments in body["calls"])
    return Told(body["text"], body["reasoning"], calls, body["finish"], body["usage"] and tuple(body["usage"]))


def dialect_of(raw: Path) -> str:
    return raw.name.partition(".")[0]


def expected_of(raw: Path, name: str) -> Told:
    """What a client of this surface is told of it."""
    told = told_of(raw.parents[1])
    if dialect_of(raw) in COUNTLESS:
        told = told._replace(usage=None)
    if "completions" == name:
        # This API has no word for calls, which are a failure, and leaves thoughts out.
        told = told._replace(reasoning="", calls=())
        return Told(told.text) if told_of(raw.parents[1]).calls else told
    return told


def written(raw: bytes, kind: str, writes: Encoder, step: int) -> tuple[bytes, bool]:
    """What the client is given, and whether it was a failure."""
    reads = headgate.decoder(kind, tools=["run_command"], ids=numbered())
    translator = Translator(reads, writes)
    pieces = [raw[place : place + step] for place in range(0, len(raw), step)]
    return b"".join(map(translator.feed, pieces)) + translator.close(), translator.failed


def writing(reasoning: Spelling = "reasoning_content") -> Writing:
    return Writing("id", 1795221199, "asked", include_usage=True, reasoning=reasoning)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("raw", ENGINES, ids=lambda raw: f"{raw.parents[1].name}/{raw.stem}")
def test_every_client_streams_the_same_reply_from_every_engine(raw: Path, name: str) -> None:
    expected, data = expected_of(raw, name), b""
    for step in (len(raw.read_bytes()), 1):
        data, failed = written(raw.read_bytes(), dialect_of(raw), surface(name).encoder(writing()), step)

        assert expected == READERS[name][0](data)
        assert (expected.finish == "failed") == failed
        assert [] == check_stream(data, name)
    if raw.stem == FIRST:
        golden(raw.parents[1] / "clients" / f"{name}.stream", data)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("raw", ENGINES, ids=lambda raw: f"{raw.parents[1].name}/{raw.stem}")
def test_every_client_gets_the_same_whole_reply_from_every_engine(raw: Path, name: str) -> None:
    expected = expected_of(raw, name)
    if "completions" == name and told_of(raw.parents[1]).calls:
        with pytest.raises(headgate.UpstreamError):
            written(raw.read_bytes(), dialect_of(raw), WholeEncoder(surface(name), writing()), 64)
        return
    data, failed = written(raw.read_bytes(), dialect_of(raw), WholeEncoder(surface(name), writing()), 64)

    assert (expected.finish == "failed") == failed
    assert (b"" if failed else expected) == (data if failed else READERS[name][1](data))
    if raw.stem == FIRST and not failed:
        golden(raw.parents[1] / "clients" / f"{name}.whole", data)


def golden(file: Path, data: bytes) -> None:
    """Compare what was written first from one engine; what the others come to is compared by what it says."""
    if REWRITE:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)

    assert file.read_bytes() == data


@pytest.mark.parametrize("spelling", ["reasoning_content", "reasoning", "tags", "none"])
@pytest.mark.parametrize("raw", ENGINES, ids=lambda raw: f"{raw.parents[1].name}/{raw.stem}")
def test_a_thought_is_in_the_one_place_that_was_asked_for(raw: Path, spelling: Spelling) -> None:
    """A client that reads two fields would show every word twice."""
    expected, kind = expected_of(raw, "chat"), dialect_of(raw)
    streamed, _ = written(raw.read_bytes(), kind, surface("chat").encoder(writing(spelling)), 64)
    whole, failed = written(raw.read_bytes(), kind, WholeEncoder(surface("chat"), writing(spelling)), 64)
    ways = [(chat_stream, streamed)] if failed else [(chat_stream, streamed), (chat_whole, whole)]

    assert [] == check_stream(streamed)
    for read, data in ways:
        told = {key: read(data, key) for key in ("reasoning_content", "reasoning")}
        thoughts = {key: one.reasoning for key, one in told.items() if one.reasoning}
        first = told["reasoning_content"]
        if spelling == "tags":
            assert (expected, {}) == (tagged(first), thoughts)
        else:
            shown = {spelling: expected.reasoning} if expected.reasoning and spelling != "none" else {}
            assert (expected._replace(reasoning=""), shown) == (first._replace(reasoning=""), thoughts)


# -- requests -----------------------------------------------------------------------------------------------

ASKED = [
    (folder, client, engine)
    for folder in REQUESTS
    for client in sorted((folder / "clients").iterdir())
    for engine in sorted((folder / "engines").iterdir())
]


@pytest.mark.parametrize(
    ("folder", "client", "engine"), ASKED, ids=lambda path: path.stem if path.suffix else path.name
)
def test_every_engine_is_asked_the_same_by_every_client(folder: Path, client: Path, engine: Path) -> None:
    assert folder == client.parents[1] == engine.parents[1]
    served = surface(client.stem)
    chat = served.parse(served.paths[0], {}, client.read_bytes())
    found = dialect(engine.stem).request(chat)
    body: dict[str, Any] = json.loads(found.body)

    assert read(json.loads(engine.read_bytes())) == read(body)
    assert () == found.dropped


def read(body: dict[str, Any]) -> dict[str, Any]:
    """The body, with arguments that are a JSON text read: objects keep the white space that their client wrote."""
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            if isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return body


# -- completeness -------------------------------------------------------------------------------------------


def test_no_surface_and_no_dialect_is_missing() -> None:
    """Whoever adds one adds a reader, or what its engine sends; then it is tested with all the others."""
    assert set(surfaces()) == set(READERS)
    # Those of the same API as a surface come with their own fixtures until somebody puts them here.
    assert {"openai", "ollama", "text", "llamacpp"} <= {dialect_of(raw) for raw in ENGINES} <= set(dialects())
    assert all(tomllib.loads((folder / "meta.toml").read_text())["shows"].endswith(".") for folder in REPLIES)
    assert {"ollama", "openai"} == {engine.stem for _, _, engine in ASKED}
    assert {"anthropic", "chat", "ollama"} == {client.stem for _, client, _ in ASKED}
