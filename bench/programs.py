"""The engine and the load generator of `harness/`: built when they are older than their source, and run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.processes import GATEWAY_CORE, LOAD_CORE, Running, free_port

SOURCE = Path(__file__).parent / "harness"
BUILD = Path(__file__).parents[1] / "build" / "bench"
PROGRAMS = {
    "engine": "engine frames queues asked",
    "loadgen": "loadgen options styles text_check http_reply processes",
}
_FLAGS = "-O2 -Wall -Wextra -Werror".split()
_TIMEOUT_S = 150.0


class Load(msgspec.Struct, frozen=True):
    """What the load generator saw. Chunks are pieces of text as the client read them; -1 stands where none was timed.

    `gateway_waited_s` is how long the gateway was ready to run while others had its core: the noise of the machine.
    """

    seconds: float
    chunks: int
    chunks_per_s: float
    requests: int
    requests_per_s: float
    gateway_cpu_s: float
    gateway_waited_s: float
    engine_cpu_s: float
    own_cpu_s: float
    delay_us_p50: int
    delay_us_p99: int
    first_us_p50: int
    first_us_p99: int
    begun: int
    broken: int
    wrong: int
    refused: int
    rss_kb_before: int
    rss_kb_after: int

    @property
    def is_right(self) -> bool:
        """Whether every reply came, whole and with the text that the engine wrote."""
        return not (self.broken or self.wrong or self.refused)

    @property
    def waited(self) -> float:
        """The share of the time that the gateway was ready to run and others had its core."""
        return self.gateway_waited_s / max(self.seconds, 1e-3)


class LoadError(Exception):
    """The load generator gave no result; the text says why."""


def build(folder: Path = BUILD) -> None:
    """Compile what is not up to date.

    Raises:
        LoadError: if there is no C compiler; what that prints goes to standard error.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise LoadError("expected a C compiler, cc or gcc, on the PATH. Install one: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in SOURCE.iterdir())
    for program, names in PROGRAMS.items():
        made = folder / program
        if not made.is_file() or made.stat().st_mtime < newest:
            sources = [str(SOURCE / f"{name}.c") for name in names.split()]
            subprocess.run([compiler, *_FLAGS, "-o", str(made), *sources], check=True)


class Engine(Running):
    """The engine, on a free port. Where nothing stands before it, it has the core of what is measured."""

    def __init__(self, *, alone: bool = False, weighed: bool = False) -> None:
        self.port = free_port()
        super().__init__(
            [str(BUILD / "engine"), str(self.port)],
            cores=GATEWAY_CORE if alone else LOAD_CORE,
            folder=BUILD,
            log=BUILD / "engine.log",
            weighed=weighed,
        )


def load(arguments: Sequence[str], *, pids: Sequence[int], engine: int) -> Load:
    """Run the load generator against what these processes serve.

    Raises:
        LoadError: if it gave no result.
    """
    watched = ["-g", ",".join(map(str, pids)), "-e", str(engine)]
    command = ["taskset", "-c", LOAD_CORE, str(BUILD / "loadgen"), *arguments, *watched]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)
        result = msgspec.json.decode(done.stdout, type=Load)
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"no result within {_TIMEOUT_S:.0f} s of loadgen {' '.join(arguments)}") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace")[-300:]
        raise LoadError(f"loadgen {' '.join(arguments)} ended with {error.returncode}: {said}") from error
    if not result.is_right:
        print(f"    {result.broken} broken, {result.wrong} wrong, {result.refused} refused:", *_lines(done.stderr))
    return result


def _lines(said: bytes) -> list[str]:
    return said.decode(errors="replace").splitlines()[:3]
