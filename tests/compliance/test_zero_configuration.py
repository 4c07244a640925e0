"""Zero configuration against the real llama.cpp server, and against a replayed Ollama."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from real_engine import llama_cpp

from headgate.discovery_places import Place
from headgate.gateway.discover import Looked, look
from headgate.testing.fake_engine import Asked, FakeEngine, Script, plain, streamed

WITHIN_S = 20.0
FIXTURES = Path(__file__).parents[1] / "fixtures"


def looked(url: str) -> Looked:
    return asyncio.run(look([Place(url, "test")], own_port=None, try_s=5.0))


@contextmanager
def serve(folder: Path, look_at: str) -> Generator[tuple[str, str]]:
    """Run `headgate serve` without any configuration; yields what it printed, and its URL."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "O"))}
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0"]
    environ |= {"HOME": str(folder), "HEADGATE_LOOK": look_at}
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while (line := process.stdout.readline()) and "OPENAI_BASE_URL" not in line:
                lines.append(line)
            assert lines
            yield "".join(lines), lines[0].split()[-1]
        finally:
            process.kill()


def ask(url: str, model: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "what is your name?"}]}
    request = urllib.request.Request(f"{url}/v1/chat/completions", msgspec.json.encode(body))
    with urllib.request.urlopen(request, timeout=WITHIN_S) as reply:
        return str(msgspec.json.decode(reply.read())["choices"][0]["message"]["content"])


def test_llama_cpp_is_recognised_with_its_model_and_context() -> None:
    with llama_cpp("hermes", "n_ctx=4096", "n_parallel=1") as url:
        engines = looked(url).engines

    assert [("llama.cpp", url, ("tiny",), 4096, False)] == [
        (engine.name, engine.url, engine.models, engine.context, engine.needs_key) for engine in engines
    ]


def test_llama_cpp_with_a_key_is_not_used_without_one() -> None:
    with llama_cpp("hermes", 'api_keys=["secret"]') as url:
        found = looked(url)

    assert ((), [url]) == (found.engines, [engine.url for engine, _ in found.locked])


def test_serve_finds_llama_cpp_and_answers_with_it(tmp_path: Path) -> None:
    with llama_cpp("hermes") as engine, serve(tmp_path, engine) as (banner, url):
        assert f"llama.cpp at {engine}, context " in banner
        assert ": tiny\n" in banner
        assert '"model":"tiny"' in banner

        assert "My name is Neo Vim." == ask(url, "tiny")


def ollama(asked: Asked) -> Script:
    """What the recorded Ollama answers; `/api/version` and `/` as its documents have them."""
    match asked.method, asked.path:
        case "GET", "/api/tags" | "/api/ps":
            name = asked.path.rpartition("/")[2]
            return plain((FIXTURES / f"endpoints/ollama/ollama.get.{name}/response.raw").read_bytes())
        case "GET", "/api/version":
            return plain(b'{"version":"0.33.0-rc2"}')
        case "GET", "/":
            return plain(b"Ollama is running", content_type="text/plain; charset=utf-8")
        case "GET", "/v1/models":
            return plain(b'{"object":"list","data":[{"id":"tiny:latest","object":"model","owned_by":"library"}]}')
        case "POST", "/api/chat":
            recorded = (FIXTURES / "dialects/ollama/ollama.tiny.name/response.raw").read_bytes()
            return streamed(recorded, content_type="application/x-ndjson")
        case _:
            return plain(b"404 page not found", 404, "text/plain")


@pytest.mark.parametrize("model", ["tiny", "tiny:latest"])
def test_serve_finds_a_replayed_ollama_and_speaks_its_own_api(tmp_path: Path, model: str) -> None:
    async def run() -> tuple[str, str, list[str]]:
        async with FakeEngine(ollama) as engine:

            def use() -> tuple[str, str]:
                with serve(tmp_path, engine.url) as (banner, url):
                    return banner, ask(url, model)

            banner, answer = await asyncio.to_thread(use)
            return banner.replace(engine.url, "URL"), answer, [asked.path for asked in engine.asked]

    banner, answer, paths = asyncio.run(run())

    assert "ollama 0.33.0-rc2 at URL, context 2,048 tokens: tinyplain:latest, tiny:latest" in banner
    assert "My name is Neo Vim." == answer
    assert "/api/chat" in paths
    assert "/v1/chat/completions" not in paths
