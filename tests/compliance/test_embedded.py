"""An engine of our own, the real llama.cpp: started, killed, started again, ended; and every way not to start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine.corpus import STORY
from real_engine import ENGINE, MODEL

from headgate.config import EmbeddedConfig
from headgate.conform import check_stream
from headgate.upstream import embedded_restarts
from headgate.upstream.embedded_engine import EmbeddedEngine, Phase
from headgate.upstream.embedded_orphans import look_up
from headgate.upstream.embedded_restarts import RESTARTS_MAX, WINDOW_S

pytest.importorskip("xllamacpp", reason="no wheel of xllamacpp for this platform")

WITHIN_S = 20.0
SECRET = "canary-of-the-prompt"


def environment(home: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "XDG_"))}
    return {**ours, "HOME": str(home), "HEADGATE_LOOK": "http://127.0.0.1:1"}


class Running:
    """A gateway with an engine of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str, home: Path) -> None:
        self.process = process
        self.url = url
        self.state = home / ".local" / "state" / "headgate"

    def engine(self) -> int:
        """The process id of its engine, once there is one."""
        return int(until(lambda: [json.loads(path.read_bytes())["pid"] for path in self.state.glob("*.pid")])[0])

    def restarted(self, pid: int) -> bool:
        """Whether its engine is another process than this one. One that is about to end still takes connections."""
        runs = self.state / "engine-embedded.log"
        return is_gone(pid) and runs.read_bytes().count(b"model loaded") > 1

    def open(self, question: str, **fields: Any) -> Any:
        asked = {"model": "tiny", "messages": [{"role": "user", "content": question}], "temperature": 0, **fields}
        return urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(asked).encode()), timeout=WITHIN_S
        )

    def ask(self, question: str) -> str:
        with self.open(question) as reply:
            return str(json.load(reply)["choices"][0]["message"]["content"])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "headgate", "serve", "--port", "0", "--log", "text", *arguments]


@contextmanager
def serving(home: Path, *arguments: str) -> Generator[Running]:
    process = subprocess.Popen(
        command(*arguments),
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first, process.communicate(timeout=WITHIN_S)
        yield Running(process, first.split()[-1], home)
    finally:
        process.kill()
        process.communicate(timeout=WITHIN_S)


@pytest.fixture
def gateway(tmp_path: Path) -> Generator[Running]:
    with serving(tmp_path, "--gguf", str(MODEL), "--n-ctx", "16384", "--threads", "1") as running:
        yield running


def until(found: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
    """Wait for something that happens in another process."""
    end_s = time.monotonic() + within_s
    while not (value := found()):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    return value


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    process = look_up(pid)
    return process is None or not process.command.strip()


# A life


def test_it_answers_under_the_name_of_its_file(gateway: Running) -> None:
    with urllib.request.urlopen(f"{gateway.url}/v1/models", timeout=WITHIN_S) as reply:
        assert ["tiny"] == [model["id"] for model in json.load(reply)["data"]]

    assert "My name is Neo Vim." == gateway.ask("what is your name?")
    assert STORY == gateway.ask("tell me a story")


def test_an_engine_killed_in_the_middle_of_a_stream_fails_it_and_serves_the_next_request(gateway: Running) -> None:
    pid = gateway.engine()
    with gateway.open("tick forever", stream=True) as reply:
        begin = reply.read(2000)
        os.kill(pid, signal.SIGKILL)
        stream = begin + reply.read()

    assert "My name is Neo Vim." == gateway.ask("what is your name?")
    assert b'"code":"upstream_truncated"' in stream.split(b"\n\n")[-2]
    assert b"[DONE]" not in stream
    assert [] == check_stream(stream)
    assert pid != gateway.engine()


def test_the_log_tells_of_the_death_and_of_the_restart(tmp_path: Path) -> None:
    with serving(tmp_path, "--gguf", str(MODEL), "--n-ctx", "4096", "--threads", "1") as gateway:
        pid = gateway.engine()
        os.kill(pid, signal.SIGKILL)
        until(lambda: gateway.restarted(pid))
        gateway.ask("hello")
        gateway.process.send_signal(signal.SIGTERM)
        _, told = gateway.process.communicate(timeout=WITHIN_S)

    assert "embedded: llama.cpp died: killed by SIGKILL" in told
    assert "Starting it again in 0 s." in told
    assert f"Its log is {gateway.state / 'engine-embedded.log'}." in told


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the engine notices by itself, a moment later")
def test_a_killed_gateway_leaves_no_engine(gateway: Running) -> None:
    pid = gateway.engine()
    assert not is_gone(pid)

    gateway.process.kill()
    gateway.process.wait()

    until(lambda: is_gone(pid), within_s=2.0)


# A process that still holds the engine's input, as one that was forked does, must not keep it alive.
HELD = """
import os, signal, sys, time
from headgate.config import EmbeddedConfig
from headgate.upstream.embedded_log import EngineLog
from headgate.upstream.embedded_start import spawn, start

child = start(spawn(), EmbeddedConfig(gguf=sys.argv[1], n_ctx=2048, threads=1), "m", EngineLog(None))
holder = os.fork()
if holder == 0:
    time.sleep(60)
    os._exit(0)
print(child.process.pid, holder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG")
def test_linux_ends_the_engine_itself(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HELD, str(MODEL)], stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        engine, holder = (int(word) for word in process.stdout.readline().split())
        try:
            until(lambda: is_gone(engine), within_s=2.0)
            assert not is_gone(holder)
        finally:
            os.kill(holder, signal.SIGKILL)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_engine_ends_with_the_gateway(gateway: Running, ending: signal.Signals) -> None:
    pid = gateway.engine()

    gateway.process.send_signal(ending)
    gateway.process.wait(WITHIN_S)

    assert is_gone(pid)
    assert [] == list(gateway.state.glob("*.pid"))


def test_ctrl_c_in_a_terminal_lets_a_running_reply_end(gateway: Running) -> None:
    """It goes to every process of the group, and must not reach the engine."""
    with gateway.open("tell me a story", stream=True) as reply:
        os.killpg(gateway.process.pid, signal.SIGINT)
        stream = reply.read()

    assert stream.endswith(b"data: [DONE]\n\n")


def test_what_a_gateway_left_behind_is_forgotten_by_the_next(tmp_path: Path) -> None:
    with serving(tmp_path, "--gguf", str(MODEL), "--n-ctx", "4096", "--threads", "1") as first:
        first.engine()
        first.process.kill()
        first.process.wait()
        left = list(first.state.glob("*.pid"))
        with serving(tmp_path, "--gguf", str(MODEL), "--n-ctx", "4096", "--threads", "1") as second:
            second.ask("hello")
            kept = list(second.state.glob("*.pid"))

    assert (1, 1) == (len(left), len(kept))
    assert left != kept


def test_the_log_has_no_prompt_and_only_its_owner_reads_it(gateway: Running) -> None:
    gateway.ask(SECRET)
    log = gateway.state / "engine-embedded.log"

    assert b"model loaded" in log.read_bytes()
    assert SECRET.encode() not in log.read_bytes()
    assert 0o600 == log.stat().st_mode & 0o777


def test_nobody_else_reaches_the_engine(gateway: Running) -> None:
    """Its key is random, and is in no command line."""
    log = (gateway.state / "engine-embedded.log").read_text()
    url = next(word for word in log.split() if word.startswith("http://127.0.0.1:"))
    process = look_up(gateway.engine())

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(f"{url}/v1/chat/completions", b"{}"), timeout=WITHIN_S)
    assert process is not None
    assert 1 == sum(len(word) >= 32 for word in process.command.split() if word.isalnum())


def test_the_settings_reach_the_engine(tmp_path: Path) -> None:
    template = str(ENGINE / "harmony.jinja")
    flags = ("--n-ctx", "2048", "--slots", "3", "--threads", "1", "--template", template, "--gpu-layers", "0")
    with serving(tmp_path, "--gguf", str(MODEL), *flags) as gateway:
        log = (gateway.state / "engine-embedded.log").read_text()
        with gateway.open("what is your name?") as reply:
            message = json.load(reply)["choices"][0]["message"]

    assert "n_slots = 3, n_ctx_slot = 2048, kv_unified = 'true'" in log
    assert ("My name is Neo Vim.", "The user asks for my name.") == (message["content"], message["reasoning_content"])


def test_a_changed_configuration_starts_another_and_ends_the_first(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    table = f'[[upstream]]\nengine = "embedded"\ngguf = "{MODEL}"\nthreads = 1\nn_ctx = '
    file.write_text(f"{table}2048\n")
    with serving(tmp_path) as gateway:
        first = gateway.engine()
        file.write_text(f"{table}4096\n")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: is_gone(first))

        assert "My name is Neo Vim." == gateway.ask("what is your name?")
        assert first != gateway.engine()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[EmbeddedEngine]:
    """An engine without a gateway, that does not wait between two starts."""
    monkeypatch.setattr(embedded_restarts, "_FIRST_PAUSE_S", 0.001)
    own = EmbeddedEngine("own", EmbeddedConfig(gguf=str(MODEL), n_ctx=2048, threads=1), state=tmp_path)
    yield own
    own.stop()
    own.join()


def pid_of(engine: EmbeddedEngine) -> int:
    assert engine._child is not None
    return engine._child.process.pid


def test_one_that_dies_too_often_stays_down_and_says_why(
    engine: EmbeddedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    pids: list[int] = []
    engine.start()
    for _ in range(RESTARTS_MAX + 1):
        until(lambda: engine.status.phase is Phase.READY and pid_of(engine) not in pids)
        pids.append(pid_of(engine))
        os.kill(pids[-1], signal.SIGKILL)
    until(lambda: engine.status.phase is Phase.FAILED)

    assert engine.status.reason.startswith("llama.cpp died: killed by SIGKILL.")
    assert engine.status.reason.endswith(f"It died {RESTARTS_MAX + 1} times in 60 s.")
    assert RESTARTS_MAX == caplog.text.count("Starting it again in ")
    assert 1 == caplog.text.count("It is not started again.")
    assert Phase.FAILED is engine.start().phase


def test_one_that_has_failed_is_tried_again_a_minute_later(engine: EmbeddedEngine) -> None:
    engine._give_up("it died.")
    assert Phase.FAILED is engine.start().phase

    engine._failed_s -= WINDOW_S

    assert Phase.STARTING is engine.start().phase
    assert Phase.READY is engine.wait(WITHIN_S).phase


def test_one_that_is_stopped_while_it_starts_ends_and_never_comes_back(engine: EmbeddedEngine) -> None:
    engine.start()
    until(lambda: engine._child is not None)
    pid = pid_of(engine)

    engine.stop()
    engine.join()

    assert is_gone(pid)
    assert Phase.STOPPED is engine.start().phase


def test_the_engine_ends_when_its_input_does(engine: EmbeddedEngine, caplog: pytest.LogCaptureFixture) -> None:
    """Where no system ends it with a killed gateway, whose end of the pipe is closed for it."""
    engine.start()
    engine.wait(WITHIN_S)
    child = engine._child
    assert child is not None
    assert child.process.stdin is not None

    child.process.stdin.close()

    assert 0 == child.process.wait(WITHIN_S)
    until(lambda: "llama.cpp died: exit status 0." in caplog.text)


def test_each_start_has_another_key(engine: EmbeddedEngine) -> None:
    engine.start()
    first = engine.wait(WITHIN_S)
    os.kill(pid_of(engine), signal.SIGKILL)
    until(lambda: engine.status != first and engine.status.phase is Phase.READY)

    assert 64 == len(first.key)
    assert first.key != engine.status.key


# Ways not to start


def refusal(home: Path, *arguments: str, environ: dict[str, str] | None = None) -> str:
    """What it says on standard error, when it ends with status 2, without what it says on the way."""
    ended = subprocess.run(
        command(*arguments),
        cwd=home,
        env={**environment(home), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    lines = [line for line in ended.stderr.splitlines() if "llama.cpp loads " not in line]
    assert (2, "", 1) == (ended.returncode, ended.stdout, len(lines)), ended
    assert [] == list(home.rglob("*.pid"))
    return lines[0]


def test_a_missing_file(tmp_path: Path) -> None:
    assert "headgate serve: cannot read the GGUF file no.gguf (No such file or directory)." == refusal(
        tmp_path, "--gguf", "no.gguf"
    )


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"<html>not found</html>")

    said = refusal(tmp_path, "--gguf", "model.gguf")

    assert "headgate serve: model.gguf is no GGUF file: expected it to begin with GGUF, got b'<htm'." == said


@pytest.mark.parametrize("kept_bytes", [4, 100, 20_000, 1_000_000])
def test_a_broken_gguf(tmp_path: Path, kept_bytes: int) -> None:
    (tmp_path / "model.gguf").write_bytes(MODEL.read_bytes()[:kept_bytes])

    said = refusal(tmp_path, "--gguf", "model.gguf")

    assert said.startswith("headgate serve: upstream embedded: llama.cpp cannot load model.gguf (")
    assert "The file may be cut short or too new. Its log is " in said


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refusal(tmp_path, "--gguf", str(MODEL), "--engine-port", port)

    assert f"headgate serve: upstream embedded: port {port} of 127.0.0.1 is taken by another program." in said


def test_a_bad_template(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text("{% if %}")

    said = refusal(tmp_path, "--gguf", str(MODEL), "--template", "chat.jinja")

    assert said.startswith("headgate serve: upstream embedded: llama.cpp cannot read the chat template chat.jinja (")
    assert "Unexpected token" in said


def test_a_missing_template(tmp_path: Path) -> None:
    said = refusal(tmp_path, "--gguf", str(MODEL), "--template", "chat.jinja")

    assert "headgate serve: cannot read the chat template chat.jinja (No such file or directory)." == said


def test_an_extra_that_cannot_be_loaded(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "xllamacpp"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')")

    said = refusal(tmp_path, "--gguf", str(MODEL), environ={"PYTHONPATH": str(package.parent)})

    assert "llama.cpp is installed and cannot be loaded (libgomp.so.1: cannot open shared object file)." in said


def test_a_python_that_speaks_first(tmp_path: Path) -> None:
    """A `sitecustomize` runs in every Python, and may print."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "sitecustomize.py").write_text(
        "import sys\n'-P' in sys.orig_argv and print('hello', flush=True)"
    )

    said = refusal(tmp_path, "--gguf", str(MODEL), environ={"PYTHONPATH": str(tmp_path / "packages")})

    assert "expected an address from its process, got b'hello\\n'" in said


def test_the_demo_falls_back_to_recordings_and_says_so(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "xllamacpp"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('no such instruction')")
    process = subprocess.Popen(
        command(),
        cwd=tmp_path,
        env={**environment(tmp_path), "PYTHONPATH": str(package.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        answer = Running(process, url, tmp_path).open("what is your name?", model="demo").read()
    finally:
        process.terminate()
        _, said = process.communicate(timeout=WITHIN_S)

    assert b"My name is Neo Vim." in answer
    assert "(no such instruction). Run again: pip install 'headgate[engine]' Recordings answer in its place." in said


# The doctor


def test_the_doctor_examines_it(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text(f'[[upstream]]\nengine = "embedded"\ngguf = "{MODEL}"\nthreads = 1\n')

    done = subprocess.run(
        [sys.executable, "-m", "headgate", "doctor", "--only", "plain,whole"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "llama.cpp (openai API), model tiny" in done.stdout
    assert 2 == len([line for line in done.stdout.splitlines() if line.startswith(("  plain  ", "  whole  "))])
    assert [] == list((tmp_path / ".local" / "state" / "headgate").glob("*.pid"))
