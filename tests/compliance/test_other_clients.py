"""What `langchain-openai` and the command `llm` make of our streams, good and bad.

They bring many packages, so they have an environment of their own, which `make clients` makes; without it there is
nobody to ask. Their own defects are in `docs/clients.md`.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from engine.corpus import AFTER_TOOL, tool
from real_engine import llama_cpp
from scripted import scripted

from headgate.config import Config, UpstreamConfig
from headgate.demo import DEMO_MODEL, cassettes
from headgate.gateway import create_app
from headgate.testing.fake_engine import CUT, HANG, Script, chunk, plain, said, sse, streamed
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

BIN = Path(os.environ.get("HEADGATE_CLIENTS", Path(__file__).parents[2] / "build" / "clients")) / "bin"
LANGCHAIN = Path(__file__).parent / "langchain_client.py"
TOOLS: Any = [tool("run_command"), tool("get_time")]
SCHEMA = {"title": "answer", "type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
WITHIN_S = 60

pytestmark = pytest.mark.skipif(not (BIN / "llm").exists(), reason="`make clients` installs them")


class Stand(NamedTuple):
    """A gateway, and the name of its model."""

    url: str
    model: str


@pytest.fixture(scope="module", params=["recordings", "llama.cpp"])
def stand(request: pytest.FixtureRequest) -> Generator[Stand]:
    """Recordings, and a real engine; both know the same questions."""
    if request.param == "recordings":
        upstream = UpstreamConfig(name="demo", url="demo:", models=(DEMO_MODEL,))
        replay = ReplayUpstream("demo", cassettes(), models=(DEMO_MODEL,))
        with serving(create_app(Config(upstreams=(upstream,)), upstreams={"demo": replay})) as url:
            yield Stand(url, DEMO_MODEL)
        return
    with llama_cpp("hermes") as engine_url:
        app = create_app(Config(upstreams=(UpstreamConfig(name="llama", url=engine_url),)))
        with serving(app) as url:
            yield Stand(url, "tiny")


# langchain-openai

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(params=["stream", "whole"])
def ask(request: pytest.FixtureRequest, stand: Stand) -> Ask:
    """Ask with langchain, in either way."""
    return functools.partial(langchain, *stand, request.param)


def langchain(url: str, model: str, way: str, question: str | list[Any], **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    asked = {"url": url, "model": model, "way": way, "messages": messages, **fields}
    done = subprocess.run(
        [BIN / "python", LANGCHAIN],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_langchain_gets_text_and_counts(ask: Ask) -> None:
    told = ask("what is your name?")

    assert ("My name is Neo Vim.", [], "stop") == (told["text"], told["calls"], told["finish"])
    assert min(told["usage"]) > 0


def test_langchain_drops_thoughts_and_sees_them_between_tags(ask: Ask) -> None:
    """The first is its own defect (docs/clients.md); the second is the way around it."""
    bare = ask("think: what is 2 + 2?")
    tagged = ask("think: what is 2 + 2?", headers={"x-headgate-reasoning": "tags"})

    assert ("2 + 2 = 4.", False) == (bare["text"].strip(), "That is 4." in json.dumps(bare))
    thought, closed, answer = tagged["text"].removeprefix("<think>").partition("</think>")
    assert (True, "</think>", "2 + 2 = 4.") == ("That is 4." in thought, closed, answer.strip())


@pytest.mark.parametrize(
    ("question", "commands"), [("list the files", ["ls"]), ("list the files twice", ["ls", "ls -la"])]
)
def test_langchain_gets_calls_and_sends_their_results(ask: Ask, question: str, commands: list[str]) -> None:
    told = ask(question, tools=TOOLS)

    assert [["run_command", {"command": command}] for command in commands] == [call[1:] for call in told["calls"]]
    assert "tool_calls" == told["finish"]
    calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for call_id, name, arguments in told["calls"]
    ]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "README.md"} for call in calls]
    turn = [{"role": "user", "content": question}, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
    assert AFTER_TOOL["hermes"] == ask(turn, tools=TOOLS)["text"]


def test_langchain_gets_a_structured_answer(stand: Stand) -> None:
    if stand.model == DEMO_MODEL:
        pytest.skip("a recording follows no schema")
    parsed = langchain(*stand, "whole", "answer in json", schema=SCHEMA)["parsed"]

    assert ["answer"] == list(parsed)
    assert isinstance(parsed["answer"], int)


FAILURES: dict[str, tuple[Script, str]] = {
    "in the stream": (
        streamed(sse(chunk({"content": "Hel"})), 0.02, sse({"error": {"message": "out of memory"}})),
        "out of memory",
    ),
    "no end": (streamed(sse(chunk({"content": "Hel"}))), "see its log"),
    "cut": (streamed(sse(chunk({"content": "Hel"})), CUT), "see its log"),
    "http": (plain(b'{"error":"the model is gone"}', 404), "the model is gone"),
}


@pytest.mark.parametrize("way", ["stream", "whole"])
@pytest.mark.parametrize("failure", FAILURES)
def test_langchain_raises_with_the_reason(failure: str, way: str) -> None:
    """Alone it takes a stream without an end for a whole answer."""
    script, words = FAILURES[failure]
    with scripted(script) as live:
        told = langchain(live.url, "m", way, "hello")

    assert words in told.get("error", ""), told


def test_a_langchain_that_stops_reading_stops_the_engine() -> None:
    with scripted(streamed(sse(chunk({"content": "Hel"}), chunk({"content": "lo"})), HANG)) as live:
        told = langchain(live.url, "m", "stream", "hello", stop_after=2)
        live.left()

    assert "Hel" in told["text"]


# llm


def llm(folder: Path, stand: Stand, *arguments: str, **model: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with a folder of its own, in which the model is called `hg`."""
    entry = {"model_id": "hg", "model_name": stand.model, "api_base": f"{stand.url}/v1", **model}
    # JSON is YAML.
    (folder / "extra-openai-models.yaml").write_text(json.dumps([entry]))
    environ = {**os.environ, "LLM_USER_PATH": str(folder)}
    command = [str(BIN / "llm"), "prompt", "-m", "hg", "--no-log", *arguments]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False, stdin=subprocess.DEVNULL
    )


def skip_without_usage(stand: Stand, way: tuple[str, ...]) -> None:
    """Not every recording has usage; what this client does then has a test of its own."""
    if way and stand.model == DEMO_MODEL:
        pytest.skip("llm 0.36 fails on a whole reply without usage")


WAYS = pytest.mark.parametrize("way", [(), ("--no-stream",)], ids=["stream", "whole"])
FUNCTIONS = '''
def run_command(command: str) -> str:
    """Run a shell command."""
    return "README.md"
'''


@WAYS
def test_llm_gets_text(stand: Stand, tmp_path: Path, way: tuple[str, ...]) -> None:
    assert "My name is Neo Vim.\n" == llm(tmp_path, stand, "what is your name?", *way).stdout


@WAYS
def test_llm_shows_thoughts_between_tags(stand: Stand, tmp_path: Path, way: tuple[str, ...]) -> None:
    skip_without_usage(stand, way)
    question = ("think: what is 2 + 2?", *way)
    tagged = llm(tmp_path, stand, *question, headers={"x-headgate-reasoning": "tags"}).stdout

    assert "2 + 2 = 4." == llm(tmp_path, stand, *question).stdout.strip()
    assert tagged.startswith("<think>")
    assert "That is 4." in tagged


@WAYS
@pytest.mark.parametrize(("question", "count"), [("list the files", 1), ("list the files twice", 2)])
def test_llm_runs_its_tools(stand: Stand, tmp_path: Path, question: str, count: int, way: tuple[str, ...]) -> None:
    skip_without_usage(stand, way)
    done = llm(tmp_path, stand, question, "--functions", FUNCTIONS, "--td", *way, supports_tools=True)

    assert done.stdout.strip().endswith(AFTER_TOOL["hermes"]), done
    assert count == done.stderr.count("Tool call: run_command")


def test_llm_gets_a_structured_answer(stand: Stand, tmp_path: Path) -> None:
    if stand.model == DEMO_MODEL:
        pytest.skip("a recording follows no schema")
    done = llm(tmp_path, stand, "answer in json", "--schema", json.dumps(SCHEMA), supports_schema=True)

    assert ["answer"] == list(json.loads(done.stdout))


@WAYS
@pytest.mark.parametrize("failure", FAILURES)
def test_llm_fails_with_the_reason(tmp_path: Path, failure: str, way: tuple[str, ...]) -> None:
    script, words = FAILURES[failure]
    with scripted(script) as live:
        done = llm(tmp_path, Stand(live.url, "m"), "hello", *way)

    assert done.returncode != 0
    assert words in done.stderr


def test_an_llm_that_is_interrupted_stops_the_engine(tmp_path: Path) -> None:
    with scripted(streamed(sse(chunk({"content": "Hello"})), HANG)) as live:
        entry = {"model_id": "hg", "model_name": "m", "api_base": f"{live.url}/v1"}
        (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([entry]))
        environ = {**os.environ, "LLM_USER_PATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        command = [str(BIN / "llm"), "prompt", "-m", "hg", "--no-log", "hello"]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as running:
            assert running.stdout is not None
            assert b"Hello" == running.stdout.read(5)
            running.terminate()
            live.left()
            running.stdout.read()


def test_llm_fails_on_a_whole_reply_without_usage(tmp_path: Path) -> None:
    """Its own defect (docs/clients.md): counts that an engine did not tell are not invented for it."""
    with scripted(streamed(said("Hello"))) as live:
        stand = Stand(live.url, "m")

        assert "Hello\n" == llm(tmp_path, stand, "hello").stdout
        assert "'NoneType' object has no attribute 'model_dump'" in llm(tmp_path, stand, "hello", "--no-stream").stderr


def test_both_clients_take_a_plain_answer(tmp_path: Path) -> None:
    """Whatever fails above, it is not for want of an answer."""
    with scripted(streamed(said("Hello"))) as live:
        assert "Hello" == langchain(live.url, "m", "stream", "hello")["text"]
        assert "Hello\n" == llm(tmp_path, Stand(live.url, "m"), "hello").stdout
