"""The client goes away, at every stage of its request: the engine must know at once, or it generates for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
from loops import Run
from raw_http import Client, chat_body, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, Answer, Asked, FakeEngine, Step, chunk, head, plain, said, sse, streamed
from headgate.upstream.http import HttpUpstream

Way: TypeAlias = Callable[[Client], None]

PROMPT_S = 5.0
"""What counts as at once on a busy machine."""

BEGUN = sse(chunk({"role": "assistant", "content": "Hel"}))
FINISHED = sse(chunk({"content": "lo"}, finish="stop"))


@asynccontextmanager
async def gateway(answer: Answer, limits: Limits | None = None) -> AsyncGenerator[tuple[FakeEngine, Client]]:
    async with FakeEngine(answer) as engine:
        config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
        async with served(create_app(config, limits=limits or Limits())) as url, connected(url) as client:
            yield engine, client


async def until(is_true: Callable[[], bool], within_s: float = PROMPT_S) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(within_s):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def vanish(client: Client) -> None:
    """Be gone as a process that is killed."""
    client.vanish()


def leave(client: Client) -> None:
    """Close as a program that has what it wants."""
    client.writer.close()


def half_close(client: Client) -> None:
    """Say that nothing more will be sent. Servers on asyncio take it for a close, as uvicorn does."""
    client.writer.write_eof()


WAYS = [vanish, leave, half_close]

# How far the exchange is when the client goes: what the engine does, and whether the client has begun to read.
STAGES: dict[str, tuple[Sequence[Step], bool]] = {
    "waiting for the head": ([HANG], False),
    "waiting for the first byte": ([head(content_type="text/event-stream"), HANG], False),
    "waiting for the first word": (streamed(b": ping\n\n", HANG), False),
    "reading an error page": ([head(500, content_length="100"), b'{"err', HANG], False),
    "streaming": (streamed(BEGUN, HANG), True),
    "after the finish": (streamed(BEGUN, FINISHED, HANG), True),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_of_a_stream_that_goes_frees_the_engine(run: Run, stage: str, way: Way) -> None:
    script, begins = STAGES[stage]

    async def main() -> None:
        async with gateway(script) as (engine, client):
            client.send_chat()
            if begins:
                await client.head()
                await client.chunk()
            await until(lambda: bool(engine.asked))
            await asyncio.sleep(0.02)
            assert 1 == engine.open_connections
            way(client)

            await engine.left(PROMPT_S)

    run(main())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_client_of_a_whole_reply_that_goes_frees_the_engine(run: Run, stage: str, way: Way) -> None:
    script, _ = STAGES[stage]

    async def main() -> None:
        async with gateway(script) as (engine, client):
            client.send_chat(stream=False)
            await until(lambda: bool(engine.asked))
            await asyncio.sleep(0.02)
            assert 1 == engine.open_connections
            way(client)

            await engine.left(PROMPT_S)

    run(main())


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_goes_while_keep_alives_flow_frees_the_engine(run: Run, way: Way) -> None:
    async def main() -> None:
        async with gateway([HANG], Limits(keepalive_s=0.02)) as (engine, client):
            client.send_chat()
            await client.head()
            assert b": keep-alive\n\n" == await client.chunk()
            way(client)

            await engine.left(PROMPT_S)

    run(main())


def test_a_client_that_goes_while_it_reads_too_slowly_frees_the_engine(run: Run) -> None:
    """The engine is paused then, and so is the server's write."""

    async def main() -> None:
        async with gateway(streamed(*[sse(chunk({"content": "x" * 8000}))] * 4000)) as (engine, client):
            client.send_chat()
            await client.head()
            before = -1
            while before != engine.written_bytes:
                before = engine.written_bytes
                await asyncio.sleep(0.1)
            vanish(client)

            await engine.left(PROMPT_S)

    run(main())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_while_the_engine_is_being_connected_stops_that(run: Run, way: Way, *, stream: bool) -> None:
    async def main() -> None:
        with full_backlog() as url:
            upstream = HttpUpstream("u", url)
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=url),)), upstreams={"u": upstream})
            async with served(app) as gateway_url, connected(gateway_url) as client:
                client.send_chat(stream=stream)
                await until(lambda: "1 in use" in repr(upstream))
                way(client)

                await until(lambda: "0 in use" in repr(upstream))

    run(main())


class full_backlog:  # noqa: N801 - used like a function
    """A listener that accepts nobody: its queue is full, so that connecting to it hangs."""

    def __enter__(self) -> str:
        self._sockets = [socket.socket()]
        listener = self._sockets[0]
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
            self._sockets.append(waiting)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        for opened in self._sockets:
            opened.close()


@pytest.mark.parametrize("way", [vanish, leave])
def test_a_client_that_goes_before_its_request_is_whole_asks_nobody(run: Run, way: Way) -> None:
    async def main() -> None:
        async with gateway(streamed(said("ok"))) as (engine, client):
            client.send("POST", "/v1/chat/completions", b'{"model":', content_length="100")
            await asyncio.sleep(0.02)
            way(client)
            async with connected(client.url) as other:
                assert "ok" == (await other.chat()).text()

            assert 1 == len(engine.asked)

    run(main())


def test_a_client_that_goes_while_engines_are_asked_for_their_models_harms_nobody(run: Run) -> None:
    async def main() -> None:
        go_on = asyncio.Event()
        async with gateway([go_on, *plain(b'{"data":[{"id":"m"}]}')]) as (engine, client):
            client.send("GET", "/v1/models")
            await until(lambda: bool(engine.asked))
            vanish(client)
            go_on.set()
            async with connected(client.url) as other:
                assert ["m"] == [model["id"] for model in (await other.ask("GET", "/v1/models")).json()["data"]]

    run(main())


def test_a_client_that_went_is_no_failure_of_the_engine(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with gateway(streamed(BEGUN, HANG)) as (engine, client):
            client.send_chat()
            await client.head()
            vanish(client)
            await engine.left(PROMPT_S)

    with caplog.at_level("DEBUG", "headgate"):
        run(main())

    assert "" == caplog.text


def test_a_server_that_stops_ends_its_streams_and_frees_the_engine(run: Run) -> None:
    async def main() -> None:
        async with FakeEngine(streamed(BEGUN, HANG)) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)))
            async with connected_to_served(app) as client:
                client.send_chat()
                await client.head()
                await client.chunk()
            await engine.left(PROMPT_S)

    run(main())


@asynccontextmanager
async def connected_to_served(app: Any) -> AsyncGenerator[Client]:
    """A client that outlives the server's orderly end."""
    async with served(app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        yield Client(url, reader, writer)
    writer.close()


def test_a_storm_of_leaving_clients_leaves_nothing_behind(run: Run) -> None:
    """They go at any moment; those who stay get their own reply, and no call or task is left over."""

    def echo(asked: Asked) -> Sequence[Step]:
        said_so = asked.json()["messages"][0]["content"]
        return streamed(0.003, sse(chunk({"content": said_so})), 0.003, sse(chunk(finish="stop"), done=True))

    async def stays(url: str, word: str) -> None:
        async with connected(url) as client:
            assert word == (await client.chat(messages=[{"role": "user", "content": word}])).text()

    async def goes(url: str, patience_s: float, *, stream: bool) -> None:
        async with connected(url) as client:
            client.send_chat(stream=stream)
            await asyncio.sleep(patience_s)
            client.vanish()

    async def main() -> None:
        async with FakeEngine(echo) as engine:
            upstream = HttpUpstream("u", engine.url)
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)), upstreams={"u": upstream})
            async with served(app) as url:
                tasks = len(asyncio.all_tasks())
                for turn in range(5):
                    going = (goes(url, at / 2000, stream=bool(at % 2)) for at in range(40))
                    await asyncio.gather(*going, *(stays(url, f"{turn} {at}") for at in range(20)))

                await until(lambda: "0 in use" in repr(upstream))
                await until(lambda: len(asyncio.all_tasks()) <= tasks)

    run(main())


# Other ASGI hosts: they have no extension, and each its own way to say that a client is gone.


class Host:
    """An ASGI host with one request. `send` is the test's business."""

    def __init__(self, send: Callable[[Any], Coroutine[Any, Any, None]], body: bytes) -> None:
        self.send = send
        self.gone = asyncio.Event()
        self._messages = [{"type": "http.request", "body": body[:10], "more_body": True}]
        self._messages.append({"type": "http.request", "body": body[10:]})

    async def receive(self) -> Any:
        if self._messages:
            return self._messages.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def serve(self, app: Any) -> None:
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        await app(scope, self.receive, self.send)


async def takes(message: Any) -> None:
    """A client that reads."""
    del message


async def never_returns(message: Any) -> None:
    """A client that reads nothing, behind a host that does not say so."""
    del message
    await asyncio.get_running_loop().create_future()


async def raises(message: Any) -> None:
    """A host that raises as ASGI 2.4 has it."""
    del message
    raise BrokenPipeError


async def fails(message: Any) -> None:
    """A host with a fault."""
    del message
    raise RuntimeError("the host's own fault")


@pytest.mark.parametrize("send", [takes, never_returns])
@pytest.mark.parametrize("stream", [True, False])
def test_any_host_can_say_that_the_client_is_gone(run: Run, send: Any, *, stream: bool) -> None:
    async def main() -> None:
        async with FakeEngine(streamed(BEGUN, HANG)) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)))
            host = Host(send, chat_body(stream=stream))
            serving = asyncio.create_task(host.serve(app))
            await until(lambda: bool(engine.asked))
            await asyncio.sleep(0.02)
            host.gone.set()

            await engine.left(PROMPT_S)
            await asyncio.wait_for(serving, PROMPT_S)
            await app.close()

    run(main())


@pytest.mark.parametrize(("send", "fault"), [(raises, None), (fails, RuntimeError)])
def test_a_host_that_cannot_send_frees_the_engine(run: Run, send: Any, fault: type[Exception] | None) -> None:
    async def main() -> None:
        async with FakeEngine(streamed(BEGUN, HANG)) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)))
            with pytest.raises(fault) if fault else contextlib.nullcontext():
                await Host(send, chat_body()).serve(app)

            await engine.left(PROMPT_S)
            await app.close()

    run(main())


def test_a_client_that_reads_nothing_is_given_up_behind_any_host(run: Run) -> None:
    async def main() -> None:
        async with FakeEngine(streamed(BEGUN, HANG)) as engine:
            config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
            app = create_app(config, limits=Limits(write_stall_s=0.1))
            await asyncio.wait_for(Host(never_returns, chat_body()).serve(app), PROMPT_S)

            await engine.left(PROMPT_S)
            await app.close()

    run(main())


def test_a_cancelled_request_frees_the_engine_and_stays_cancelled(run: Run) -> None:
    async def main() -> None:
        async with FakeEngine(streamed(BEGUN, HANG)) as engine:
            app = create_app(Config(upstreams=(UpstreamConfig(name="u", url=engine.url),)))
            serving = asyncio.create_task(Host(takes, chat_body()).serve(app))
            await until(lambda: bool(engine.asked))
            serving.cancel()

            with pytest.raises(asyncio.CancelledError):
                await serving
            await engine.left(PROMPT_S)
            await app.close()

    run(main())
