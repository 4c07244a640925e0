"""Which engine answers what: recorded answers where there are any, else the shapes that the engines document."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.discovery import FIRST, Answer, Engine, recognise, upstreams
from headgate.discovery_places import USUAL, Place, is_own, ollama_url, places, unusable
from headgate.gateway.discover import Looked, look
from headgate.testing.fake_engine import HANG, Asked, FakeEngine, Script, plain

ENDPOINTS = Path(__file__).parent / "fixtures/endpoints"
URL = "http://127.0.0.1:9"


def recorded(case: str) -> bytes:
    return (ENDPOINTS / case / "response.raw").read_bytes()


def answers(**bodies: Any) -> dict[str, Answer]:
    """Answers by path, whose names are written with `__` for `/`."""
    return {
        name.replace("__", "/"): Answer(200, body if isinstance(body, bytes) else json.dumps(body).encode())
        for name, body in bodies.items()
    }


def listing(*ids: str, **more: Any) -> Any:
    return {"object": "list", "data": [{"id": id_, "object": "model", "created": 1, **more} for id_ in ids]}


NOT_FOUND = Answer(404, recorded("llamacpp/llamacpp.hermes.get.version"))
LLAMA_CPP = {
    FIRST: Answer(200, recorded("llamacpp/llamacpp.hermes.get.models")),
    "/props": Answer(200, recorded("llamacpp/llamacpp.hermes.get.props")),
    "/health": Answer(200, recorded("llamacpp/llamacpp.hermes.get.health")),
    "/api/version": NOT_FOUND,
    "/api/tags": Answer(404, recorded("llamacpp/llamacpp.hermes.get.tags")),
}
OLLAMA = answers(
    __v1__models=listing("tiny:latest", owned_by="library"),
    __api__version={"version": "0.33.0-rc2"},
    __=b"Ollama is running",
    __api__tags=recorded("ollama/ollama.get.tags"),
    __api__ps=recorded("ollama/ollama.get.ps"),
)
VLLM = answers(
    __v1__models=listing("Qwen/Qwen3-8B", owned_by="vllm", max_model_len=40960),
    __version={"version": "0.19.0"},
    __health=b"",
)
SGLANG = answers(
    __v1__models=listing("qwen", owned_by="sglang", max_model_len=32768),
    __=b"Ollama is running",
    __api__tags={"models": [{"name": "qwen"}]},
    __server_info={"model_path": "/m", "version": "0.5.2", "context_length": None, "internal_states": [{}]},
)
UNEXPECTED = {"error": "Unexpected endpoint or method. (GET /props)"}
LMSTUDIO = answers(
    __v1__models=listing("chat", "embed", owned_by="organization_owner"),
    __api__v0__models={
        "data": [
            {
                "id": "chat",
                "type": "llm",
                "state": "loaded",
                "max_context_length": 131072,
                "loaded_context_length": 8192,
            },
            {"id": "embed", "type": "embeddings", "max_context_length": 2048},
        ]
    },
    # It answers every path with HTTP 200.
    **dict.fromkeys(("__props", "__version", "__api__version", "__health", "__server_info"), UNEXPECTED),
)
MLX_LM = {**answers(__v1__models=listing("mlx-community/x"), __health={"status": "ok"}), "/props": NOT_FOUND}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (LLAMA_CPP, Engine("llama.cpp", URL, None, ("tiny",), 2048)),
        (
            OLLAMA,
            Engine(
                "ollama",
                URL,
                "0.33.0-rc2",
                tuple(model["name"] for model in json.loads(recorded("ollama/ollama.get.tags"))["models"]),
                2048,
            ),
        ),
        (VLLM, Engine("vllm", URL, "0.19.0", ("Qwen/Qwen3-8B",), 40960)),
        (SGLANG, Engine("sglang", URL, "0.5.2", ("qwen",), 32768)),
        (LMSTUDIO, Engine("lmstudio", URL, None, ("chat",), 8192)),
        (MLX_LM, Engine("mlx-lm", URL, None, ("mlx-community/x",), None)),
        (answers(__v1__models=listing("m", owned_by="me")), Engine("openai", URL, None, ("m",), None)),
        (
            answers(__v1__models=listing("m"), __health={"status": "ok", "upstreams": ["a"]}),
            Engine("headgate", URL, None, ("m",), None),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Engine) else "",
)
def test_each_engine_is_known_by_what_only_it_answers(given: Mapping[str, Answer], expected: Engine) -> None:
    assert expected == recognise(URL, given)


def test_an_older_sglang_has_the_older_path() -> None:
    older = {**SGLANG, "/get_server_info": SGLANG["/server_info"]}
    del older["/server_info"]

    assert "0.5.2" == (recognise(URL, older) or Engine("openai", "")).version


def test_an_ollama_with_an_old_version_path_is_known_by_its_root() -> None:
    engine = recognise(URL, {path: OLLAMA[path] for path in (FIRST, "/")})

    assert engine is not None
    assert ("ollama", None, "ollama", ("tiny:latest",)) == (engine.name, engine.version, engine.dialect, engine.models)


def test_llama_cpp_tells_its_build() -> None:
    props = Answer(200, json.dumps({"default_generation_settings": {"n_ctx": 8}, "build_info": "b6500-ab"}).encode())

    engine = recognise(URL, {**LLAMA_CPP, "/props": props})

    assert Engine("llama.cpp", URL, "b6500-ab", ("tiny",), 8) == engine


def test_an_engine_that_wants_a_key_is_known_as_one() -> None:
    refused = Answer(401, recorded("llamacpp/llamacpp.key.get.models.no_key"))

    engine = recognise(URL, {FIRST: refused, "/health": LLAMA_CPP["/health"], "/props": refused})

    assert Engine("openai", URL, needs_key=True) == engine


@pytest.mark.parametrize(
    "first",
    [
        Answer(404, b"Not Found"),
        Answer(200, b"<html>my app</html>"),
        Answer(200, b"[1]"),
        Answer(200, b'{"data": "x"}'),
        Answer(200, b"\xff"),
        Answer(200, b"[" * 100_000),
        Answer(503, b'{"error":{"message":"Loading model"}}'),
        Answer(200, json.dumps(UNEXPECTED).encode()),
    ],
    ids=lambda answer: repr(answer.body[:20]),
)
def test_what_is_no_engine_is_left_alone(first: Answer) -> None:
    assert recognise(URL, {FIRST: first, "/health": Answer(200, b'{"status":"ok"}')}) is None


def test_values_of_any_type_do_no_harm() -> None:
    odd = listing("m", owned_by=1, max_model_len="big")
    odd["data"] += [{"id": 7}, {"id": "a\nb"}, {}]

    assert Engine("vllm", URL, None, ("m",), None) == recognise(
        URL, answers(__v1__models=odd, __version={"version": "\n"})
    )


def test_found_engines_become_upstreams_with_names_of_their_own() -> None:
    found = [Engine("vllm", "http://a"), Engine("ollama", "http://b"), Engine("vllm", "http://c")]

    assert [("vllm", "openai"), ("ollama", "ollama"), ("vllm-2", "openai")] == [
        (upstream.name, upstream.dialect) for upstream in upstreams(found)
    ]


# Where


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("example.com:56789", "http://example.com:56789"),
        (":1234", "http://127.0.0.1:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("[::]", "http://[::1]:11434"),
        ("http://h", "http://h:80"),
        ("https://h", "https://h:443"),
        ("https://h:1/ollama/", "https://h:1/ollama"),
        ("h/ollama", "http://h:11434/ollama"),
        ("h:", "http://h:11434"),
        ("h:66000", "http://h:11434"),
        ("h:port", "http://h:11434"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_ollama_host_has_many_spellings(host: str, url: str) -> None:
    """The cases of Ollama's own test, and those that only a server understands as they are."""
    assert url == ollama_url(host)


def test_the_usual_ports_are_looked_at_after_what_the_environment_names() -> None:
    environ = {"OPENAI_BASE_URL": "http://gpu:8000/v1/", "OLLAMA_HOST": '"gpu:1"'}

    found = places(environ)

    assert [Place("http://gpu:8000", "OPENAI_BASE_URL", True), Place("http://gpu:1", "OLLAMA_HOST", True)] == found[:2]
    assert list(USUAL) == [place.url for place in found[2:]]


def test_no_place_is_looked_at_twice() -> None:
    environ = {"OPENAI_BASE_URL": "http://localhost:11434/v1", "OLLAMA_HOST": "127.0.0.1"}

    assert len(USUAL) == len(places(environ))
    assert [] == places({}, [])
    assert ["http://h:1"] == [place.url for place in places({}, ["http://h:1/v1", "http://h:1/", "nonsense"])]


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:4283", True),
        ("http://localhost:4283/v1", True),
        ("http://[::1]:4283", True),
        ("http://127.0.0.1:4284", False),
        ("http://gpu:4283", False),
        ("http://127.0.0.1:x", False),
    ],
)
def test_our_own_address_is_known(url: str, *, own: bool) -> None:
    assert own == is_own(url, 4283)


# Looking


def serving(given: Mapping[str, Answer]) -> Any:
    def answer(asked: Asked) -> Script:
        found = given.get(asked.path, NOT_FOUND)
        return plain(found.body, found.status)

    return answer


def looked(*engines: FakeEngine, own_port: int | None = None, named: bool = False, try_s: float = 5.0) -> Looked:
    """What is found at some engines."""

    async def run() -> Looked:
        async with asyncio.timeout(10):
            for engine in engines:
                await engine.__aenter__()
            try:
                at = [Place(engine.url, "test", named) for engine in engines]
                return await look([*at, Place("http://127.0.0.1:1", "test")], own_port=own_port, try_s=try_s)
            finally:
                for engine in engines:
                    await engine.__aexit__(None, None, None)

    return asyncio.run(run())


def test_engines_are_found_over_real_sockets_and_get_no_key() -> None:
    ollama, vllm = FakeEngine(serving(OLLAMA)), FakeEngine(serving(VLLM))

    found = looked(ollama, vllm).engines

    assert ["ollama", "vllm"] == [engine.name for engine in found]
    for asked in (*ollama.asked, *vllm.asked):
        assert ("GET", b"") == (asked.method, asked.body)
        assert not {"authorization", "x-api-key", "api-key", "cookie"} & set(asked.headers)


def test_a_server_that_is_no_engine_is_asked_once() -> None:
    """Somebody's web app on port 8000 should not find its log full of our questions."""
    app = FakeEngine(plain(b"<html></html>", content_type="text/html"))

    assert Looked(()) == looked(app)
    assert [FIRST] == [asked.path for asked in app.asked]


def test_a_server_that_never_answers_costs_half_a_second() -> None:
    begun_s = time.monotonic()

    assert Looked(()) == looked(FakeEngine([HANG]), FakeEngine([b"HTTP/1.1 200 OK\r\n\r\n", HANG]), try_s=0.5)
    assert time.monotonic() - begun_s < 1.5


def test_an_engine_that_wants_a_key_is_told_apart() -> None:
    found = looked(FakeEngine(plain(b"{}", 401)))

    assert ((), [True]) == (found.engines, [engine.needs_key for engine, _ in found.locked])


def test_another_gateway_is_taken_only_when_somebody_names_it() -> None:
    gateway = answers(__v1__models=listing("m"), __health={"status": "ok", "upstreams": ["a"]})

    assert () == looked(FakeEngine(serving(gateway))).engines
    assert 1 == len(looked(FakeEngine(serving(gateway)), named=True).engines)


def test_our_own_port_is_not_asked() -> None:
    async def run() -> tuple[Looked, int]:
        async with FakeEngine(serving(VLLM)) as engine:
            port = int(engine.url.rpartition(":")[2])
            return await look([Place(engine.url, "test")], own_port=port), len(engine.asked)

    assert (Looked(()), 0) == asyncio.run(run())


@pytest.mark.parametrize("url", ["http://a b", "nonsense", "http://h?q", "http://me:secret@h"])
def test_a_variable_that_holds_no_url_is_no_place(url: str) -> None:
    assert Looked(()) == asyncio.run(look([Place(url, "OPENAI_BASE_URL", True)], own_port=None))
    assert [] == places({"OPENAI_BASE_URL": url}, ())
    assert ["OPENAI_BASE_URL"] == unusable({"OPENAI_BASE_URL": url, "OLLAMA_HOST": "h:1"})
