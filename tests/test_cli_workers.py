"""`headgate serve --workers N` as processes: who serves, who comes back, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from test_cli_serve import NOWHERE, WITHIN_S, Gateway, environment, running, serve, until, vllm

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def workers(gateway: Gateway) -> list[int]:
    """The processes that serve, by their ids."""
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text()
    return sorted(map(int, children.split()))


def served_by(process: int) -> int:
    """How many bytes a process has written so far."""
    lines = Path(f"/proc/{process}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_all_of_them_serve_one_address(tmp_path: Path) -> None:
    with (
        running(vllm) as engine,
        serve("--upstream", engine.url, "--port", "0", "--workers", "2", cwd=tmp_path) as found,
    ):
        one, other = workers(found)
        before = served_by(one), served_by(other)

        def both_have_served() -> bool:
            assert "ok" == found.get("/health")["status"]
            return served_by(one) > before[0] and served_by(other) > before[1]

        until(both_have_served)


def test_a_worker_that_dies_is_replaced_and_its_clients_are_served(tmp_path: Path) -> None:
    with serve("--upstream", NOWHERE, "--port", "0", "--workers", "2", cwd=tmp_path) as found:
        one, other = workers(found)
        os.kill(one, signal.SIGKILL)
        for _ in range(20):
            assert "ok" == found.get("/health")["status"]

        until(lambda: len(workers(found)) == 2)
        assert other in workers(found)
        assert one not in workers(found)


def test_workers_that_die_again_and_again_are_given_up(tmp_path: Path) -> None:
    with serve("--upstream", NOWHERE, "--port", "0", "--workers", "2", cwd=tmp_path) as found:
        while found.process.poll() is None:
            for process in workers(found)[:1]:
                with suppress(ProcessLookupError):  # it went with the others, just now
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.1)

        assert 1 == found.process.returncode
        assert found.process.stderr is not None
        said = found.process.stderr.read()
        assert 4 == said.count("Another takes its place.")
        assert "it would again" in said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them_as_it_ends_one(tmp_path: Path, how: signal.Signals) -> None:
    with serve("--upstream", NOWHERE, "--port", "0", "--workers", "2", cwd=tmp_path) as found:
        processes = workers(found)

        assert {signal.SIGTERM: -signal.SIGTERM, signal.SIGINT: 130}[how] == found.end(how)
        assert all(map(is_gone, processes))


def test_none_outlives_its_supervisor(tmp_path: Path) -> None:
    with serve("--upstream", NOWHERE, "--port", "0", "--workers", "2", cwd=tmp_path) as found:
        processes = workers(found)
        assert -signal.SIGKILL == found.end(signal.SIGKILL)

        until(lambda: all(map(is_gone, processes)))


def test_sighup_reaches_every_worker(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text(f'[server]\nport = 0\n[[upstream]]\nname = "a"\nurl = "{NOWHERE}"\n')
    with serve("--workers", "2", cwd=tmp_path) as found:
        file.write_text(f'[server]\nport = 0\n[[upstream]]\nname = "b"\nurl = "{NOWHERE}"\n')
        found.process.send_signal(signal.SIGHUP)

        until(lambda: all(["b"] == found.get("/health")["upstreams"] for _ in range(10)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "0", "--upstream", NOWHERE], "at least 1"),
        (["--workers", "2"], "engines that run by themselves"),
        (["--workers", "2", "--gguf", "model.gguf"], "engines that run by themselves"),
    ],
)
def test_what_workers_cannot_share_is_explained(tmp_path: Path, arguments: list[str], words: str) -> None:
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0", *arguments]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=WITHIN_S, check=False
    )

    assert 2 == ended.returncode
    assert words in ended.stderr
    assert 1 == len(ended.stderr.splitlines())


def test_a_port_that_another_gateway_shares_is_taken(tmp_path: Path) -> None:
    """The kernel would give each of them some of the clients."""
    with serve("--upstream", NOWHERE, "--port", "0", "--workers", "2", cwd=tmp_path) as found:
        port = found.url.rpartition(":")[2]
        command = [sys.executable, "-m", "headgate", "serve", "--upstream", NOWHERE, "--port", port, "--workers", "2"]
        ended = subprocess.run(
            command, env=environment(tmp_path), capture_output=True, text=True, timeout=WITHIN_S, check=False
        )

        assert 2 == ended.returncode
        assert f"port {port} of 127.0.0.1 is taken" in ended.stderr
