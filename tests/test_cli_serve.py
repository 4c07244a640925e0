"""`headgate serve` as a process: what it prints, what it serves, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.conform import check_stream

WITHIN_S = 20.0
COMMAND = [sys.executable, "-m", "headgate", "serve"]


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
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, **(environ or {})},
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


def fails(*arguments: str, cwd: Path) -> str:
    """The one line that a start that fails says."""
    result = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert (2, "") == (result.returncode, result.stdout)
    assert 1 == result.stderr.count("\n"), result.stderr
    return result.stderr


def test_without_engines_it_serves_recordings_and_says_so(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path) as gateway:
        assert "demo engine: recordings, model `demo`" in gateway.banner
        assert ["demo"] == [model["id"] for model in gateway.get("/v1/models")["data"]]

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
    with serve("--port", "0", cwd=tmp_path) as gateway:
        assert -signal.SIGTERM == gateway.end(signal.SIGTERM)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child alone")
def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with serve("--port", "0", cwd=tmp_path) as gateway:
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
        (("--host", "192.0.2.1"), "192.0.2.1 is no address of this machine. Try --host 127.0.0.1."),
        (("--host", "no.such.host.invalid"), "no address is known for the host 'no.such.host.invalid'"),
        (("--port", "70000"), "--port: expected a port from 0 to 65535, got 70000."),
        (("--upstream", "localhost:8080"), "expected a URL such as http://127.0.0.1:8080, got 'localhost:8080'."),
        (("--config", "missing.toml"), "missing.toml: cannot read the configuration file (No such file or directory)."),
        (("--config", "."), "cannot read the configuration file (Is a directory)."),
    ],
)
def test_a_start_that_fails_is_one_line_and_status_2(tmp_path: Path, arguments: Sequence[str], words: str) -> None:
    assert words in fails(*arguments, cwd=tmp_path)


def test_a_bad_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text("[server]\nprot = 1\n")

    expected = "headgate serve: headgate.toml: server.prot: there is no such key. Did you mean port?\n"
    assert expected == fails(cwd=tmp_path)


def test_a_missing_key_is_one_line_that_names_its_variable(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text(FILE)

    assert "upstream mine: the environment variable MY_KEY is not set." in fails(cwd=tmp_path)
