"""The examples and the transcripts of the documentation, run for real; engines answer with recorded bytes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from headgate.config import read_toml
from headgate.conform import check_stream
from headgate.testing import Fixture

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DIALECTS = ROOT / "tests" / "fixtures" / "dialects"
WAIT_S = 30.0
"""How long anything here may take on a busy machine."""

RUN_HERE = {"clean_openai_client.py", "collect_message.py", "fastapi_bridge.py", "mounted_gateway.py", "sans_io.py"}


class Answer(NamedTuple):
    """What the engine says. `waits` leaves the reply open until the other side goes."""

    body: bytes
    status: int = 200
    content_type: str = "application/x-ndjson"
    is_reset: bool = False
    waits: bool = False


class Engine(ThreadingHTTPServer):
    """An engine that gives one answer to everything, on a port of the system's choice."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = Answer(b"")
        self.paths: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.left = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One exchange; its body is close-delimited, or chunked and broken off."""

    timeout = WAIT_S

    def do_POST(self) -> None:
        """Answer."""
        engine = self.server
        assert isinstance(engine, Engine)
        answer = engine.answer
        engine.paths.append(self.path)
        engine.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.protocol_version = "HTTP/1.1" if answer.is_reset else "HTTP/1.0"
        self.close_connection = True
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        if answer.is_reset:
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        # A chunk that promises more than comes is how HTTP/1.1 shows a reset.
        self.wfile.write(b"%x\r\n" % (len(answer.body) + 1) + answer.body if answer.is_reset else answer.body)
        if answer.waits:
            with contextlib.suppress(ConnectionError):
                self.rfile.read(1)  # returns at the end of input, as nothing more is sent
            engine.left.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def bridge(engine: Engine) -> Iterator[str]:
    with running_bridge(engine.url) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway as a new user starts it, with its demo engine; its host and port."""
    with running(["headgate", "serve", "--port", "0"], cwd=tmp_path_factory.mktemp("empty")) as url:
        yield url.removeprefix("http://")


@contextlib.contextmanager
def running_bridge(engine_url: str) -> Generator[str]:
    """Run the example under uvicorn; yield its address."""
    command = ["uvicorn", "--app-dir", str(EXAMPLES), "fastapi_bridge:app", "--port", "0"]
    with running(command, ENGINE_URL=engine_url) as url:
        yield url


@contextlib.contextmanager
def running(module: list[str], *, cwd: Path = ROOT, **variables: str) -> Generator[str]:
    """Run a server's module until the end of the block; yield the address that it prints."""
    command = [sys.executable, "-m", *module]
    env = environment(PYTHONUNBUFFERED="1", **variables)
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            yield address_in(server.stdout or [])
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(WAIT_S)
            server.kill()


def address_in(log: Iterable[str]) -> str:
    """Read a server's log up to the address that it listens on."""
    seen: list[str] = []
    for line in log:
        seen.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError("".join(seen))


def environment(**more: str) -> dict[str, str]:
    """This environment, without a proxy between the example and its engine."""
    return {**os.environ, "NO_PROXY": "*", "no_proxy": "*", **more}


def ask(url: str) -> HTTPConnection:
    """Send a prompt to the bridge; the reply is still to be read."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=WAIT_S)
    body = json.dumps({"prompt": "Why is the sky blue?", "model": "llama3.2"})
    connection.request("POST", "/chat", body, {"content-type": "application/json"})
    return connection


def read_stream(url: str) -> tuple[str | None, bytes]:
    """Ask, and return the content type and the whole stream."""
    with contextlib.closing(ask(url)) as connection:
        response = connection.getresponse()
        return response.getheader("content-type"), response.read()


def payloads(stream: bytes) -> list[Any]:
    """Read the JSON of an event stream, without a reader of ours."""
    lines = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def run_example(name: str, *arguments: str, stdin: bytes = b"", **variables: str) -> tuple[int, str, str]:
    """Run a script; return its exit status, output and messages."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        input=stdin,
        capture_output=True,
        env=environment(PYTHONIOENCODING="utf-8", **variables),
        timeout=WAIT_S,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def history_entry(fixture: Fixture) -> dict[str, Any]:
    """What the fixture's message is in a history, with ids that the engine did not send as `*`."""
    message = (fixture.messages or [{}])[0]
    entry = {key: message[key] for key in ("role", "content")}
    return entry | {key: message[key] for key in ("reasoning_content", "tool_calls") if message[key]}


def without_minted_ids(entry: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Replace the ids that are ours by `*`."""
    for call, wanted in zip(entry.get("tool_calls", []), expected.get("tool_calls", []), strict=True):
        call["id"] = "*" if wanted["id"] == "*" else call["id"]
    return entry


def test_every_example_is_run() -> None:
    assert sorted(RUN_HERE) == sorted(path.name for path in EXAMPLES.glob("*.py"))


# -- fastapi_bridge ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["seed-004.chat", "seed-004.generate"])
def test_bridge_turns_ollama_lines_into_one_exact_stream(engine: Engine, bridge: str, case: str) -> None:
    engine.answer = Answer(Fixture.load(DIALECTS / "ollama" / case).response)

    content_type, stream = read_stream(bridge)

    assert [] == check_stream(stream)
    assert stream.endswith(b"data: [DONE]\n\n")
    assert "text/event-stream" == (content_type or "").partition(";")[0]
    assert ["assistant", "The", "stop"] == [
        chunk["choices"][0]["finish_reason"] or next(iter(chunk["choices"][0]["delta"].values()))
        for chunk in payloads(stream)
    ]


def test_bridge_asks_the_engine_for_the_prompt(engine: Engine, bridge: str) -> None:
    engine.answer = Answer(Fixture.load(DIALECTS / "ollama" / "seed-004.chat").response)

    read_stream(bridge)

    assert "/api/chat" == engine.paths[-1]
    assert {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    } == engine.requests[-1]


@pytest.mark.parametrize("is_reset", [False, True])
def test_bridge_ends_a_cut_stream_with_an_error_frame(engine: Engine, bridge: str, *, is_reset: bool) -> None:
    """Half a reply, once as a plain end of input and once as a broken HTTP body."""
    first_line = Fixture.load(DIALECTS / "ollama" / "seed-004.chat").response.splitlines(keepends=True)[0]
    engine.answer = Answer(first_line, is_reset=is_reset)

    _, stream = read_stream(bridge)

    assert [] == check_stream(stream)
    assert b"[DONE]" not in stream
    assert "The" == payloads(stream)[1]["choices"][0]["delta"]["content"]
    assert "upstream_truncated" == payloads(stream)[-1]["error"]["code"]


def test_bridge_passes_on_what_the_engine_complains_about(engine: Engine, bridge: str) -> None:
    fixture = Fixture.load(DIALECTS / "ollama" / "ollama.error.no_model")
    engine.answer = Answer(fixture.response, fixture.status, "application/json")

    _, stream = read_stream(bridge)

    assert [] == check_stream(stream)
    assert ["model 'nope' not found"] == [payload["error"]["message"] for payload in payloads(stream)]


def test_bridge_says_that_the_engine_is_down() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound and not listening: a port where nobody else can answer either
        with running_bridge(f"http://127.0.0.1:{silent.getsockname()[1]}") as url:
            _, stream = read_stream(url)

    assert [] == check_stream(stream)
    assert ["upstream_connect"] == [payload["error"]["code"] for payload in payloads(stream)]


def test_bridge_stops_the_engine_when_the_client_goes(engine: Engine, bridge: str) -> None:
    first_line = Fixture.load(DIALECTS / "ollama" / "seed-004.chat").response.splitlines(keepends=True)[0]
    engine.answer = Answer(first_line, waits=True)
    engine.left.clear()

    with contextlib.closing(ask(bridge)) as connection:
        response = connection.getresponse()
        assert response.readline().startswith(b"data: {")
        response.close()

    assert engine.left.wait(WAIT_S)


def test_the_mounted_gateway_answers_beside_the_apps_own_routes(engine: Engine) -> None:
    engine.answer = Answer(Fixture.load(DIALECTS / "ollama" / "seed-004.chat").response)
    command = ["uvicorn", "--app-dir", str(EXAMPLES), "mounted_gateway:app", "--port", "0"]
    with running(command, ENGINE_URL=engine.url) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=WAIT_S)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            home = json.loads(connection.getresponse().read())
            body = json.dumps({"prompt": "Why is the sky blue?", "model": "llama3.2"})
            connection.request("POST", f"{home['openai'].removesuffix('/v1')}/chat", body)
            response = connection.getresponse()
            stream = response.read()

    assert 200 == response.status
    assert [] == check_stream(stream)
    assert stream.endswith(b"data: [DONE]\n\n")
    assert "/api/chat" == engine.paths[-1]


def test_openai_client_reads_the_bridge(engine: Engine, bridge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    engine.answer = Answer(Fixture.load(DIALECTS / "ollama" / "seed-004.chat").response)

    with openai.OpenAI(base_url=bridge, api_key="none", max_retries=0) as client:
        chunks = list(stream_of(client))

    assert "The" == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "stop" == chunks[-1].choices[0].finish_reason
    assert {"llama3.2"} == {chunk.model for chunk in chunks}


def test_openai_client_raises_for_a_cut_stream(engine: Engine, bridge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No client may take half an answer for a whole one."""
    monkeypatch.setenv("NO_PROXY", "*")
    engine.answer = Answer(Fixture.load(DIALECTS / "ollama" / "seed-004.chat").response[:-20])

    with (
        openai.OpenAI(base_url=bridge, api_key="none", max_retries=0) as client,
        pytest.raises(openai.APIError, match="done"),
    ):
        list(stream_of(client))


def stream_of(client: openai.OpenAI) -> openai.Stream[ChatCompletionChunk]:
    """Ask the bridge with the client's own means for paths that it does not know."""
    return client.post(
        "/chat",
        body={"prompt": "Why is the sky blue?"},
        cast_to=ChatCompletionChunk,
        stream=True,
        stream_cls=openai.Stream[ChatCompletionChunk],
    )


# -- the scripts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        "ollama/seed-004.generate",
        "openai/seed-000.name",
        "openai/seed-001.harmony-text",
        "openai/seed-001.harmony-tool",
        "openai/seed-002.parallel-calls",
    ],
)
def test_collect_message_prints_the_history_entry(case: str) -> None:
    fixture = Fixture.load(DIALECTS / case)
    expected = history_entry(fixture)

    status, output, messages = run_example("collect_message.py", stdin=fixture.response)

    assert (0, "") == (status, messages)
    assert expected == without_minted_ids(json.loads(output), expected)


def test_collect_message_keeps_what_came_before_a_cut() -> None:
    lines = Fixture.load(DIALECTS / "openai" / "seed-000.name").response.splitlines(keepends=True)

    status, output, messages = run_example("collect_message.py", stdin=b"".join(lines[:6]))

    assert 1 == status
    assert "My name is" == json.loads(output)["content"]
    assert messages.startswith("upstream_truncated: ")


def test_clean_openai_client_makes_sense_of_leaked_harmony(engine: Engine) -> None:
    fixture = Fixture.load(DIALECTS / "openai" / "seed-001.harmony-text")
    engine.answer = Answer(fixture.response, content_type="text/event-stream")

    status, output, messages = run_example(
        "clean_openai_client.py", "gpt-oss:20b", "test", OPENAI_BASE_URL=f"{engine.url}/v1", OPENAI_API_KEY="none"
    )

    assert (0, "") == (status, messages)
    shown, entry = output.splitlines()
    assert "Hello! 👋 How can I assist you today?" == shown
    assert history_entry(fixture) == json.loads(entry)
    assert "/v1/chat/completions" == engine.paths[-1]


def test_sans_io_shows_keeps_and_writes_the_reply() -> None:
    status, output, messages = run_example("sans_io.py")

    shown, _, stream = output.partition("data: ")
    *lines, entry = shown.splitlines()

    assert (0, "") == (status, messages)
    assert ["thought: A greeting.", "text: Hello 👋"] == lines
    assert {"role": "assistant", "content": "Hello 👋", "reasoning_content": "A greeting."} == json.loads(entry)
    assert [] == check_stream(f"data: {stream}".encode())


# -- the documentation ------------------------------------------------------------------------------


def transcripts(page: Path) -> Iterator[tuple[str, str]]:
    """Yield each command that a page shows with its output, and that output."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for shown in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = shown.partition("\n")
            yield command, output


def without_chance(output: str) -> str:
    """Replace what is different every time: random ids, and the time."""
    output = re.sub(r"\b(chatcmpl-|call_)[0-9a-f]{24}\b", r"\1*", output)
    return re.sub(r'("created":\s*)\d+', r"\1*", output)


@pytest.mark.parametrize("page", ["README.md", "docs/doctor.md", "docs/explain.md", "docs/normalize.md"])
def test_transcripts_show_what_happens(page: str, gateway: str) -> None:
    """`make golden` rewrites them instead."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command, shown in transcripts(ROOT / page):
        if command.startswith("curl ") and shutil.which("curl") is None:
            pytest.skip("this machine has no curl")
        done = subprocess.run(
            ["sh", "-c", command.replace("127.0.0.1:4283", gateway)],
            cwd=ROOT,
            env=environment(PATH=path),
            capture_output=True,
            timeout=WAIT_S,
            check=False,
        )
        output = done.stdout.decode()
        if os.environ.get("HEADGATE_GOLDEN") == "rewrite" and without_chance(shown) != without_chance(output):
            text = (ROOT / page).read_text("utf-8")
            (ROOT / page).write_text(text.replace(f"$ {command}\n{shown}", f"$ {command}\n{output}"), "utf-8")
            continue

        assert (without_chance(shown), "") == (without_chance(output), done.stderr.decode())


def test_readme_shows_a_configuration_that_is_one() -> None:
    toml = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)

    config = read_toml(toml[0].encode(), "headgate.toml")

    assert ["openai", "ollama"] == [upstream.dialect for upstream in config.upstreams]
