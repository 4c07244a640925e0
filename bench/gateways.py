"""What is measured, and how each is started on a free port before an engine.

A gateway that is not there is skipped, with the reason; nothing is downloaded except by `peers.py`, which is asked.
"""

from __future__ import annotations

import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from bench.peers import LITELLM, LITELLM_ENVIRONMENT
from bench.processes import GATEWAY_CORE, Running, free_port
from bench.programs import BUILD, Engine

ANCHORS = Path(__file__).parent / "anchors"
_READY_S_MAX = 90.0
_PAUSE_S = 0.005

Command = Callable[[Path, int, int], list[str]]
"""A folder for files, the port to listen on, the engine's port -> what to run."""


class GatewayError(Exception):
    """A gateway does not run; the text says why."""


class Gateway(NamedTuple):
    """Something that stands before the engine.

    `missing` says why it cannot run here, or nothing. `cores` and `slow` say how it is loaded.
    """

    name: str
    command: Command
    missing: Callable[[], str] = str
    environment: Mapping[str, str] = MappingProxyType({})
    cores: str = GATEWAY_CORE
    slow: bool = False


class Started(NamedTuple):
    """A gateway that has answered: where, how long after its start, and with how much memory."""

    running: Running
    port: int
    start_s: float
    rss_kb: int


def _headgate(*, dialect: str = "openai", more: str = "", arguments: tuple[str, ...] = ()) -> Command:
    def command(folder: Path, port: int, engine: int) -> list[str]:
        path = "/v1" if dialect == "openai" else ""
        url = f"http://127.0.0.1:{engine}{path}"
        config = folder / "headgate.toml"
        config.write_text(
            f'[[upstream]]\nname = "bench"\nurl = "{url}"\ndialect = "{dialect}"\n{more}', encoding="utf-8"
        )
        serve = [sys.executable, "-m", "headgate", "serve", "--config", str(config), "--port", str(port)]
        return [*serve, "--log", "off", *arguments]

    return command


def _nginx(folder: Path, port: int, engine: int) -> list[str]:
    config = _filled("nginx.conf", folder, port, engine)
    return ["nginx", "-p", str(folder), "-e", "nginx.err", "-c", str(config)]


def _litellm(folder: Path, port: int, engine: int) -> list[str]:
    config = _filled("litellm.yaml", folder, port, engine)
    serve = [str(LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return [*serve, "--num_workers", "1", "--telemetry", "False"]


def _script(name: str) -> Command:
    return lambda _folder, port, engine: [sys.executable, str(ANCHORS / name), str(port), str(engine)]


def _filled(name: str, folder: Path, port: int, engine: int) -> Path:
    text = Template((ANCHORS / name).read_text(encoding="utf-8")).substitute(port=port, engine=engine)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def _without_nginx() -> str:
    return "" if shutil.which("nginx") else "nginx is not on the PATH (apt-get install nginx-light)"


def _without_uvloop() -> str:
    return "" if sys.platform == "linux" else "uvloop runs here on Linux only"


def _without_litellm() -> str:
    return "" if LITELLM.is_file() else "litellm is not installed (python -m bench.peers installs it into build/)"


DIRECT = "direct"
"""No gateway at all: what the engine and the load generator do by themselves."""

GATEWAYS = {
    one.name: one
    for one in (
        Gateway("headgate", _headgate()),
        Gateway("headgate-asgi", _script("asgi.py")),
        Gateway("headgate-markup-off", _headgate(more='markup = "off"\n')),
        Gateway("headgate-ndjson", _headgate(dialect="ollama")),
        Gateway("headgate-2", _headgate(arguments=("--workers", "2")), cores="0,1"),
        Gateway("nginx", _nginx, _without_nginx),
        Gateway("relay", _script("relay.py"), _without_uvloop),
        Gateway("litellm", _litellm, _without_litellm, LITELLM_ENVIRONMENT, slow=True),
    )
}


def start(gateway: Gateway, engine: Engine, *, weighed: bool) -> Started:
    """Start a gateway and wait for its first answer.

    Raises:
        GatewayError: if it is not there, ends, or gives no answer.
    """
    reason = gateway.missing()
    if reason:
        raise GatewayError(reason)
    folder = BUILD / "run" / f"{gateway.name}-{engine.port}"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = gateway.command(folder, port, engine.port)
    began_s = time.monotonic()
    running = Running(
        command,
        cores=gateway.cores,
        folder=folder,
        log=folder / "log",
        environment=gateway.environment,
        weighed=weighed,
    )
    try:
        _wait(running, port, began_s)
    except GatewayError:
        running.stop()
        raise
    return Started(running, port, time.monotonic() - began_s, running.rss_kb())


def _wait(running: Running, port: int, began_s: float) -> None:
    while time.monotonic() - began_s < _READY_S_MAX:
        if running.ended:
            said = running.log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
            raise GatewayError(f"it ended by itself: {said.splitlines()[-1]}")
        if _answers(port):
            return
        time.sleep(_PAUSE_S)
    raise GatewayError(f"no answer within {_READY_S_MAX:.0f} s; see {running.log}")


def _answers(port: int) -> bool:
    """Whether a short chat is answered: a port that is open is not yet a gateway that works."""
    chat = {"model": "bench-n1", "stream": False, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"content-type": "application/json", "authorization": "Bearer sk-1234"}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    request = urllib.request.Request(url, msgspec.json.encode(chat), headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return b"tok00" in reply.read()
    except (urllib.error.URLError, OSError):
        return False
