"""The sockets and the server around the app."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from raw_http import WITHIN_S, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.errors import ConfigError
from headgate.gateway import create_app
from headgate.gateway.lane import EXTENSION
from headgate.gateway.server import listen, make_server, url_of
from headgate.testing.fake_engine import FakeEngine, chunk, said, sse, streamed


def close(sockets: list[socket.socket]) -> None:
    for opened in sockets:
        opened.close()


def test_a_free_port_is_taken_and_told() -> None:
    sockets = listen("127.0.0.1", 0)

    assert [f"http://127.0.0.1:{opened.getsockname()[1]}" for opened in sockets] == [url_of(sockets)]

    close(sockets)


def test_every_address_of_a_host_gets_the_same_port() -> None:
    sockets = listen("localhost", 0)

    assert 1 == len({opened.getsockname()[1] for opened in sockets})

    close(sockets)


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")])
def test_the_url_is_one_that_can_be_opened_here(host: str, shown: str) -> None:
    try:
        sockets = listen(host, 0)
    except ConfigError:
        pytest.skip("no IPv6 here")

    assert url_of(sockets).startswith(f"http://{shown}:")

    close(sockets)


def test_a_client_that_comes_before_the_server_runs_waits() -> None:
    """Whoever reads the URL may use it at once."""
    sockets = listen("127.0.0.1", 0)

    with socket.create_connection(sockets[0].getsockname(), timeout=5):
        close(sockets)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("192.0.2.1", "192.0.2.1 is no address of this machine. Try --host 127.0.0.1."),
        ("no.such.host.invalid", "no address is known for the host 'no.such.host.invalid'"),
        ("a..b", "no address is known for the host 'a..b'"),
    ],
)
def test_a_host_that_is_none_is_explained(host: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listen(host, 0)

    assert str(caught.value).startswith(message)


def test_a_port_that_is_taken_is_explained_and_nothing_stays_open() -> None:
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]

    with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is taken by another program"):
        listen("127.0.0.1", port)

    close(sockets)


def test_a_port_that_was_just_left_can_be_taken_again() -> None:
    """As after a restart, with connections of clients still around."""
    sockets = listen("127.0.0.1", 0)
    address = sockets[0].getsockname()
    with socket.create_connection(address) as client:
        sockets[0].setblocking(True)
        accepted, _ = sockets[0].accept()
        accepted.close()
        client.recv(1)
    close(sockets)

    close(listen("127.0.0.1", address[1]))


def test_the_server_tells_when_it_has_started() -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "lifespan" == scope["type"]
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    server = make_server(app, on_start=lambda: told.append("started"))
    server.should_exit = True
    server.run(sockets=listen("127.0.0.1", 0))

    assert ["started"] == told


def test_a_drain_takes_as_long_as_was_configured_last() -> None:
    """The patience of uvicorn is fixed when the server is made; a reload that gives streams more time must move it."""

    async def main() -> None:
        go_on = asyncio.Event()
        async with FakeEngine(streamed(sse(chunk({"content": "Hel"})), go_on, said("lo"))) as engine:
            upstreams = (UpstreamConfig(name="u", url=engine.url, models=("m",)),)
            app, sockets = create_app(Config(upstreams=upstreams, drain_s=0)), listen("127.0.0.1", 0)
            server = make_server(app)
            serving = asyncio.create_task(server.serve(sockets))
            async with connected(url_of(sockets)) as client:
                client.send_chat()
                await client.head()
                await client.chunk()
                app.reload(Config(upstreams=upstreams, drain_s=WITHIN_S))
                server.config.timeout_graceful_shutdown = 0  # its least is a second, which a test need not wait
                server.should_exit = True
                assert not (await asyncio.wait({serving}, timeout=0.5))[0]
                go_on.set()
                last = b""
                while piece := await client.chunk():
                    last = piece

                assert last.endswith(b"data: [DONE]\n\n")
            await asyncio.wait_for(serving, WITHIN_S)

    asyncio.run(main())


@pytest.mark.parametrize(("offer", "is_closed"), [(None, False), ("close_after", True)])
def test_a_connection_is_closed_after_a_reply_only_on_request(offer: str | None, *, is_closed: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if offer:
            scope["extensions"][EXTENSION][offer]()
        await send({"type": "http.response.body", "body": b"ok"})

    async def main() -> None:
        async with served(app) as url, connected(url) as client:
            reply = await client.ask("GET", "/")

            assert (b"ok", True) == (reply.body, reply.ended)
            assert is_closed == await client.is_closed(WITHIN_S if is_closed else 0.1)

    asyncio.run(main())
