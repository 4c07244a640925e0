"""Ollama's API beside its replies: what its clients ask before they chat, and what only Ollama itself can do.

Strategy: a model of an Ollama engine is shown by that engine; of others is told what they tell. What would change an
engine's models is refused: a gateway's clients share them.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from headgate.errors import RequestError, UpstreamError
from headgate.gateway.engines import Engine
from headgate.gateway.models import Listed
from headgate.gateway.operations import ollama_models
from headgate.gateway.operations.base import Asked, Response
from headgate.gateway.operations.json_body import model_of, read_object, renamed
from headgate.gateway.operations.passing import fetched, passed_on
from headgate.messages import HttpRequest

VERSION = "0.33.0"
"""The release whose API this is: the recordings that the tests hold are its. Clients compare it, number by number, with
the one that they need; GitHub Copilot's needs 0.6.4."""

_GREETING = b"Ollama is running"
_COMPLETION = "completion"
_NAMES = ("model", "name")
_encode = msgspec.json.Encoder().encode


class ShowRequest(msgspec.Struct):
    """The model to show; older clients call the field `name`."""

    model: str | None = None
    name: str | None = None


class Version(msgspec.Struct):
    """The reply of `/api/version`."""

    version: str


class _Caps(msgspec.Struct):
    supports_tools: Any = None


class _Modalities(msgspec.Struct):
    vision: Any = None


class _Props(msgspec.Struct):
    chat_template: Any = None
    chat_template_caps: _Caps | None = None
    modalities: _Modalities | None = None


class _Loaded(msgspec.Struct):
    models: list[dict[str, Any]] | None = None


async def greeting(_asked: Asked, /) -> Response:
    """The sentence by which clients know that they have found Ollama."""
    return Response(200, _GREETING, "text/plain; charset=utf-8")


async def version(_asked: Asked, /) -> Response:
    """Which Ollama's API this is."""
    return Response(200, _encode(Version(VERSION)))


async def tags(asked: Asked, /) -> Response:
    """What all engines serve."""
    listed = await asked.fleet.models.listing()
    return Response(200, _encode({"models": [ollama_models.tag(one) for one in listed]}))


async def ps(asked: Asked, /) -> Response:
    """What is in memory, as far as engines tell."""
    listed = await asked.fleet.models.listing()
    engines = [engine for engine in asked.fleet.ready if engine.dialect.name == "ollama"]
    told = await asyncio.gather(*(_loaded(asked, engine, listed) for engine in engines))
    ours = [ollama_models.loaded(one) for one in listed if one.facts.is_loaded and one.engine is not None]
    return Response(200, _encode({"models": [*ours, *(entry for entries in told for entry in entries)]}))


async def _loaded(asked: Asked, engine: Engine, listed: list[Listed]) -> list[dict[str, Any]]:
    """What an Ollama engine has in memory, under the names that are listed here; nothing if it does not answer."""
    names = {one.facts.digest: one.id for one in listed if one.engine is engine and one.facts.digest}
    try:
        async with asyncio.timeout(engine.limits.models_s):
            reply = await asked.ask(engine, HttpRequest(method="GET", path="/api/ps"))
        entries = msgspec.json.decode(reply.body, type=_Loaded).models or []
    except (UpstreamError, TimeoutError, ValueError, RecursionError):
        return []
    known = [(entry, names.get(str(entry.get("digest")))) for entry in entries]
    return [{**entry, "name": name, "model": name} for entry, name in known if name is not None]


async def show(asked: Asked, /) -> Response:
    """One model: what it can do, and how much fits into it.

    Raises:
        PeerError: as `Asked.choose` says; `model_not_found` also if a single engine reports no such model.
    """
    body = read_object(asked.body)
    wanted = model_of(body, _NAMES)
    engine, model = await asked.choose(wanted)
    if engine.dialect.name == "ollama":
        field = "model" if body.get("model") else "name"
        return passed_on(await fetched(asked, engine, "/api/show", model, renamed(asked.body, model, field)))
    listed = await asked.fleet.models.one(wanted or model)
    props = await _props(asked, engine) if listed.facts.is_llama_cpp else _Props()
    template = props.chat_template if isinstance(props.chat_template, str) else None
    return Response(200, _encode(ollama_models.shown(listed, _capabilities(listed, props), template)))


async def _props(asked: Asked, engine: Engine) -> _Props:
    """What llama.cpp tells of its model; nothing if it does not answer, or not so."""
    try:
        async with asyncio.timeout(engine.limits.models_s):
            reply = await asked.ask(engine, HttpRequest(method="GET", path="/props"))
        return msgspec.json.decode(reply.body, type=_Props) if reply.status == 200 else _Props()
    except (UpstreamError, TimeoutError, ValueError, RecursionError):
        return _Props()


def _capabilities(listed: Listed, props: _Props) -> list[str]:
    """What is known; every model that is listed can complete a prompt, unless its engine tells what it can do."""
    told = list(listed.facts.capabilities or (_COMPLETION,))
    if props.chat_template_caps is not None and props.chat_template_caps.supports_tools is True:
        told.append("tools")
    if props.modalities is not None and props.modalities.vision is True:
        told.append("vision")
    return list(dict.fromkeys(told))


async def refused(_asked: Asked, /) -> Response:
    """What a gateway's clients may not do.

    Raises:
        RequestError: `forbidden`, always.
    """
    sentence = "models are not changed through Headgate. Do it on the engine itself, such as with `ollama pull`."
    raise RequestError("forbidden", sentence)
