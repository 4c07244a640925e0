"""Too many connections: who is let in, who is told, and that nothing breaks or is forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_http import WITHIN_S, Client, served
from test_cli_serve import Gateway, running, running_process

from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.crowd import Crowd, Verdict, files_max
from headgate.limits import Limits
from headgate.testing.fake_engine import FakeEngine, said, streamed

SERVED, TOLD, DROPPED = Verdict.SERVED, Verdict.TOLD, Verdict.DROPPED


# The rule


@pytest.mark.parametrize(
    ("limits", "files", "in_all", "of_one"),
    [
        (Limits(), 1024, 409, 306),
        (Limits(), 128, 51, 38),
        (Limits(), 1, 1, 1),
        (Limits(connections_max=10), 1024, 10, 7),
        (Limits(connections_max=10, connections_per_address_max=10), None, 10, 10),
        (Limits(connections_per_address_max=2), 1024, 409, 2),
    ],
)
def test_so_many_are_served(limits: Limits, files: int | None, in_all: int, of_one: int) -> None:
    crowd, others = Crowd(limits, files), Crowd(limits, files)

    assert of_one == [crowd.enter("a") for _ in range(500)].count(SERVED)
    assert in_all == [others.enter(str(number)) for number in range(500)].count(SERVED)


def test_nobody_is_too_many_where_there_is_no_limit() -> None:
    crowd = Crowd(Limits(), None)

    assert {SERVED} == {crowd.enter("a") for _ in range(100_000)}


def test_in_a_flood_few_are_told_and_the_rest_is_dropped() -> None:
    crowd = Crowd(Limits(connections_max=16, connections_per_address_max=16), None)

    assert {SERVED: 16, TOLD: 3, DROPPED: 81} == Counter(crowd.enter("a") for _ in range(100))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=200))
def test_who_leaves_makes_room_and_no_limit_is_ever_passed(steps: list[tuple[str, bool]]) -> None:
    crowd = Crowd(Limits(connections_max=5, connections_per_address_max=3), None)
    here: list[tuple[str, Verdict]] = []
    for address, comes in steps:
        served_now = Counter(name for name, verdict in here if verdict is SERVED)
        if comes:
            verdict = crowd.enter(address)
            has_room = served_now.total() < 5 and served_now[address] < 3
            assert has_room == (verdict is SERVED)
            here.append((address, verdict))
        elif here:
            crowd.leave(*here.pop())


# On the wire


@asynccontextmanager
async def client_of(url: str, source: str = "127.0.0.1") -> AsyncGenerator[Client]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=(source, 0))
    try:
        yield Client(url, reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def gateway(limits: Limits) -> AsyncGenerator[str]:
    async with FakeEngine(streamed(said("ok"))) as engine:
        config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
        async with served(create_app(config, limits=limits)) as url:
            yield url


async def until_served(url: str) -> None:
    """Wait until those who have left are no longer counted."""
    status = 503
    while status != 200:
        async with client_of(url) as client:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                status = await status_of(client)


async def status_of(client: Client) -> int:
    return (await client.ask("GET", "/health")).status


def test_one_too_many_is_told_so_and_served_when_another_has_left() -> None:
    async def main() -> None:
        async with gateway(Limits(connections_max=2, connections_per_address_max=2)) as url:
            async with client_of(url) as first, client_of(url) as second:
                assert [200, 200] == [await status_of(first), await status_of(second)]
                async with client_of(url) as third:
                    reply = await third.ask("GET", "/health")

                    assert (503, "close") == (reply.status, reply.headers["connection"])
                    assert "overloaded" == reply.json()["error"]["code"]
                    assert await third.is_closed()
                assert [200, 200] == [await status_of(first), await status_of(second)]  # nobody suffers from it

            await until_served(url)
            async with client_of(url) as client:
                assert "ok" == (await client.chat()).text()

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the whole of 127.0.0.0/8 to its loopback")
def test_one_address_does_not_keep_the_others_out() -> None:
    async def main() -> None:
        async with gateway(Limits(connections_max=4)) as url, AsyncExitStack() as stack:
            mine = [await stack.enter_async_context(client_of(url)) for _ in range(4)]
            assert [200, 200, 200, 503] == [await status_of(client) for client in mine]

            other = await stack.enter_async_context(client_of(url, "127.0.0.2"))
            assert 200 == await status_of(other)

    asyncio.run(main())


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
from headgate.cli import main
sys.exit(main(["serve", "--upstream", sys.argv[1], "--port", "0", "--log", "off"]))
"""


def busy_s(gateway: Gateway) -> float:
    """Processor time that the process has used."""
    fields = Path(f"/proc/{gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def becomes_idle(gateway: Gateway) -> None:
    """Wait until it uses less than a fifth of a processor; one that spins never does."""
    async with asyncio.timeout(WITHIN_S):
        before_s = -1.0
        while busy_s(gateway) - before_s >= 0.05:
            before_s = busy_s(gateway)
            await asyncio.sleep(0.25)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_with_few_files_five_hundred_clients_neither_break_it_nor_keep_it_busy(tmp_path: Path) -> None:
    """The engine can still be asked then: a gateway that spends its last file on a client cannot serve it."""

    async def main(gateway: Gateway) -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client_of(gateway.url)) for _ in range(500)]
            await becomes_idle(gateway)
            assert ["ok"] * 20 == [(await client.chat()).text() for client in clients[:20]]

        async with asyncio.timeout(WITHIN_S):
            await until_served(gateway.url)

    command = [sys.executable, "-c", LIMITED]
    with running(streamed(said("ok"))) as engine, running_process([*command, engine.url], cwd=tmp_path) as gateway:
        asyncio.run(main(gateway))
        gateway.end(signal.SIGTERM)
        assert gateway.process.stderr is not None
        assert "" == gateway.process.stderr.read()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no files")
def test_serve_takes_as_many_files_as_it_may() -> None:
    program = (
        "import resource\n"
        "from headgate.gateway.crowd import files_max, more_files\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "more_files()\n"
        "print(files_max(), hard)\n"
    )
    said_so = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    now, hard = map(int, said_so.split())

    assert now == (10_240 if hard == -1 else min(hard, 10_240))
    assert (files_max() or 0) > 0
