"""A GGUF file and settings -> a running llama.cpp, or one sentence that says why not."""

from __future__ import annotations

import http.client
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from headgate.config.embedded import EmbeddedConfig
from headgate.errors import ConfigError
from headgate.upstream.embedded_log import EngineLog

MODULE = "xllamacpp"
INSTALL = "pip install 'headgate[engine]'"
_CHILD = Path(__file__).with_name("embedded_child.py")
_MAGIC = b"GGUF"
_NEW_GROUP = 0x200
"""CREATE_NEW_PROCESS_GROUP of Windows, which the standard library names only there."""
_TEMPLATE_BYTES_MAX = 4 * 1024 * 1024
_HEALTH_S = 30.0
"""How long `/health` may take once the server says that it listens."""


class StartError(Exception):
    """The engine did not start; the message says why, in sentences."""


class Child(NamedTuple):
    """A running engine: its process, the word that marks it, where it listens, and the key that it asks for."""

    process: subprocess.Popen[bytes]
    run: str
    url: str = ""
    key: str = ""


class _Told(msgspec.Struct):
    url: str = ""
    failed: str = ""
    reason: str = ""


def is_installed() -> bool:
    """Whether the extra that has llama.cpp in it is there; it is not loaded."""
    return importlib.util.find_spec(MODULE) is not None


def check(config: EmbeddedConfig) -> None:
    """See that an engine could be started, as far as that can be told without starting it.

    Raises:
        ConfigError: if llama.cpp is not installed, or a file cannot be read or is none.
    """
    if not is_installed():
        raise ConfigError(f"the embedded engine needs llama.cpp, which is not installed. Run: {INSTALL}")
    begin = _read(config.gguf, "GGUF file", len(_MAGIC))
    if begin != _MAGIC:
        raise ConfigError(f"{config.gguf} is no GGUF file: expected it to begin with GGUF, got {begin!r}.")
    if config.template is not None:
        template_text(config.template)


def template_text(name: str) -> str:
    """Read a chat template.

    Raises:
        ConfigError: if there is no such file, or it is no text.
    """
    data = _read(name, "chat template", _TEMPLATE_BYTES_MAX)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: expected a chat template as UTF-8 text, got other bytes.") from error


def spawn() -> Child:
    """Make the process; `start` tells it what to do.

    Call both in a thread that stays for as long as the engine does: Linux ends the process with that thread.
    """
    run = secrets.token_hex(16)
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, "-P", str(_CHILD), run],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Apart, so that Ctrl-C in a terminal leaves it alive until running replies have ended.
        process_group=0 if os.name == "posix" else None,
        creationflags=_NEW_GROUP if os.name == "nt" else 0,
    )
    return Child(process, run)


def start(child: Child, config: EmbeddedConfig, model: str, log: EngineLog) -> Child:
    """Have the process load its model and serve it. Waits for as long as that takes.

    Args:
        child: as `spawn` made it.
        config: what to start.
        model: the name under which it is served.
        log: gets what the process prints.

    Raises:
        StartError: if it does not start; its process has ended then.
        ConfigError: as `template_text` says.
    """
    stdin, stdout, stderr = _pipes(child)
    log.begin()
    reader = threading.Thread(target=_drain, args=(stderr, log), name="headgate-engine-log", daemon=True)
    reader.start()
    key = secrets.token_hex(32)
    template = None if config.template is None else template_text(config.template)
    wanted = {**msgspec.structs.asdict(config), "template": template, "model": model, "key": key, "parent": os.getpid()}
    try:
        stdin.write(msgspec.json.encode(wanted) + b"\n")
        line = stdout.readline()
    except OSError:  # it has ended before it read that
        line = b""
    told = _read_told(line)
    if told.failed:
        if line:  # else it is ending, and how is worth knowing
            child.process.kill()
        code = child.process.wait()
        reader.join()
        raise StartError(_why_not(told, config, log, code))
    _check_health(told.url)
    return child._replace(url=told.url, key=key)


def ended(code: int) -> str:
    """Say how a process ended: `killed by SIGKILL`, `exit status 1`."""
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit status {code}"


def _pipes(child: Child) -> tuple[Any, Any, Any]:
    process = child.process
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("spawn makes all three")
    return process.stdin, process.stdout, process.stderr


def _read_told(line: bytes) -> _Told:
    if not line:
        return _Told(failed="died")
    try:
        return msgspec.json.decode(line, type=_Told)
    except msgspec.DecodeError:  # from something that runs in every Python of this machine, before our program
        return _Told(failed="start", reason=f"expected an address from its process, got {line[:80]!r}")


def _drain(stderr: Any, log: EngineLog) -> None:
    with stderr:
        while data := stderr.read(65536):
            log.write(data)
    log.close()


def _check_health(url: str) -> None:
    """See that it answers.

    Raises:
        StartError: if it does not.
    """
    asked = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_HEALTH_S)
    try:
        asked.request("GET", "/health")
        status = asked.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise StartError(f"llama.cpp listens at {url} and does not answer ({error}).") from error
    finally:
        asked.close()
    if status != 200:
        raise StartError(f"expected llama.cpp at {url} to be well, got status {status} from /health.")


def _why_not(told: _Told, config: EmbeddedConfig, log: EngineLog, code: int) -> str:
    complaints = log.complaints
    seen = f" ({complaints[0]})" if complaints else ""
    where = "" if log.path is None else f" Its log is {log.path}."
    if told.failed == "import":
        return f"llama.cpp is installed and cannot be loaded ({told.reason}). Run again: {INSTALL}"
    if told.failed == "port":
        return f"port {config.port} of 127.0.0.1 is taken by another program. Name another, or none to take a free one."
    if told.failed == "died":
        return f"llama.cpp ended while it loaded {config.gguf}: {ended(code)}{seen}.{where}"
    if any("chat template" in complaint for complaint in complaints):
        return f"llama.cpp cannot read the chat template {config.template or f'of {config.gguf}'}{seen}.{where}"
    if any("failed to load model" in complaint for complaint in complaints):
        return f"llama.cpp cannot load {config.gguf}{seen}. The file may be cut short or too new.{where}"
    return f"llama.cpp did not start with {config.gguf}: {told.reason.rstrip('.')}{seen}.{where}"


def _read(name: str, what: str, bytes_max: int) -> bytes:
    """The beginning of a file.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        with Path(name).open("rb") as file:
            return file.read(bytes_max)
    except OSError as error:
        raise ConfigError(f"cannot read the {what} {name} ({error.strerror}).") from error
