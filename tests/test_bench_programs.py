"""`bench/harness`: the engine writes what it is asked, and the load generator finds what is not that.

A benchmark that cannot fail measures nothing: each way in which a gateway may be wrong is shown to be seen.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from bench import programs
from bench.processes import free_port
from bench.programs import Load

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or not Path("/proc/self/schedstat").is_file(), reason="needs a C compiler, and Linux"
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
SECONDS = ["-d", "0.2", "-w", "0"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harness")
    programs.build(folder)
    return folder


@pytest.fixture(scope="module")
def engine(built: Path) -> Iterator[int]:
    """The port of an engine."""
    port = free_port()
    process = subprocess.Popen([str(built / "engine"), str(port)])
    wait_for(port)
    yield port
    process.kill()
    process.wait()


def wait_for(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError(f"nobody listens on port {port}")


def loaded(built: Path, port: int, *arguments: str) -> Load:
    command = [str(built / "loadgen"), "-p", str(port), *SECONDS, *arguments]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return msgspec.json.decode(done.stdout, type=Load)


@pytest.mark.parametrize("style", ["chat", "ollama", "completions"])
@pytest.mark.parametrize("model", ["bench-n200-d0", "bench-n200-d0-k8", "bench-n70-d100-r3", "bench-n40-d500-t1"])
def test_every_byte_of_the_engines_streams_is_right(built: Path, engine: int, style: str, model: str) -> None:
    """Also where half a record, or many, come in one read: the sockets see to that."""
    if style == "completions" and "-r" in model:
        pytest.skip("that API has no reasoning")

    found = loaded(built, engine, "-s", style, "-m", model, "-c", "4")

    assert found.is_right
    assert found.requests > 0
    assert found.chunks > found.requests


@pytest.mark.parametrize("style", ["chat", "completions"])
def test_whole_replies_are_checked_too(built: Path, engine: int, style: str) -> None:
    found = loaded(built, engine, "-s", style, "-m", "bench-n100", "-N", "-c", "2")

    assert found.is_right
    assert found.requests > 0


def test_a_stamp_tells_how_long_a_chunk_was_under_way(built: Path, engine: int) -> None:
    found = loaded(built, engine, "-s", "chat", "-m", "bench-n20-d1000-t1", "-c", "2")

    assert 0 <= found.delay_us_p50 <= found.delay_us_p99
    assert found.delay_us_p50 < 1_000_000


def test_a_long_prompt_arrives(built: Path, engine: int) -> None:
    found = loaded(built, engine, "-s", "chat", "-m", "bench-n3", "-L", "400000", "-c", "2")

    assert found.is_right
    assert found.requests > 0


def test_streams_that_are_held_all_begin(built: Path, engine: int) -> None:
    found = loaded(built, engine, "-s", "chat", "-m", "bench-n20-d200000", "-M", "-c", "30")

    assert found.begun >= 30


def sse(content: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":%b}}]}\n\n' % msgspec.json.encode(content)


def chunked(*records: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(record), record) for record in records) + b"0\r\n\r\n"


DONE = b"data: [DONE]\n\n"
RIGHT = HEAD + chunked(sse(" tok00"), sse(" tok01"), DONE)
WRONG = {
    "another text": HEAD + chunked(sse(" tok00"), sse(" tok02"), DONE),
    "a token is missing": HEAD + chunked(sse(" tok00"), DONE),
    "a token too many": HEAD + chunked(sse(" tok00"), sse(" tok01"), sse(" tok02"), DONE),
    "no end": HEAD + chunked(sse(" tok00"), sse(" tok01")),
}


@contextmanager
def serving(reply: bytes) -> Generator[int]:
    """The port of a server that gives each request these bytes; one that leaves its reply open hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, reply))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def serve(listener: socket.socket, reply: bytes) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            client = listener.accept()[0]
            with client, suppress(OSError):  # the client has seen enough
                while client.recv(65536):
                    client.sendall(reply)
                    if not reply.endswith(b"0\r\n\r\n"):
                        break


def test_the_right_reply_is_right(built: Path) -> None:
    with serving(RIGHT) as port:
        found = loaded(built, port, "-s", "chat", "-m", "bench-n2", "-c", "1")

    assert found.is_right
    assert found.requests > 0


@pytest.mark.parametrize("name", WRONG)
def test_a_reply_that_is_not_the_engines_is_found(built: Path, name: str) -> None:
    with serving(WRONG[name]) as port:
        found = loaded(built, port, "-s", "chat", "-m", "bench-n2", "-c", "1")

    assert found.wrong > 0


def test_a_refusal_is_found(built: Path) -> None:
    refusal = b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"

    with serving(refusal) as port:
        found = loaded(built, port, "-s", "chat", "-m", "bench-n2", "-c", "1")

    assert found.refused > 0


def test_a_reply_that_is_cut_is_found(built: Path) -> None:
    with serving(HEAD + b"ff\r\ndata: ") as port:
        found = loaded(built, port, "-s", "chat", "-m", "bench-n2", "-c", "1", "-d", "0.02")

    assert found.broken > 0


def test_an_unknown_style_is_refused(built: Path) -> None:
    done = subprocess.run(
        [str(built / "loadgen"), "-p", "1", "-s", "telepathy", "-m", "bench-n1"], capture_output=True, check=False
    )

    assert done.returncode == 2
    assert b"-s must name a style" in done.stderr
