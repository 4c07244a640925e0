"""The gateway's routes and the surfaces' request Structs -> its OpenAPI 3.1 document, `GET /openapi.json`.

Strategy: the shapes that requests are read with are the shapes that are published, so that the two cannot differ. A
surface whose shapes are not listed here takes any JSON object, as far as this document tells.
Spec: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate._version import __version__
from headgate.errors import CODES
from headgate.surfaces.base import Surface
from headgate.surfaces.chat_shapes import Body

_SHAPES: Mapping[str, type[msgspec.Struct]] = {"chat": Body}
_NO_KEY = "Needs no key; whoever brings one is told the engines' names too."
_READS: Mapping[str, tuple[str, str]] = {
    "/v1/models": ("listModels", "What all engines serve."),
    "/v1/models/{id}": ("getModel", "One model; its id may hold `/` and `:`."),
    "/health": ("getHealth", f"Whether the process is alive. {_NO_KEY}"),
    "/ready": ("getReady", f"Whether an engine answered lately; 503 if none did, or while draining. {_NO_KEY}"),
    "/openapi.json": ("getDocument", "This document."),
}
_REFERENCE = "#/components/schemas/{name}"
# Any, below: an OpenAPI document is whatever its specification says.
_JSON_OBJECT: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}


class ErrorObject(msgspec.Struct):
    """What went wrong; decide by `code`, show `message`."""

    message: str
    type: str
    code: str | None = None
    param: str | None = None


class ErrorBody(msgspec.Struct):
    """The body of every refusal, unless the surface has its own."""

    error: ErrorObject


def document(served: Sequence[Surface]) -> bytes:
    """Write the document of a gateway with these surfaces."""
    shapes = list(dict.fromkeys([*_SHAPES.values(), ErrorBody]))
    _, components = msgspec.json.schema_components(shapes, ref_template=_REFERENCE)
    paths = {path: {"post": _asking(one, path)} for one in served for path in one.paths}
    paths |= {path: {"get": _reading(path, *told)} for path, told in _READS.items()}
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    }
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Headgate", "version": __version__, "description": "Keys are only needed if configured."},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes},
        "security": [{}, {"bearer": []}, {"header": []}],
    }
    return msgspec.json.encode(whole)


def _asking(served: Surface, path: str) -> dict[str, Any]:
    shape = _SHAPES.get(served.name)
    schema = {"$ref": _REFERENCE.format(name=shape.__name__)} if shape else {"type": "object"}
    content = {**_JSON_OBJECT, served.media_type: {"schema": {"type": "string"}}}
    return {
        "operationId": f"{served.name}{path.replace('/', '_')}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "The reply, or its stream.", "content": content}, **_refusals()},
    }


def _reading(path: str, name: str, sentence: str) -> dict[str, Any]:
    answer = {"description": sentence, "content": _JSON_OBJECT}
    operation: dict[str, Any] = {"operationId": name, "responses": {"200": answer, **_refusals()}}
    if "{id}" in path:
        operation["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    if path == "/ready":
        operation["responses"]["503"] = {"description": "No engine answers.", "content": _JSON_OBJECT}
    return operation


def _refusals() -> dict[str, Any]:
    codes = ", ".join(CODES)
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(name=ErrorBody.__name__)}}}
    return {"default": {"description": f"A refusal or a failure; `error.code` is one of {codes}.", "content": content}}
