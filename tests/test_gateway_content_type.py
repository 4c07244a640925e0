"""Every request to an engine says that its body is JSON: vLLM and its kin refuse one that does not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from raw_http import connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.testing.fake_engine import Asked, FakeEngine, Step, plain

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5},
    "/api/chat": {"messages": [{"role": "user", "content": "hi"}]},
    "/api/generate": {"prompt": "hi"},
    "/v1/embeddings": {"input": "hi"},
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("dialect", ["openai", "ollama"])
def test_the_engine_is_told_that_the_body_is_json(path: str, dialect: str) -> None:
    said: list[str | None] = []

    def strict(asked: Asked) -> list[Step]:
        if asked.method == "POST":
            said.append(asked.headers.get("content-type"))
        return plain(b'{"error": "seen"}', 418)

    async def main() -> None:
        async with FakeEngine(strict) as engine:
            config = Config(upstreams=(UpstreamConfig(name="e", url=engine.url, dialect=dialect),))
            async with served(create_app(config)) as url, connected(url) as client:
                await client.ask("POST", path, json.dumps({"model": "m", **BODIES[path]}).encode())

    asyncio.run(main())
    assert ["application/json"] == said
