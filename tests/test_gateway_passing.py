"""Embeddings and reranking: the body reaches the engine as it is but for the model's name, and comes back as it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_http import Reply, connected, served

from headgate.config import Config, UpstreamConfig
from headgate.errors import RequestError
from headgate.gateway import create_app
from headgate.gateway.operations.json_body import model_of, read_object, renamed
from headgate.testing.fake_engine import Answer, FakeEngine, plain
from headgate.testing.fake_engine import Asked as Sent

PATHS = ["/v1/embeddings", "/v1/rerank", "/rerank"]
# Nothing here is as another encoder would write it.
REPLY = b'{ "object":"list" ,"data":[ {"embedding":[ 1.0e-1, -0.50 ],"index":0}],\n"usage":{"prompt_tokens":1}} '


def passed(answer: Answer, body: bytes, path: str = "/v1/embeddings", **config: Any) -> tuple[Reply, list[Sent]]:
    """The reply to one body, and what the engine was asked; it is called u."""

    async def main() -> tuple[Reply, list[Sent]]:
        async with FakeEngine(answer) as engine:
            upstreams = (UpstreamConfig(name="u", url=engine.url, dialect=config.pop("dialect", "openai")),)
            app = create_app(Config(upstreams=upstreams, **config))
            async with served(app) as url, connected(url) as client:
                return await client.ask("POST", path, body), engine.asked

    return asyncio.run(main())


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
@pytest.mark.parametrize("path", PATHS)
def test_both_bodies_pass_byte_for_byte(path: str, dialect: str) -> None:
    body = b'\n{"input" :[ "a\\u00e9", 1e2 ], "model":"m" , "x":{"model" : "y"}}\t'

    reply, [asked] = passed(plain(REPLY, content_type="application/json; charset=utf-8"), body, path, dialect=dialect)

    assert ("POST", path, body, "application/json") == (
        asked.method,
        asked.path,
        asked.body,
        asked.headers["content-type"],
    )
    assert (200, REPLY, "application/json; charset=utf-8") == (reply.status, reply.body, reply.headers["content-type"])


@pytest.mark.parametrize("status", [200, 201])
def test_the_status_of_a_good_reply_is_the_engines(status: int) -> None:
    assert status == passed(plain(REPLY, status=status), b'{"model":"m"}')[0].status


@pytest.mark.parametrize("name", ["nick", "u/real", "u/nick"])
def test_only_the_models_name_is_changed(name: str) -> None:
    body = b'{"input":[ "nick" ],"model" : "%b","z":1.50}' % name.encode()

    reply, [asked] = passed(plain(REPLY), body, aliases={"nick": "real"})

    real = b"real" if name != "u/nick" else b"nick"  # an alias is no model of an engine
    assert b'{"input":[ "nick" ],"model" : "%b","z":1.50}' % real == asked.body
    assert real.decode() == reply.headers["x-headgate-model"]


def test_a_body_without_a_model_gets_the_default_one() -> None:
    _, [asked] = passed(plain(REPLY), b'{ "input":"x"}', default_model="m")

    assert b'{"model":"m", "input":"x"}' == asked.body


def test_no_header_of_the_client_reaches_the_engine() -> None:
    _, [asked] = passed(plain(REPLY), b'{"model":"m"}')

    assert set() == {"x-request-id", "authorization", "x-api-key"} & set(asked.headers)


# What is no such reply


@pytest.mark.parametrize(
    "answer",
    [
        plain(b'{"error":{"message":"File Not Found","type":"not_found_error","code":404}}', status=404),
        plain(b'{"detail":"Not Found"}', status=404),
        plain(b"404 page not found", status=404, content_type="text/plain"),
        plain(b'{"detail":"Method Not Allowed"}', status=405),
        plain(b'{"error":"m has no such path"}', status=404),
    ],
    ids=["llama.cpp", "FastAPI", "Go", "405", "its name"],
)
@pytest.mark.parametrize("path", PATHS)
def test_an_engine_without_the_path_is_named(answer: Answer, path: str) -> None:
    reply, _ = passed(answer, b'{"model":"m"}', path)

    error = reply.json()["error"]
    assert (404, "not_found", "u") == (reply.status, error["code"], reply.headers["x-headgate-upstream"])
    assert f"u has no {path}" in error["message"]


@pytest.mark.parametrize("model", ["tiny", "org/tiny:8b", "a.b+c"])
def test_a_404_that_names_the_model_is_the_engines_own(model: str) -> None:
    said = f'model "{model}" not found, try pulling it first'
    answer = plain(json.dumps({"error": said}).encode(), status=404)

    reply, _ = passed(answer, json.dumps({"model": model}).encode())

    assert (404, "upstream_error", said) == (
        reply.status,
        reply.json()["error"]["code"],
        reply.json()["error"]["message"],
    )


@pytest.mark.parametrize(
    ("answer", "status", "code", "words"),
    [
        (plain(b'{"error":{"message":"Start it with `--embeddings`"}}', status=501), 501, "upstream_error", "Start it"),
        (plain(b'{"error":"Unexpected endpoint or method."}'), 502, "upstream_error", "Unexpected endpoint"),
        (plain(b'{"object":"error","message":"no such"}'), 502, "upstream_error", "no such"),
        (plain(b'{"error":"bad key"}', status=401), 502, "upstream_error", "yours is fine"),
        (plain(b"", status=302, location="http://x"), 502, "upstream_protocol", "redirect"),
        (plain(b"<html>", content_type="text/html"), 502, "upstream_protocol", "expected JSON from u, got text/html"),
        (plain(b"{", content_type="application/json"), 502, "upstream_protocol", "expected JSON"),
        (plain(b'"text"'), 502, "upstream_protocol", "expected JSON"),
        (plain(b"[" * 100_000), 502, "upstream_protocol", "expected JSON"),
        (plain(b"\x1f\x8b", content_encoding="gzip"), 502, "upstream_protocol", "uncompressed"),
    ],
    ids=["501", "LM Studio", "flat", "key", "redirect", "page", "cut", "no object", "deep", "gzip"],
)
def test_what_is_no_reply_is_told_as_everywhere(answer: Answer, status: int, code: str, words: str) -> None:
    reply, _ = passed(answer, b'{"model":"m"}')

    assert (status, code) == (reply.status, reply.json()["error"]["code"])
    assert words in reply.json()["error"]["message"]


def test_a_list_at_the_top_is_a_reply_too() -> None:
    """text-embeddings-inference answers `/rerank` so."""
    assert (200, b"[ 1]") == (passed(plain(b"[ 1]"), b'{"model":"m"}', "/rerank")[0][::2])


@pytest.mark.parametrize("status", [429, 503])
def test_when_to_come_again_is_passed_on(status: int) -> None:
    reply, _ = passed(plain(b'{"error":"busy"}', status=status, retry_after="7"), b'{"model":"m"}')

    assert (status, "7") == (reply.status, reply.headers["retry-after"])


# The name in a body

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(TEXTS.filter(lambda name: name != "model"), JSON, max_size=3)
SPACES = st.text(" \t\r\n", max_size=2)


@given(FIELDS, st.integers(0, 3), TEXTS, TEXTS, SPACES)
def test_a_renamed_body_differs_in_the_name_alone(
    fields: dict[str, Any], place: int, old: str, new: str, space: str
) -> None:
    def body_with(name: str) -> bytes:
        pairs = [json.dumps({field: value}, ensure_ascii=len(old) % 2 == 0)[1:-1] for field, value in fields.items()]
        named = f'"model"{space}:{space}{json.dumps(name, ensure_ascii=False)}{space}'
        return f"{space}{{{space}{f',{space}'.join([*pairs[:place], named, *pairs[place:]])}}}{space}".encode()

    assert body_with(new) == renamed(body_with(old), new)
    assert {**fields, "model": new} == read_object(renamed(body_with(old), new))


@given(FIELDS, TEXTS)
def test_a_name_that_is_missing_is_added(fields: dict[str, Any], name: str) -> None:
    assert {**fields, "model": name} == read_object(renamed(json.dumps(fields).encode(), name))


def test_a_body_that_has_the_name_is_not_touched() -> None:
    body = b'{"model":"\\u006d"}'

    assert body is renamed(body, "m")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", b'{"model":"n"}'),
        (b" { } ", b' {"model":"n" } '),
        (b'{"a":1}', b'{"model":"n","a":1}'),
        (b'{"a":"\\"model\\":\\"m\\"","model":null , "b":2}', b'{"a":"\\"model\\":\\"m\\"","model":"n" , "b":2}'),
        (b'{"a":{"model":"m"},"mod\\u0065l":"m"}', b'{"a":{"model":"m"},"mod\\u0065l":"n"}'),
        (b'{"model":"m"}', b'{"model":"n"}'),
    ],
)
def test_a_name_is_put_where_the_name_belongs(body: bytes, expected: bytes) -> None:
    assert expected == renamed(body, "n")


def test_the_first_field_that_names_a_model_counts() -> None:
    names = ("model", "name")

    assert "a" == model_of({"name": "b", "model": "a"}, names)
    assert "b" == model_of({"name": "b", "model": ""}, names)
    assert "" == model_of({}, names)
    with pytest.raises(RequestError, match="expected a string at /name"):
        model_of({"name": 7}, names)
