"""A request without messages, which asks for a model to be loaded -> an answer, from an engine that cannot load one.

Strategy: Ollama's clients begin a conversation so, and an Ollama engine is asked as ever. Any other has its model
loaded already, or loads it with the first message, so the answer is given in its place: an upstream that says what
Ollama says once it has loaded a model, read by Ollama's dialect, so that the exchange goes the way of every other.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#load-a-model-1
"""

from __future__ import annotations

import asyncio

from headgate.dialects import dialect
from headgate.gateway.engines import Engine
from headgate.messages import ChatRequest, HttpRequest
from headgate.upstream.base import Call, Receiver, Reply

_OLLAMA = "ollama"
_HEAD = (("content-type", "application/x-ndjson"),)
_LOADED = b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}\n'


def able_to_load(engine: Engine, chat: ChatRequest) -> Engine:
    """The engine, or what stands in for it where it is only to load its model and knows no such request."""
    if chat.messages or chat.completion is not None or engine.dialect.name == _OLLAMA:
        return engine
    return engine._replace(upstream=LoadedUpstream(engine.name), dialect=dialect(_OLLAMA))


class LoadedUpstream:
    """Says to every request that the model is loaded.

    Args:
        name: that of the engine it stands in for.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """Answer as soon as the event loop comes to it."""
        del request
        return _Call(receiver)

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """The same at once."""
        del request
        return Reply(200, _HEAD, _LOADED)

    async def close(self) -> None:
        """There is nothing to close."""


class _Call:
    """One answer that is due."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._due = asyncio.get_running_loop().call_soon(self._answer)

    def pause(self) -> None:
        """A line that is as short as this one is given anyway, as one that was read already."""

    def resume(self) -> None:
        """Nothing was held back."""

    def abort(self) -> None:
        """The answer is not wanted any more."""
        self._due.cancel()

    def _answer(self) -> None:
        self._receiver.head(200, _HEAD)
        self._receiver.data(_LOADED)
        self._receiver.end()
