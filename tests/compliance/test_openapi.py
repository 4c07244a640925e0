"""The published shapes against what surfaces read, by a validator of JSON Schema: cases of requests, and wrong ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.errors import RequestError
from headgate.gateway.openapi import document
from headgate.gateway.operations.table import OPERATIONS
from headgate.surfaces import surface, surfaces

jsonschema_rs = pytest.importorskip("jsonschema_rs", reason="schemathesis, which brings it, is not installed")

FIXTURES = Path(__file__).parents[1] / "fixtures"
DOCUMENT: dict[str, Any] = json.loads(document(tuple(surfaces().values()), OPERATIONS))
PATHS = {path: one.name for one in surfaces().values() for path in one.paths}
FIRST = {"anthropic": "/v1/messages", "chat": "/v1/chat/completions", "completions": "/v1/completions"}
REQUESTS = sorted(FIXTURES.glob("surfaces/*/requests/*/request.json"))
CHATS = sorted(FIXTURES.glob("dialects/openai/llamacpp.*/request.json"))


def accepts(path: str, body: Any) -> bool:
    """Whether the document lets this body be posted."""
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return bool(jsonschema_rs.is_valid({**schema, "components": DOCUMENT["components"]}, body))


def is_read(path: str, body: Any) -> bool:
    """Whether the surface takes it."""
    try:
        surface(PATHS[path]).parse(path, {}, json.dumps(body).encode())
    except RequestError:
        return False
    return True


def path_of(request: Path) -> str:
    """Where a case's request is sent: of Ollama's two paths the one that takes its fields."""
    name = request.parents[2].name
    if name != "ollama":
        return FIRST[name]
    return "/api/chat" if "messages" in json.loads(request.read_bytes()) else "/api/generate"


@pytest.mark.parametrize("request_json", REQUESTS, ids=lambda path: "/".join(path.parts[-4:-1]))
def test_what_a_client_asks_is_what_the_document_allows(request_json: Path) -> None:
    body, path = json.loads(request_json.read_bytes()), path_of(request_json)

    assert is_read(path, body)
    assert accepts(path, body)


def test_what_engines_are_asked_in_chats_is_allowed_where_it_is_read() -> None:
    bodies = [json.loads(path.read_bytes()) for path in CHATS]
    read = [body for body in bodies if "messages" in body and is_read("/v1/chat/completions", body)]

    assert 50 < len(read)
    assert [] == [body for body in read if not accepts("/v1/chat/completions", body)]


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 1}),
        ("/v1/completions", {"model": "m", "prompt": "hi", "n": 1}),
        ("/v1/messages", {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}),
        ("/api/chat", {"model": "m", "messages": [{"role": "user", "content": "hi"}], "options": {"seed": 1}}),
        ("/api/generate", {"model": "m", "prompt": "hi", "options": {"seed": 1}}),
    ],
)
def test_what_is_of_another_type_is_neither_allowed_nor_read(path: str, good: dict[str, Any]) -> None:
    """What the document forbids is refused, field by field; nulls are as good as absent fields in both."""
    assert is_read(path, good)
    assert accepts(path, good)
    for name in good:
        for wrong in (False, [[None]], {"seed": "x"}):
            asked = {**good, name: wrong}
            assert (False, False) == (accepts(path, asked), is_read(path, asked)), asked
    for name in ("stream", "temperature" if path.startswith("/v1") else "keep_alive"):
        assert (True, True) == (accepts(path, {**good, name: None}), is_read(path, {**good, name: None}))
