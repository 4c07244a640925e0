"""Ollama's `POST /api/embed` and `POST /api/embeddings`: from an Ollama engine as they are, else from `/v1/embeddings`.

Strategy: vectors are passed on as they are written, number by number. What `/v1/embeddings` has no place for is named
in `x-headgate-dropped`.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from headgate.errors import UpstreamError
from headgate.gateway.engines import Engine
from headgate.gateway.operations.base import Asked, Response
from headgate.gateway.operations.json_body import model_of, read_object
from headgate.gateway.operations.passing import fetched, passed
from headgate.gateway.plan import dropped_headers
from headgate.surfaces.invalid import invalid
from headgate.upstream.base import Reply

_PATH = "/v1/embeddings"
_encode = msgspec.json.Encoder().encode


class EmbedRequest(msgspec.Struct):
    """A request for the vectors of one text or several."""

    input: str | list[str]
    model: str | None = None
    dimensions: int | None = None


class EmbeddingsRequest(msgspec.Struct):
    """A request for the vector of one text, as older clients write it."""

    prompt: str
    model: str | None = None


# The engine's own numbers, which reading and writing them again might change.
_Numbers = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "array", "items": {"type": "number"}})]


class EmbedReply(msgspec.Struct, omit_defaults=True):
    """A vector for each text, in their order; an Ollama engine's own reply tells more."""

    model: str
    embeddings: list[_Numbers]
    prompt_eval_count: int | msgspec.UnsetType = msgspec.UNSET


class EmbeddingsReply(msgspec.Struct):
    """The vector."""

    embedding: _Numbers


class _Vector(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


_NO_NUMBERS = msgspec.Raw(b"[]")
Write = Callable[[str, _Vectors], msgspec.Struct]


async def embed(asked: Asked, /) -> Response:
    """Vectors of one text or several."""
    return await _embedded(asked, "/api/embed", "input", _embeds)


async def embeddings(asked: Asked, /) -> Response:
    """The vector of one text."""
    return await _embedded(asked, "/api/embeddings", "prompt", _embedding)


async def _embedded(asked: Asked, path: str, field: str, write: Write) -> Response:
    body = read_object(asked.body)
    name = model_of(body)
    if not _is_text(body.get(field), several=field == "input"):
        raise invalid((field,), "a string, or an array of strings" if field == "input" else "a string", body)
    engine, model = await asked.choose(name)
    if engine.dialect.name == "ollama":
        return await passed(asked, path)
    wanted = {"model": model, "input": body[field], "encoding_format": "float"}
    if body.get("dimensions") is not None:
        wanted["dimensions"] = body["dimensions"]
    reply = await fetched(asked, engine, _PATH, model, _encode(wanted))
    dropped = [name for name in body if name not in {"model", field, "dimensions"}]
    return Response(200, _encode(write(name or model, _read(engine, reply))), headers=dropped_headers(dropped))


def _is_text(value: Any, *, several: bool) -> bool:
    if isinstance(value, list):
        return several and all(isinstance(text, str) for text in value)
    return isinstance(value, str)


def _read(engine: Engine, reply: Reply) -> _Vectors:
    try:
        vectors = msgspec.json.decode(reply.body, type=_Vectors)
    except (msgspec.ValidationError, RecursionError) as error:
        sentence = f"expected vectors from {engine.name} at {_PATH}, got JSON without them."
        raise UpstreamError("upstream_protocol", sentence) from error
    return _Vectors(_in_order(vectors.data), vectors.usage)


def _in_order(data: Sequence[_Vector]) -> list[_Vector]:
    """The vectors in the order of the texts, as far as the engine numbers them."""
    return sorted(data, key=lambda vector: vector.index or 0)


def _embeds(model: str, vectors: _Vectors) -> EmbedReply:
    count = None if vectors.usage is None else vectors.usage.prompt_tokens
    numbers = [vector.embedding for vector in vectors.data]
    return EmbedReply(model, numbers, msgspec.UNSET if count is None else count)


def _embedding(_model: str, vectors: _Vectors) -> EmbeddingsReply:
    return EmbeddingsReply(vectors.data[0].embedding if vectors.data else _NO_NUMBERS)
