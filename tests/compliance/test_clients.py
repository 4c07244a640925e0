"""What every real client makes of our streams, good and bad: one test for each case, asked in every way it can ask.

`docs/clients.md` has the table of it; what only one client can do is in the file of that client.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack

import pytest
from client_stands import BREAKS, MODEL, TICK, Stand, before, breaking, standing
from clients import CLIENTS
from clients.base import Client, Failed, Talk
from real_engine import llama_cpp
from scripted import scripted

from headgate.testing.fake_engine import CUT, HANG, Script, chunk, plain, sse, streamed

NAME, THINK, ONE, TWO = "what is your name?", "think: what is 2 + 2?", "list the files", "list the files twice"
START_S = 20.0
"""Within this time a client must have asked; a command takes a second to start, and more on a machine at work."""
FREE_S = 2.0
"""Within this time the engine must be free again."""


def each(engine: str) -> pytest.MarkDecorator:
    """Every client in every way; the test itself makes the engine."""
    cases = [(client, way) for client in CLIENTS for way in client.ways]
    return pytest.mark.parametrize(
        ("client", "way"),
        [pytest.param(*case, id=id_of(*case, engine), marks=needed(case[0])) for case in cases],
    )


def id_of(client: Client, way: str, engine: str) -> str:
    """`docs/clients.md` is made of these."""
    return f"{client.name}: {way}: {engine}"


def asking(names: Iterable[str], *, wants: Callable[[Client, str, str], bool] | None = None) -> pytest.MarkDecorator:
    """Every client in every way before each of these engines, or those that the case wants."""
    return pytest.mark.parametrize(
        ("stand", "client", "way"),
        [
            pytest.param(name, client, way, id=id_of(client, way, name), marks=needed(client))
            for name in names
            for client in CLIENTS
            for way in client.ways
            if wants is None or wants(client, way, name)
        ],
        indirect=["stand"],
    )


def needed(client: Client) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not client.is_there(), reason=f"`make clients` installs {client.name}")


def has_usage(client: Client, way: str, stand: str) -> bool:
    """llama.cpp was recorded before it was asked for usage; what wants it has a test with the client's name."""
    return way not in client.needs_usage or stand != "llama.cpp, recorded"


def forces(client: Client, _way: str, _stand: str) -> bool:
    """Others have no word for it."""
    return client.forces


@pytest.fixture(scope="module")
def stands() -> Generator[Callable[[str], Stand]]:
    """Each engine is started when it is first asked for, and once."""
    with ExitStack() as running:

        @functools.cache
        def started(name: str) -> Stand:
            return running.enter_context(standing(name))

        yield started


@pytest.fixture
def stand(stands: Callable[[str], Stand], request: pytest.FixtureRequest) -> Stand:
    return stands(request.param)


def talk(client: Client, way: str, stand: Stand, headers: dict[str, str] | None = None) -> Talk:
    return client.talk(stand.url, MODEL, way, headers or {})


# Answers

EVERY = ("llama.cpp", "llama.cpp with harmony", "llama.cpp, recorded", "Ollama, recorded")
HERMES_ONLY = ("llama.cpp", "llama.cpp, recorded", "Ollama, recorded")
"""The tiny model knows no two calls and no JSON with its other template."""


@asking(EVERY, wants=has_usage)
def test_text(stand: Stand, client: Client, way: str) -> None:
    assert "My name is Neo Vim." == talk(client, way, stand).ask(NAME).text


@asking(EVERY, wants=has_usage)
def test_reasoning(stand: Stand, client: Client, way: str) -> None:
    """A client that has no place for thoughts shows none; with `tags` its user sees them all the same."""
    said = talk(client, way, stand).ask(THINK)

    assert "2 + 2 = 4." == said.text.strip()
    assert client.shows_thoughts == ("That is 4." in said.thought)
    if not client.shows_thoughts:
        tagged = talk(client, way, stand, {"x-headgate-reasoning": "tags"}).ask(THINK).text
        thought, closed, answer = tagged.removeprefix("<think>").partition("</think>")
        assert (True, "</think>", "2 + 2 = 4.") == ("That is 4." in thought, closed, answer.strip())


@asking(EVERY, wants=has_usage)
def test_one_call_and_its_result(stand: Stand, client: Client, way: str) -> None:
    ran = talk(client, way, stand).run(ONE)

    assert ([{"command": "ls"}], stand.after_tool) == (ran.calls, ran.text.strip())


@asking(HERMES_ONLY, wants=has_usage)
def test_two_parallel_calls_and_their_results(stand: Stand, client: Client, way: str) -> None:
    ran = talk(client, way, stand).run(TWO)

    assert ([{"command": "ls"}, {"command": "ls -la"}], stand.after_tool) == (ran.calls, ran.text.strip())


@asking(("llama.cpp", "llama.cpp, recorded"), wants=has_usage)
def test_a_structured_answer(stand: Stand, client: Client, way: str) -> None:
    answer = talk(client, way, stand).fill("answer in json")

    assert (["answer"], int) == (list(answer), type(answer["answer"]))


@asking(("llama.cpp", "llama.cpp, recorded"), wants=forces)
def test_a_structured_answer_by_a_forced_call(stand: Stand, client: Client, way: str) -> None:
    assert {"command": "ls"} == talk(client, way, stand).force(ONE)


# Failures

HALF = sse(chunk({"content": "Hel"}))


def came(way: str) -> str:
    """What a user has seen before the failure."""
    return "" if "whole" in way else "Hel"


@each("script")
def test_a_failure_in_the_stream_of_a_script(client: Client, way: str) -> None:
    script = streamed(HALF, 0.02, sse({"error": {"message": "out of memory"}}))
    with scripted(script) as live, pytest.raises(Failed, match="out of memory") as failed:
        client.talk(live.url, "m", way, {}).ask("hello")

    assert came(way) == failed.value.came


@each("llama.cpp, recorded")
def test_a_failure_in_the_stream_of_a_recorded_llama_cpp(client: Client, way: str) -> None:
    with breaking() as stand, pytest.raises(Failed, match="does not match the expected peg-native format"):
        talk(client, way, stand).ask(BREAKS)


@each("script")
@pytest.mark.parametrize("end", [(), (CUT,)], ids=["closed", "reset"])
def test_a_cut_stream_of_a_script(client: Client, way: str, end: Script) -> None:
    """Left alone, most of these clients take it for a whole answer."""
    with scripted(streamed(HALF, 0.02, *end)) as live, pytest.raises(Failed, match="see its log") as failed:
        client.talk(live.url, "m", way, {}).ask("hello")

    assert came(way) == failed.value.came


@each("llama.cpp")
def test_a_cut_stream_of_a_llama_cpp_that_is_killed(client: Client, way: str) -> None:
    """Its machine runs out of memory, say. `llm` asks for a whole reply again, of an engine that is gone by then."""
    with ExitStack() as engine:
        engine_url = engine.enter_context(llama_cpp("hermes"))
        with before(engine_url) as url:
            stand = Stand(url, engine_url=engine_url)
            killer = threading.Thread(target=kill_when_busy, args=(stand, engine))
            killer.start()
            with pytest.raises(Failed, match=r"see its log|nothing listens at"):
                talk(client, way, stand).ask(TICK)
            killer.join()


def kill_when_busy(stand: Stand, engine: ExitStack) -> None:
    with engine:
        wait_for(stand.is_busy, START_S)
        time.sleep(0.2)  # so that some words are on their way


def wait_for(come: Callable[[], bool], within_s: float) -> None:
    end_s = time.monotonic() + within_s
    while not come():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@each("script")
@pytest.mark.parametrize(
    "body",
    [b'{"error":"the model is gone"}', b'{"error":{"message":"the model is gone"}}'],
    ids=["a sentence", "an object"],
)
def test_an_http_error_of_a_script(client: Client, way: str, body: bytes) -> None:
    with scripted(plain(body, 404)) as live, pytest.raises(Failed, match="the model is gone"):
        client.talk(live.url, "m", way, {}).ask("hello")


@asking(HERMES_ONLY)
def test_an_http_error(stand: Stand, client: Client, way: str) -> None:
    with pytest.raises(Failed, match="exceeds the available context size"):
        talk(client, way, stand).ask(stand.too_long)


# Going away


@each("script")
def test_cancelling_a_script(client: Client, way: str) -> None:
    script = streamed(HANG) if "whole" in way else streamed(HALF, sse(chunk({"content": "lo"})), HANG)
    with scripted(script) as live:
        client.talk(live.url, "m", way, {}).leave("hello", lambda: bool(live.engine.asked))
        live.left()


@asking(("llama.cpp",))
def test_cancelling(stand: Stand, client: Client, way: str) -> None:
    """The endless answer would keep this engine busy for a quarter of a minute."""
    talk(client, way, stand).leave(TICK, stand.is_busy)

    wait_for(lambda: not stand.is_busy(), FREE_S)
