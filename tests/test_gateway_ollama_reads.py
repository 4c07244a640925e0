"""What Ollama's clients ask before they chat, over engines that are Ollama and engines that are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import ollama
import pytest
from raw_http import Client, Reply, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.discovery_places import Place
from headgate.gateway import create_app
from headgate.gateway.discover import look
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, FakeEngine, Script, head, plain
from headgate.testing.fake_engine import Asked as Sent

Replies: TypeAlias = Mapping[str, Script]
ENDPOINTS = Path(__file__).parent / "fixtures" / "endpoints"
NEVER = "0001-01-01T00:00:00Z"
VECTORS = plain(
    b'{"data":[{"index":1,"embedding":[3.0e0,4]},{"index":0,"embedding":[ 1,2.50]}],"usage":{"prompt_tokens":5}}'
)


def recorded(name: str) -> bytes:
    return (ENDPOINTS / name.partition(".")[0] / name / "response.raw").read_bytes()


LLAMA_CPP: Replies = {
    "/v1/models": plain(recorded("llamacpp.hermes.get.models")),
    "/props": plain(recorded("llamacpp.hermes.get.props")),
}
OLLAMA: Replies = {"/api/tags": plain(recorded("ollama.get.tags")), "/api/ps": plain(recorded("ollama.get.ps"))}
VLLM: Replies = {
    "/v1/models": plain(b'{"data":[{"id":"org/m","created":1700000000,"max_model_len":4096,"owned_by":"vllm"}]}')
}
BARE: Replies = {"/v1/models": plain(b'{"data":[{"id":"bare"}]}')}


def answering(replies: Replies) -> Callable[[Sent], Script]:
    return lambda asked: replies.get(asked.path) or plain(b'{"error":"no such path"}', status=404)


class Stage:
    def __init__(self, client: Client, url: str, engines: list[FakeEngine]) -> None:
        self.client = client
        self.url = url
        self.engines = engines

    async def get(self, path: str) -> Any:
        reply = await self.client.ask("GET", path)
        assert 200 == reply.status, reply
        return reply.json()

    async def post(self, path: str, **body: Any) -> Reply:
        return await self.client.ask("POST", path, json.dumps(body).encode())


@asynccontextmanager
async def stage(*answers: Replies, limits: Limits | None = None, **config: Any) -> AsyncGenerator[Stage]:
    """A gateway over engines called e0, e1, …; one that answers as Ollama is asked as Ollama."""
    engines = [FakeEngine(answering(one)) for one in answers]
    for engine in engines:
        await engine.__aenter__()
    upstreams = tuple(
        UpstreamConfig(name=f"e{place}", url=engine.url, dialect="ollama" if is_ollama(answers[place]) else "openai")
        for place, engine in enumerate(engines)
    )
    try:
        async with (
            served(create_app(Config(upstreams=upstreams, **config), limits=limits or Limits())) as url,
            connected(url) as client,
        ):
            yield Stage(client, url, engines)
    finally:
        for engine in engines:
            await engine.__aexit__(None, None, None)


def is_ollama(replies: Replies) -> bool:
    return any(path.startswith("/api/") for path in replies)


def run(main: Callable[[], Any]) -> None:
    asyncio.run(main())


# Who is there


def test_the_sentence_by_which_clients_find_ollama() -> None:
    async def main() -> None:
        async with stage(BARE) as on:
            reply = await on.client.ask("GET", "/")
            on.client.send("HEAD", "/")
            status, headers = await on.client.head()

            assert (200, b"Ollama is running") == (reply.status, reply.body)
            assert ("text/plain; charset=utf-8", 200) == (reply.headers["content-type"], status)
            assert str(len(reply.body)) == headers["content-length"]

    run(main)


def test_the_version_is_three_numbers_that_copilot_takes() -> None:
    async def main() -> None:
        async with stage(BARE) as on:
            version = (await on.get("/api/version"))["version"]

            assert (0, 6, 4) <= tuple(int(number) for number in version.split("."))

    run(main)


def test_a_gateway_is_not_taken_for_an_ollama() -> None:
    """Another gateway that looks for engines would ask it in Ollama's API, and lose what only the other one says."""

    async def main() -> None:
        async with stage(OLLAMA) as on:
            found = await look([Place(on.url, "test", named=True)], own_port=None)

            assert [("headgate", "openai")] == [(engine.name, engine.dialect) for engine in found.engines]

    run(main)


# Lists


def test_a_llama_cpp_model_is_listed_with_what_its_server_told() -> None:
    async def main() -> None:
        async with stage(LLAMA_CPP) as on:
            [entry] = (await on.get("/api/tags"))["models"]

        assert 64 == len(entry.pop("digest"))
        assert {
            "name": "tiny",
            "model": "tiny",
            "modified_at": NEVER,
            "size": 1569280,
            "details": {
                "parent_model": "",
                "format": "gguf",
                "family": "",
                "families": [],
                "parameter_size": "783K",
                "quantization_level": "F16",
                "context_length": 2048,
                "embedding_length": 128,
            },
            "capabilities": ["completion"],
        } == entry

    run(main)


def test_ollamas_own_entries_come_back_as_they_were() -> None:
    async def main() -> None:
        async with stage(OLLAMA) as on:
            assert json.loads(recorded("ollama.get.tags")) == await on.get("/api/tags")
            assert json.loads(recorded("ollama.get.ps")) == await on.get("/api/ps")

    run(main)


def test_what_nobody_told_is_nothing_and_never_made_up() -> None:
    async def main() -> None:
        async with stage(BARE) as on:
            [entry] = (await on.get("/api/tags"))["models"]

            assert (NEVER, 0, {"", ()}) == (
                entry["modified_at"],
                entry["size"],
                {tuple(value) if isinstance(value, list) else value for value in entry["details"].values()},
            )
            assert set() == {"context_length", "embedding_length"} & set(entry["details"])
            assert "capabilities" not in entry
            assert [] == (await on.get("/api/ps"))["models"]

    run(main)


@pytest.mark.parametrize(
    "listed",
    [
        b'{"data":[{"id":"bare","meta":7,"architecture":"x","max_model_len":"4096"}],"models":7}',
        b'{"data":[{"id":"bare","created":1e300,"meta":{"n_ctx":-1,"size":true,"ftype":7}}],"models":[7]}',
        b'{"data":[{"id":"bare","created":253402300800,"architecture":{"input_modalities":"text"}}]}',
        b'{"data":[{"id":"bare"}],"models":[{"name":7,"capabilities":[7],"details":[]},{"name":"bare","details":7}]}',
    ],
)
@pytest.mark.parametrize("path", ["/api/tags", "/v1/models"])
def test_odd_values_in_an_engines_list_cost_only_themselves(listed: bytes, path: str) -> None:
    async def main() -> None:
        async with stage({"/v1/models": plain(listed)}) as on:
            expected = await on.get("/api/tags")
            assert ("bare", 0) == (expected["models"][0]["name"], expected["models"][0]["size"])
            reply = await on.client.ask("GET", path, anthropic_version="2023-06-01")
            assert (200, True) == (reply.status, b'"bare"' in reply.body)

    run(main)


def test_a_model_that_sees_images_is_told_as_one() -> None:
    listed = b'{"data":[{"id":"eye","architecture":{"input_modalities":["text","image"]},"max_context_length":9}]}'

    async def main() -> None:
        async with stage({"/v1/models": plain(listed)}) as on:
            [entry] = (await on.get("/api/tags"))["models"]

            assert (["completion", "vision"], 9) == (entry["capabilities"], entry["details"]["context_length"])

    run(main)


def test_a_twin_has_its_prefix_and_an_alias_its_models_facts() -> None:
    async def main() -> None:
        async with stage(LLAMA_CPP, LLAMA_CPP, aliases={"nick": "tiny"}) as on:
            entries = (await on.get("/api/tags"))["models"]

            assert ["tiny", "e1/tiny", "nick"] == [entry["model"] for entry in entries]
            assert {2048} == {entry["details"]["context_length"] for entry in entries}
            assert 3 == len({entry["digest"] for entry in entries})

    run(main)


def test_what_is_loaded_is_told_by_engines_that_load_at_their_start_and_by_ollama() -> None:
    async def main() -> None:
        async with stage(LLAMA_CPP, OLLAMA, VLLM, BARE) as on:
            entries = (await on.get("/api/ps"))["models"]

            assert [("tiny", 2048), ("org/m", 4096), ("tiny:latest", 2048)] == [
                (entry["name"], entry["context_length"]) for entry in entries
            ]
            assert [False, False, True] == ["expires_at" in entry for entry in entries]
            assert all(len(entry["digest"]) >= 12 for entry in entries)

    run(main)


@pytest.mark.parametrize("bad", [[HANG], [head(200)], plain(b"[]"), plain(b'{"models":[7]}'), plain(b"x", status=500)])
def test_an_ollama_that_does_not_tell_what_is_loaded_hides_nobody(bad: Script) -> None:
    async def main() -> None:
        async with stage(LLAMA_CPP, {**OLLAMA, "/api/ps": bad}, limits=Limits(models_s=0.3)) as on:
            assert ["tiny"] == [entry["name"] for entry in (await on.get("/api/ps"))["models"]]

    run(main)


# One model


def test_a_llama_cpp_model_is_shown_with_its_context_and_its_template() -> None:
    async def main() -> None:
        async with stage(LLAMA_CPP) as on:
            shown = (await on.post("/api/show", model="tiny")).json()

        assert {
            "general.architecture": "unknown",
            "general.basename": "tiny",
            "general.parameter_count": 783488,
            "unknown.context_length": 2048,
            "unknown.embedding_length": 128,
        } == shown["model_info"]
        assert "tools" in shown["template"]
        assert {"template", "details", "model_info", "capabilities", "modified_at"} == set(shown)

    run(main)


@pytest.mark.parametrize(
    ("props", "capabilities"),
    [
        (b"{}", ["completion"]),
        (b'{"chat_template_caps":{"supports_tools":true}}', ["completion", "tools"]),
        (b'{"chat_template_caps":{"supports_tools":false}}', ["completion"]),
        (b'{"modalities":{"vision":true}}', ["completion", "vision"]),
        (b'{"chat_template_caps":{"supports_tools":"yes"},"modalities":7}', ["completion"]),
        (b"<html>", ["completion"]),
    ],
)
def test_capabilities_are_those_that_are_known(props: bytes, capabilities: list[str]) -> None:
    async def main() -> None:
        async with stage({**LLAMA_CPP, "/props": plain(props)}) as on:
            assert capabilities == (await on.post("/api/show", name="tiny")).json()["capabilities"]

    run(main)


def test_a_model_of_another_engine_is_shown_without_asking_it() -> None:
    async def main() -> None:
        async with stage(VLLM) as on:
            shown = (await on.post("/api/show", model="org/m")).json()

            assert 4096 == shown["model_info"]["unknown.context_length"]
            assert (["completion"], NEVER) == (shown["capabilities"], shown["modified_at"])
            assert {"/v1/models"} == {asked.path for asked in on.engines[0].asked}

    run(main)


@pytest.mark.parametrize("field", ["model", "name"])
def test_an_ollama_model_is_shown_by_ollama(field: str) -> None:
    said = b'{ "license":"x","model_info":{"general.architecture":"llama"} }'

    async def main() -> None:
        async with stage({**OLLAMA, "/api/show": plain(said)}, aliases={"nick": "tiny"}) as on:
            reply = await on.post("/api/show", **{field: "nick", "verbose": True})

            assert (200, said) == (reply.status, reply.body)
            assert {field: "tiny", "verbose": True} == on.engines[0].asked[-1].json()

    run(main)


def test_a_model_that_nobody_has_is_a_404_with_near_names() -> None:
    async def main() -> None:
        async with stage(LLAMA_CPP) as on:
            reply = await on.post("/api/show", model="tinny")

            assert 404 == reply.status
            assert "tiny" in reply.json()["error"]

    run(main)


# Vectors


@pytest.mark.parametrize("texts", ["a", ["a", "b"]])
def test_embed_is_translated_and_no_number_changes(texts: Any) -> None:
    async def main() -> None:
        async with stage({**BARE, "/v1/embeddings": VECTORS}) as on:
            reply = await on.post("/api/embed", model="bare", input=texts, dimensions=2, truncate=True, keep_alive="5m")

            assert b'{"model":"bare","embeddings":[[ 1,2.50],[3.0e0,4]],"prompt_eval_count":5}' == reply.body
            assert "truncate, keep_alive" == reply.headers["x-headgate-dropped"]
            asked = on.engines[0].asked[-1]
            assert (
                "/v1/embeddings",
                {"model": "bare", "input": texts, "encoding_format": "float", "dimensions": 2},
            ) == (
                asked.path,
                asked.json(),
            )

    run(main)


def test_the_older_embeddings_are_one_vector() -> None:
    async def main() -> None:
        async with stage({**BARE, "/v1/embeddings": VECTORS}) as on:
            reply = await on.post("/api/embeddings", model="bare", prompt="a")

            assert {"embedding": [1, 2.5]} == reply.json()
            assert "a" == on.engines[0].asked[-1].json()["input"]

    run(main)


@pytest.mark.parametrize("path", ["/api/embed", "/api/embeddings"])
def test_an_ollama_engine_answers_itself(path: str) -> None:
    said = b'{"embeddings":[[1.0]],"total_duration":7}'
    field = {"/api/embed": "input", "/api/embeddings": "prompt"}[path]

    async def main() -> None:
        async with stage({**OLLAMA, path: plain(said)}) as on:
            reply = await on.post(path, model="tiny", **{field: "a"}, truncate=False)

            assert (said, path) == (reply.body, on.engines[0].asked[-1].path)
            assert {"model": "tiny", field: "a", "truncate": False} == on.engines[0].asked[-1].json()

    run(main)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/embed", {"model": "bare"}),
        ("/api/embed", {"model": "bare", "input": 7}),
        ("/api/embed", {"model": "bare", "input": ["a", 7]}),
        ("/api/embeddings", {"model": "bare", "prompt": ["a"]}),
    ],
)
def test_a_text_that_is_none_is_a_400(path: str, body: dict[str, Any]) -> None:
    async def main() -> None:
        async with stage(BARE) as on:
            reply = await on.post(path, **body)

            assert 400 == reply.status
            assert "expected a string" in reply.json()["error"]
            assert [] == on.engines[0].asked

    run(main)


@pytest.mark.parametrize("said", [b"{}", b'{"data":[{"embedding":null,"index":"x"}]}', b"[]"])
def test_a_reply_without_vectors_is_a_failure(said: bytes) -> None:
    async def main() -> None:
        async with stage({**BARE, "/v1/embeddings": plain(said)}) as on:
            reply = await on.post("/api/embed", model="bare", input="a")

            assert 502 == reply.status
            assert "expected vectors from e0" in reply.json()["error"]

    run(main)


# What is refused


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/pull"),
        ("POST", "/api/push"),
        ("POST", "/api/create"),
        ("POST", "/api/copy"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/blobs/sha256:00"),
    ],
)
def test_what_would_change_the_engines_models_is_refused_with_a_sentence(method: str, path: str) -> None:
    async def main() -> None:
        async with stage(OLLAMA) as on:
            reply = await on.client.ask(method, path, b'{"model":"tiny"}')

            assert 403 == reply.status
            assert "on the engine itself" in reply.json()["error"]
            assert [] == on.engines[0].asked

    run(main)


# A real client


def test_ollamas_own_python_client_reads_all_of_it() -> None:
    async def main() -> None:
        async with (
            stage({**LLAMA_CPP, "/v1/embeddings": VECTORS}, VLLM, BARE) as on,
            ollama.AsyncClient(host=on.url) as client,
        ):
            listed = await client.list()
            assert ["tiny", "org/m", "bare"] == [model.model for model in listed.models]
            assert 1569280 == listed.models[0].size
            assert ["tiny", "org/m"] == [model.model for model in (await client.ps()).models]
            shown = await client.show("tiny")
            assert ((shown.modelinfo or {})["unknown.context_length"], shown.capabilities) == (
                2048,
                ["completion", "tools"],
            )
            assert [[1, 2.5], [3, 4]] == (await client.embed("tiny", ["a", "b"])).embeddings
            assert [1, 2.5] == (await client.embeddings("tiny", "a")).embedding
            with pytest.raises(ollama.ResponseError, match="on the engine itself") as refused:
                await client.pull("tiny")
            assert 403 == refused.value.status_code
            with pytest.raises(ollama.ResponseError, match="no engine"):
                await client.show("nobody")

    run(main)
