"""`headgate serve` as a process: what it prints, what it serves, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.conform import check_stream
from headgate.testing.fake_engine import Answer, Asked, FakeEngine, Script, plain, said, streamed

WITHIN_S = 20.0
COMMAND = [sys.executable, "-m", "headgate", "serve"]
NOWHERE = "http://127.0.0.1:1"


def environment(cwd: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process's environment, without engines of this machine, the user's files, or what a shell has set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    for name in ("OPENAI_BASE_URL", "OLLAMA_HOST", "XDG_CONFIG_HOME"):
        ours.pop(name, None)
    return {**ours, "HOME": str(cwd), "HEADGATE_LOOK": NOWHERE, **(more or {})}


class Gateway:
    """A running gateway: its process, and what it printed before it began to wait."""

    def __init__(self, process: subprocess.Popen[str], banner: str) -> None:
        self.process = process
        self.banner = banner
        self.url = banner.split()[3]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=WITHIN_S) as reply:
            return json.load(reply)

    def chat(self, **fields: Any) -> bytes:
        asked = {"model": "demo", "messages": [{"role": "user", "content": "what is your name?"}], **fields}
        request = urllib.request.Request(self.url + "/v1/chat/completions", json.dumps(asked).encode())
        with urllib.request.urlopen(request, timeout=WITHIN_S) as reply:
            body: bytes = reply.read()
        return body

    def end(self, signal_: signal.Signals) -> int:
        self.process.send_signal(signal_)
        return self.process.wait(WITHIN_S)


@contextmanager
def serve(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Generator[Gateway]:
    with running_process([*COMMAND, *arguments], cwd=cwd, environ=environ) as gateway:
        yield gateway


@contextmanager
def running_process(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str] | None = None
) -> Generator[Gateway]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(cwd, environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while line := process.stdout.readline():
            lines.append(line)
            if "OPENAI_BASE_URL" in line:
                break
        assert lines, process.communicate(timeout=WITHIN_S)
        yield Gateway(process, "".join(lines))
    finally:
        process.kill()
        process.communicate(timeout=WITHIN_S)


@contextmanager
def running(answer: Answer) -> Generator[FakeEngine]:
    """A scripted engine, in a thread of its own."""
    engine, ready, loop = FakeEngine(answer), threading.Event(), asyncio.new_event_loop()
    end = asyncio.Event()

    async def run() -> None:
        async with engine:
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(WITHIN_S)
        yield engine
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def until(is_true: Callable[[], bool]) -> None:
    """Wait until something becomes true in another process."""
    end_s = time.monotonic() + WITHIN_S
    while not is_true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def vllm(asked: Asked) -> Script:
    """What a vLLM answers."""
    match asked.path:
        case "/v1/models":
            entry = {"id": "qwen", "object": "model", "owned_by": "vllm", "max_model_len": 40960}
            return plain(json.dumps({"object": "list", "data": [entry]}).encode())
        case "/version":
            return plain(b'{"version":"0.19.0"}')
        case "/v1/chat/completions":
            return streamed(said("Hello"))
        case _:
            return plain(b'{"detail":"Not Found"}', 404)


def fails(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    """The one line that a start that fails says."""
    result = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(cwd, environ),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (2, "") == (result.returncode, result.stdout)
    assert 1 == result.stderr.count("\n"), result.stderr
    return result.stderr


def test_without_engines_it_serves_the_demo_and_says_so(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path) as gateway:
        assert "demo engine: recordings, model " in gateway.banner
        assert "no engine was found (looked at 127.0.0.1:1); looking again every 10 s" in gateway.banner
        assert ["demo", "recordings"] == [model["id"] for model in gateway.get("/v1/models")["data"]]

        data = gateway.chat(stream=True)
        assert [] == check_stream(data)
        assert b"[DONE]" in data
        assert "My name is Neo Vim." == json.loads(gateway.chat())["choices"][0]["message"]["content"]


def test_the_printed_curl_works_as_it_is(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path) as gateway:
        command = gateway.banner.partition("Try it:\n")[2].partition("Point")[0]

        result = subprocess.run(["sh", "-c", command], capture_output=True, timeout=WITHIN_S, check=False)

        if result.returncode == 127:
            pytest.skip("curl is not installed")
        assert [] == check_stream(result.stdout)
        assert b"[DONE]" in result.stdout


def test_the_printed_environment_is_an_openai_clients(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path) as gateway:
        assert f"export OPENAI_BASE_URL={gateway.url}/v1 OPENAI_API_KEY=none" in gateway.banner


def test_engines_come_from_flags(tmp_path: Path) -> None:
    flags = ("--upstream", "http://127.0.0.1:1", "--upstream", "ollama=http://127.0.0.1:2")
    with serve("--port", "0", *flags, cwd=tmp_path) as gateway:
        assert "127.0.0.1:1: http://127.0.0.1:1 (openai)" in gateway.banner
        assert "127.0.0.1:2: http://127.0.0.1:2 (ollama)" in gateway.banner
        assert "demo" not in gateway.banner
        assert {"status": "ok", "upstreams": ["127.0.0.1:1", "127.0.0.1:2"]} == gateway.get("/health")


# Zero configuration


def test_an_engine_that_runs_is_found_and_used(tmp_path: Path) -> None:
    with running(vllm) as engine, serve("--port", "0", cwd=tmp_path, environ={"HEADGATE_LOOK": engine.url}) as gateway:
        assert f"  vllm 0.19.0 at {engine.url}, context 40,960 tokens: qwen\n" in gateway.banner
        assert '"model":"qwen"' in gateway.banner
        assert "demo" not in gateway.banner

        assert b"Hello" in gateway.chat(model="qwen", stream=True)
        assert not any("authorization" in asked.headers for asked in engine.asked)


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OLLAMA_HOST"])
def test_an_engine_that_the_environment_names_is_found(tmp_path: Path, variable: str) -> None:
    with running(vllm) as engine:
        url = f"{engine.url}/v1" if variable == "OPENAI_BASE_URL" else engine.url.removeprefix("http://")
        with serve("--port", "0", cwd=tmp_path, environ={variable: url, "OPENAI_API_KEY": "sesame"}) as gateway:
            assert "vllm 0.19.0" in gateway.banner
            assert not any("authorization" in asked.headers for asked in engine.asked)


def test_a_variable_that_names_no_engine_is_said_so_without_its_value(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "https://h.example/v1?key=sesame", "HEADGATE_LOG": "text"}
    with (
        running(vllm) as engine,
        serve("--port", "0", cwd=tmp_path, environ={**environ, "HEADGATE_LOOK": engine.url}) as gateway,
    ):
        assert gateway.process.stderr is not None
        assert select.select([gateway.process.stderr], [], [], WITHIN_S)[0]
        line = gateway.process.stderr.readline()

    assert line.startswith("headgate serve: warning: OPENAI_BASE_URL: expected a URL without a query, a fragment")
    assert "sesame" not in line + gateway.banner


def test_demo_is_served_where_it_is_asked_for(tmp_path: Path) -> None:
    with running(vllm) as engine:
        environ = {"HEADGATE_LOOK": engine.url}
        with serve("--demo", "--port", "0", cwd=tmp_path, environ=environ) as gateway:
            assert "demo engine: recordings" in gateway.banner
            assert "no engine was found" not in gateway.banner
        assert [] == engine.asked


def test_it_does_not_take_itself_for_an_engine(tmp_path: Path) -> None:
    """The environment lines that it prints lead back to it, and many shells keep them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    itself = f"http://127.0.0.1:{port}"
    environ = {"OPENAI_BASE_URL": f"{itself}/v1", "OLLAMA_HOST": itself, "HEADGATE_LOOK": itself}

    with serve("--port", str(port), cwd=tmp_path, environ=environ) as gateway:
        assert "demo engine: recordings" in gateway.banner


def test_an_engine_that_wants_a_key_is_named(tmp_path: Path) -> None:
    locked = running(plain(b"{}", 401))
    with locked as engine, serve("--port", "0", cwd=tmp_path, environ={"HEADGATE_LOOK": engine.url}) as gateway:
        assert f"{engine.url} (look) asks for a key: name it in headgate.toml, with api_key_env" in gateway.banner


def test_keys_are_asked_for_in_what_is_printed_and_not_shown(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path, environ={"HEADGATE_API_KEYS": "sesame"}) as gateway:
        assert "-H 'authorization: Bearer YOUR_KEY'" in gateway.banner
        assert "OPENAI_API_KEY=YOUR_KEY" in gateway.banner
        assert "sesame" not in gateway.banner


# Reload


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_sighup_reads_the_file_again_and_keeps_what_works(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text(FILE)
    with serve(cwd=tmp_path, environ={"MY_KEY": "sesame"}) as gateway:
        assert gateway.process.stderr is not None

        file.write_text(FILE.replace("mine", "yours"))
        gateway.process.send_signal(signal.SIGHUP)
        assert "read headgate.toml again. yours: http://127.0.0.1:1 (openai)." in gateway.process.stderr.readline()
        assert ["yours"] == gateway.get("/health")["upstreams"]

        file.write_text("[server]\nprot = 1\n")
        gateway.process.send_signal(signal.SIGHUP)
        assert (
            "headgate.toml:2: server.prot: there is no such key. Did you mean port? The configuration stays as it was."
        ) == json.loads(gateway.process.stderr.readline())["message"]
        assert ["yours"] == gateway.get("/health")["upstreams"]


EARLY = """
import importlib, os, signal, sys
from headgate.cli import main

module, name = sys.argv[1].rsplit(".", 1)
owner = importlib.import_module(module)
plain = getattr(owner, name)

def told(*given, **named):
    setattr(owner, name, plain)
    os.kill(os.getpid(), signal.SIGHUP)
    return plain(*given, **named)

setattr(owner, name, told)
sys.exit(main(["serve", "--upstream", "http://127.0.0.1:1", "--port", "0", "--log", "text"]))
"""
STAGES = (
    "headgate.cli.serve.source",  # before the configuration is read
    "headgate.cli._engines.choose",  # while engines are looked for, in an event loop that is not the server's
    "headgate.gateway.server.make_server",
    "headgate.cli._banner.banner",  # whoever reads it may send the signal at once
)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
@pytest.mark.parametrize("stage", STAGES)
def test_sighup_before_the_first_word_neither_ends_it_nor_is_lost(tmp_path: Path, stage: str) -> None:
    """Nobody but a handler keeps it from ending the process; what it asks for is done once that can be."""
    with running_process([sys.executable, "-c", EARLY, stage], cwd=tmp_path) as gateway:
        assert gateway.process.stderr is not None
        assert select.select([gateway.process.stderr], [], [], WITHIN_S)[0]
        assert "headgate serve: read the configuration again." in gateway.process.stderr.readline()
        assert ["127.0.0.1:1"] == gateway.get("/health")["upstreams"]


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text(FILE)
    with serve(cwd=tmp_path, environ={"MY_KEY": "sesame"}) as gateway:
        file.write_text(FILE.replace("mine", "yours"))

        until(lambda: gateway.get("/health")["upstreams"] == ["yours"])


FILE = """
[server]
port = 0

[[upstream]]
name = "mine"
url = "http://127.0.0.1:1"
api_key_env = "MY_KEY"
models = ["m"]
"""


@pytest.mark.parametrize("arguments", [(), ("--config", "headgate.toml")])
def test_a_file_beside_it_is_read(tmp_path: Path, arguments: Sequence[str]) -> None:
    (tmp_path / "headgate.toml").write_text(FILE)
    with serve(*arguments, cwd=tmp_path, environ={"MY_KEY": "sesame"}) as gateway:
        assert "mine: http://127.0.0.1:1 (openai)" in gateway.banner
        assert '"model":"m"' in gateway.banner
        assert "sesame" not in gateway.banner


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text(FILE.replace("port = 0", 'port = 1\nhost = "192.0.2.1"'))
    flags = ("--host", "127.0.0.1", "--port", "0", "--upstream", "http://127.0.0.1:2")
    with serve(*flags, cwd=tmp_path) as gateway:
        assert ["127.0.0.1:2"] == gateway.get("/health")["upstreams"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that can be caught")
def test_sigterm_ends_it_as_sigterm_does(tmp_path: Path) -> None:
    with serve("--port", "0", "--upstream", NOWHERE, cwd=tmp_path) as gateway:
        assert -signal.SIGTERM == gateway.end(signal.SIGTERM)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child alone")
def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with serve("--port", "0", "--upstream", NOWHERE, cwd=tmp_path) as gateway:
        assert 130 == gateway.end(signal.SIGINT)
        assert gateway.process.stderr is not None
        assert "" == gateway.process.stderr.read()


def test_a_port_that_is_taken_is_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        message = fails("--port", str(port), cwd=tmp_path)

    assert f"headgate serve: port {port} of 127.0.0.1 is taken by another program." in message
    assert "--port" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--host", "0.0.0.0"), "expected API keys, since 0.0.0.0 can be reached from other machines."),
        (("--port", "70000"), "--port: expected a whole number of at most 65535, got 70000."),
        (("--demo", "--upstream", "http://h"), "expected --demo or --upstream, got both. Leave one out."),
        (("--upstream", "localhost:8080"), "expected a URL such as http://127.0.0.1:8080, got 'localhost:8080'."),
        (("--config", "missing.toml"), "missing.toml: cannot read the configuration file (No such file or directory)."),
        (("--config", "."), "cannot read the configuration file (Is a directory)."),
    ],
)
def test_a_start_that_fails_is_one_line_and_status_2(tmp_path: Path, arguments: Sequence[str], words: str) -> None:
    assert words in fails(*arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("192.0.2.1", "192.0.2.1 is no address of this machine. Try --host 127.0.0.1."),
        ("no.such.host.invalid", "no address is known for the host 'no.such.host.invalid'"),
    ],
)
def test_a_host_that_is_none_is_explained(tmp_path: Path, host: str, words: str) -> None:
    assert words in fails("--host", host, cwd=tmp_path, environ={"HEADGATE_API_KEYS": "sesame"})


def test_a_key_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text('[server]\napi_keys_file = "keys"\n')

    message = fails(cwd=tmp_path)
    assert "headgate.toml:2: server.api_keys_file: cannot read keys (No such file or directory)." in message


def test_a_wrong_variable_is_one_line(tmp_path: Path) -> None:
    assert "HEADGATE_PORT: expected a number, got 'x'." in fails(cwd=tmp_path, environ={"HEADGATE_PORT": "x"})
    assert "HEADGATE_LOG_LEVEL: expected one of" in fails(cwd=tmp_path, environ={"HEADGATE_LOG_LEVEL": "loud"})


def test_no_home_directory_is_no_reason_not_to_start(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path, environ={"HOME": "/nonexistent"}) as gateway:
        assert "demo engine" in gateway.banner


def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text("[server]\nprot = 1\n")

    expected = "headgate serve: headgate.toml:2: server.prot: there is no such key. Did you mean port?\n"
    assert expected == fails(cwd=tmp_path)


def test_a_missing_key_is_one_line_that_names_its_variable(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text(FILE)

    assert "upstream mine: the environment variable MY_KEY is not set." in fails(cwd=tmp_path)
