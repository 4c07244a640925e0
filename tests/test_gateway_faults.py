"""Faults of our own, or of somebody's dialect, surface or upstream: told, logged without values, never left hanging."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from raw_http import Client, connected, error_of, served

from headgate.config import UpstreamConfig
from headgate.dialects import dialect
from headgate.dialects.base import Decoder, Reading
from headgate.dialects.openai import OpenAI
from headgate.events import StreamError
from headgate.gateway import Gateway
from headgate.gateway.engines import Engine
from headgate.limits import Limits
from headgate.markup.family import Families
from headgate.messages import HttpRequest
from headgate.surfaces.base import Writing
from headgate.surfaces.chat import Chat, ChatEncoder
from headgate.testing.fake_engine import (
    HANG,
    FakeEngine,
    Step,
    chunk,
    sse,
    streamed,
)
from headgate.upstream.base import Call, Receiver
from headgate.upstream.base import Reply as UpstreamReply
from headgate.upstream.http import HttpUpstream

BEGUN = sse(chunk({"role": "assistant", "content": "Hel"}))


# Our own faults


class _Faulty:
    """A decoder that fails at its second read, or at once."""

    done = finished = False
    record_end = b""

    def __init__(self, good: Decoder, reads: int) -> None:
        self.limits = good.limits
        self._good = good
        self._reads = reads

    def feed(self, data: bytes, /) -> Any:
        if not self._reads:
            raise KeyError("my secret prompt")
        self._reads -= 1
        return self._good.feed(data)

    def record(self, record: bytes, /) -> Any:
        return self._good.record(record)

    def close(self, *, cancelled: bool = False) -> Any:
        return []

    def fail(self, error: StreamError, /) -> Any:
        return self._good.fail(error)

    def copy(self) -> Decoder:
        return self

    def flow(self, delta: Any, /) -> None:
        del delta

    def skip(self, length: int, /) -> None:
        self._good.skip(length)


class _FaultyDialect(OpenAI):
    """OpenAI's, with a fault after so many good reads."""

    def __init__(self, reads: int) -> None:
        self._reads = reads

    def decoder(self, reading: Reading, /) -> Any:
        return _Faulty(super().decoder(reading), self._reads)


class _FaultyUpstream:
    """An upstream that cannot even be asked."""

    name = "u"

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        raise KeyError("my secret prompt")

    async def fetch(self, request: HttpRequest, /) -> UpstreamReply:
        raise KeyError("my secret prompt")

    async def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def faulty_gateway(script: Sequence[Step], reads: int) -> AsyncGenerator[tuple[FakeEngine, Client]]:
    async with FakeEngine(script) as engine:
        config = UpstreamConfig(name="u", url=engine.url)
        app = Gateway([Engine(config, HttpUpstream("u", engine.url), _FaultyDialect(reads), Families())], Limits())
        async with served(app) as url, connected(url) as client:
            yield engine, client


@pytest.mark.parametrize("stream", [True, False])
def test_a_fault_of_ours_is_a_500_and_a_trace_without_values(caplog: pytest.LogCaptureFixture, *, stream: bool) -> None:
    async def main() -> None:
        async with faulty_gateway(streamed(BEGUN, HANG), 0) as (engine, client):
            reply = await client.chat(stream=stream)

            assert (500, "internal") == (reply.status, error_of(reply)["code"])
            await engine.left()

    with caplog.at_level(logging.ERROR, "headgate"):
        asyncio.run(main())

    assert "KeyError while a request was answered" in caplog.text
    assert "in feed" in caplog.text
    assert "secret" not in caplog.text.replace('raise KeyError("my secret prompt")', "")


def test_a_fault_of_ours_in_a_stream_is_one_frame() -> None:
    async def main() -> None:
        async with faulty_gateway(streamed(BEGUN, 0.01, BEGUN, HANG), 1) as (engine, client):
            assert "internal" == error_of(await client.chat())["code"]
            assert await client.is_closed()
            await engine.left()

    asyncio.run(main())


def test_a_decoder_that_gives_no_end_is_a_fault_too() -> None:
    async def main() -> None:
        async with faulty_gateway(streamed(BEGUN), 1) as (_, client):
            assert "internal" == error_of(await client.chat(stream=False))["code"]

    asyncio.run(main())


class _FaultyEncoder(ChatEncoder):
    """Fails at everything after its first events, as one of somebody else's surface may."""

    fed = False

    def feed(self, events: Any, /) -> bytes:
        if self.fed:
            raise KeyError("my secret prompt")
        self.fed = True
        return super().feed(events)


class _FaultyChat(Chat):
    """Its surface."""

    def encoder(self, writing: Writing, /) -> ChatEncoder:
        return _FaultyEncoder(writing)


def test_a_stream_that_cannot_even_tell_its_failure_is_cut() -> None:
    """With a proper last chunk clients would take it for whole."""

    async def main() -> None:
        async with FakeEngine(streamed(BEGUN, 0.01, BEGUN, HANG)) as engine:
            config = UpstreamConfig(name="u", url=engine.url)
            ready = [Engine(config, HttpUpstream("u", engine.url), dialect("openai"), Families())]
            faulty: Any = _FaultyChat()
            app = Gateway(ready, Limits(), [faulty])
            async with served(app) as url, connected(url) as client:
                reply = await client.chat()

                assert (200, False) == (reply.status, reply.ended)
                await engine.left()

    asyncio.run(main())


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/chat/completions"), ("GET", "/v1/models")])
def test_an_upstream_with_a_fault_is_a_500(method: str, path: str) -> None:
    async def main() -> None:
        config = UpstreamConfig(name="u", url="http://h")
        app = Gateway([Engine(config, _FaultyUpstream(), dialect("openai"), Families())], Limits())
        async with served(app) as url, connected(url) as client:
            reply = await (client.chat(path=path) if method == "POST" else client.ask("GET", path))

            assert (500, "internal") == (reply.status, reply.json()["error"]["code"])
            assert b"secret" not in reply.body

    asyncio.run(main())
