"""Streams as engines write them, and requests as clients do, for timing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

WORDS = (
    "A token is a word or less of it , so a line of prose has about forty of them before it ends ; most are plain , "
    "and go as they came , while the end of a paragraph is held .\n"
).split(" ")
"""Tokens of prose: one in forty must be escaped, and may stand before a tag."""


def openai_chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """A record of llama-server's stream, about 250 bytes."""
    record = {
        "choices": [{"finish_reason": finish, "index": 0, "delta": delta}],
        "created": 1763675551,
        "id": "chatcmpl-Qm4zJtq0x7sYb1GdV5nKcW2eHfR8uLpA",
        "model": "Qwen3-8B-Q4_K_M.gguf",
        "system_fingerprint": "b7100-0123abcd",
        "object": "chat.completion.chunk",
    }
    return b"data: %b\n\n" % json.dumps(record, separators=(",", ":")).encode()


def openai(tokens: int) -> Iterator[bytes]:
    """An OpenAI stream, record by record."""
    yield openai_chunk({"role": "assistant", "content": None})
    for place in range(tokens):
        yield openai_chunk({"content": f" {WORDS[place % len(WORDS)]}"})
    yield openai_chunk({}, "stop")
    yield b"data: [DONE]\n\n"


def _ollama_line(place: int, **fields: Any) -> bytes:
    record = {"model": "qwen3:8b", "created_at": f"2025-11-20T21:52:31.{place:09}Z", **fields}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def ollama(tokens: int) -> Iterator[bytes]:
    """A stream of Ollama's API, line by line; the time differs in each."""
    for place in range(tokens):
        content = f" {WORDS[place % len(WORDS)]}"
        yield _ollama_line(place, message={"role": "assistant", "content": content}, done=False)
    message = {"role": "assistant", "content": ""}
    yield _ollama_line(tokens, message=message, done=True, done_reason="stop", eval_count=tokens)


STREAMS: dict[str, Callable[[int], Iterator[bytes]]] = {"openai": openai, "ollama": ollama}
"""By dialect."""


def reads(stream: Iterator[bytes], per_read: int) -> list[bytes]:
    """Join so many records into each read."""
    records = list(stream)
    return [b"".join(records[place : place + per_read]) for place in range(0, len(records), per_read)]


def request(*, prompt_bytes: int = 100, tools: int = 0, **fields: Any) -> bytes:
    """A chat request."""
    prompt = ("Explain how a streaming gateway works. " * (prompt_bytes // 39 + 1))[:prompt_bytes]
    parameters = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": prompt}], **fields}
    if tools:
        names = (f"function_{number}" for number in range(tools))
        asked["tools"] = [{"type": "function", "function": {"name": name, "parameters": parameters}} for name in names]
    return json.dumps(asked).encode()
