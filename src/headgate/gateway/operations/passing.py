"""`POST /v1/embeddings` and `POST /v1/rerank`: the model's engine answers, and its answer is passed on as it is.

Strategy: of the request only the model's name is changed, where an alias or a prefix stood for it, and of the reply
nothing. What is no such reply (an HTTP error, or an error that came with a 200) is told as everywhere.
Spec: https://platform.openai.com/docs/api-reference/embeddings/create; `/v1/rerank` is Jina's and Cohere's, as
llama-server and vLLM have it
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from headgate.errors import RequestError, UpstreamError
from headgate.events import Usage
from headgate.gateway import engine_errors
from headgate.gateway.engines import Engine
from headgate.gateway.operations.base import JSON, Asked, Response
from headgate.gateway.operations.json_body import model_of, read_object, renamed
from headgate.upstream.base import Reply

_NO_SUCH_PATH = frozenset({404, 405})


class _Checked(msgspec.Struct):
    # Any: an engine puts what it likes into these.
    error: Any = None
    object: Any = None
    usage: Any = None
    prompt_eval_count: Any = None


async def embeddings(asked: Asked, /) -> Response:
    """Vectors of texts."""
    return await passed(asked, "/v1/embeddings")


async def rerank(asked: Asked, /) -> Response:
    """How well documents fit a query."""
    return await passed(asked, "/v1/rerank")


async def rerank_plain(asked: Asked, /) -> Response:
    """The same on the path that other engines have for it."""
    return await passed(asked, "/rerank")


async def passed(asked: Asked, path: str) -> Response:
    """Ask a path of the model's engine with the request's own body.

    Raises:
        PeerError: as `Asked.choose` and `fetched` do.
    """
    engine, model = await asked.choose(model_of(read_object(asked.body)))
    return passed_on(await fetched(asked, engine, path, model, renamed(asked.body, model)))


def passed_on(reply: Reply) -> Response:
    """An engine's reply as a response, with its status and its content type."""
    kind = next((value for name, value in reply.headers if name == "content-type"), JSON)
    return Response(reply.status, reply.body, kind)


async def fetched(asked: Asked, engine: Engine, path: str, model: str, body: bytes) -> Reply:
    """The engine's reply to a body, if it is the JSON that was asked for; its usage is noted.

    Raises:
        RequestError: `not_found`, if the engine has no such path.
        UpstreamError: if there is none in time, or it is an error, or no JSON.
    """
    reply = await asked.post(engine, path, body)
    if reply.status in _NO_SUCH_PATH and not _names(reply, model):
        raise no_path(engine, path)
    if not 200 <= reply.status < 300:
        raise engine_errors.refusal(engine.name, engine.dialect, reply.status, reply.body)
    try:
        checked = msgspec.json.decode(reply.body, type=_Checked | list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        sentence = f"expected JSON from {engine.name} at {path}, got {len(reply.body):,} bytes of something else."
        raise UpstreamError("upstream_protocol", sentence) from error
    if isinstance(checked, _Checked) and (checked.object == "error" or checked.error is not None):
        # LM Studio answers so what it does not know, with a 200.
        raise engine_errors.failure(engine.name, engine.dialect.error(502, reply.body))
    if isinstance(checked, _Checked):
        _note_usage(asked, checked)
    return reply


def _note_usage(asked: Asked, checked: _Checked) -> None:
    usage = checked.usage if isinstance(checked.usage, dict) else {}
    tokens = usage.get("prompt_tokens", checked.prompt_eval_count)
    if type(tokens) is int:  # a bool is one too
        asked.used(Usage(input_tokens=tokens))


def no_path(engine: Engine, path: str) -> RequestError:
    """The error for an engine without a path."""
    sentence = f"{engine.name} has no {path}, so that this cannot be asked of its models. Ask for another engine's."
    return RequestError("not_found", sentence)


def _names(reply: Reply, model: str) -> bool:
    """Whether a 404 is about the model, such as `model "x" not found`: who does not know a path speaks of no model."""
    named = re.search(rb"(?<![\w.-])%b(?![\w.-])" % re.escape(model.encode()), reply.body)
    return named is not None and b"model" in reply.body.lower()
