"""The `ollama` package: `Client` and `AsyncClient`, each with a stream and whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import ollama
import pytest

from clients.base import PATIENCE_S, RESULT, SCHEMA, TOOL, WITHIN_S, Client, Failed, Ran, Said, user


class OllamaTalk:
    """Asking in one way."""

    def __init__(self, url: str, model: str, way: str, headers: dict[str, str]) -> None:
        self._model = model
        self._made: dict[str, Any] = {"host": url, "headers": headers}
        self._is_async = way.startswith("async")
        self._is_streamed = way.endswith("stream")
        self._came: list[str] = []

    def ask(self, question: str, /) -> Said:
        message = self._message([user(question)])
        return Said(message.content or "", message.thinking or "")

    def run(self, question: str, /) -> Ran:
        message = self._message([user(question)], tools=[TOOL])
        used = list(message.tool_calls or ())
        results = [ollama.Message(role="tool", content=RESULT, tool_name=call.function.name) for call in used]
        answer = self._message([user(question), message, *results], tools=[TOOL])
        assert all(call.function.name == TOOL["function"]["name"] for call in used)
        return Ran([dict(call.function.arguments) for call in used], answer.content or "")

    def fill(self, question: str, /) -> Any:
        return json.loads(self._message([user(question)], format=SCHEMA).content or "")

    def force(self, question: str, /) -> Any:
        raise NotImplementedError("this API knows no `tool_choice`.")

    def leave(self, question: str, is_asked: Callable[[], bool], /) -> None:
        fields = self._fields([user(question)])
        if self._is_async:
            asyncio.run(self._leave_async(fields))
            return
        with ollama.Client(**self._made, timeout=WITHIN_S if self._is_streamed else PATIENCE_S) as client:
            if self._is_streamed:
                stream: Any = client.chat(**fields, stream=True)
                next(part for part in stream if part.message.content)
                stream.close()
                return
            with pytest.raises(httpx.TimeoutException):
                client.chat(**fields)

    async def _leave_async(self, fields: dict[str, Any]) -> None:
        """A task that is cancelled, as an application does it."""
        async with ollama.AsyncClient(**self._made, timeout=WITHIN_S) as client:
            if self._is_streamed:
                stream: Any = await client.chat(**fields, stream=True)
                await anext(stream)
                await stream.aclose()
                return
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.chat(**fields), PATIENCE_S)

    def _fields(self, messages: list[Any], **fields: Any) -> dict[str, Any]:
        return {"model": self._model, "messages": messages, "options": {"temperature": 0}, **fields}

    def _message(self, messages: list[Any], **fields: Any) -> ollama.Message:
        """The message for the history."""
        self._came = []
        asked = self._fields(messages, **fields)
        try:
            if self._is_async:
                return asyncio.run(self._asynchronous(asked))
            with ollama.Client(**self._made, timeout=WITHIN_S) as client:
                if not self._is_streamed:
                    return sent_back(client.chat(**asked))
                parts = [self._noted(part) for part in client.chat(**asked, stream=True)]
                return joined(parts)
        except ollama.ResponseError as error:
            raise Failed(error.error, "".join(self._came)) from error

    async def _asynchronous(self, asked: dict[str, Any]) -> ollama.Message:
        async with ollama.AsyncClient(**self._made, timeout=WITHIN_S) as client:
            if not self._is_streamed:
                return sent_back(await client.chat(**asked))
            stream = await client.chat(**asked, stream=True)
            return joined([self._noted(part) async for part in stream])

    def _noted(self, part: ollama.ChatResponse) -> ollama.Message:
        self._came.append(part.message.content or "")
        return part.message


def sent_back(reply: ollama.ChatResponse) -> ollama.Message:
    return reply.message


def joined(parts: list[ollama.Message]) -> ollama.Message:
    """Join the parts as everybody does, since the package has nothing for it."""
    return ollama.Message(
        role="assistant",
        content="".join(part.content or "" for part in parts),
        thinking="".join(part.thinking or "" for part in parts),
        tool_calls=[call for part in parts for call in part.tool_calls or ()],
    )


CLIENT = Client("ollama", ("stream", "whole", "async stream", "async whole"), OllamaTalk, forces=False)
