"""The gateway's surfaces and operations -> its OpenAPI 3.1 document, `GET /openapi.json`.

Strategy: the shapes that requests are read with are the shapes that are published, so that the two cannot differ. A
surface whose shapes are not listed here takes any JSON object, as far as this document tells.
Spec: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate._version import __version__
from headgate.errors import CODES
from headgate.gateway.operations.base import Operation
from headgate.surfaces.base import Surface
from headgate.surfaces.chat_shapes import Body
from headgate.surfaces.completions_shapes import CompletionBody

_SHAPES: Mapping[str, type[msgspec.Struct]] = {"chat": Body, "completions": CompletionBody}
_OPENAI = frozenset(_SHAPES)
"""Surfaces whose errors have OpenAI's form."""
_REFERENCE = "#/components/schemas/{name}"
# Any, below: an OpenAPI document is whatever its specification says.
_OBJECT: dict[str, Any] = {"type": "object"}
_JSON_OBJECT: dict[str, Any] = {"application/json": {"schema": _OBJECT}}
_inside = re.compile(r"[^A-Za-z0-9]+")


class ErrorObject(msgspec.Struct):
    """What went wrong; decide by `code`, show `message`."""

    message: str
    type: str
    code: str | None = None
    param: str | None = None


class ErrorBody(msgspec.Struct):
    """The body of every refusal, unless the API has its own."""

    error: ErrorObject


def document(served: Sequence[Surface], operations: Sequence[Operation]) -> bytes:
    """Write the document of a gateway with these surfaces and operations."""
    shapes = [*_SHAPES.values(), *(one.shape for one in operations if one.shape is not None), ErrorBody]
    _, components = msgspec.json.schema_components(list(dict.fromkeys(shapes)), ref_template=_REFERENCE)
    paths = {path: {"post": _reply(one, path)} for one in served for path in one.paths}
    paths |= {one.path: _methods(one) for one in operations}
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


def _reply(served: Surface, path: str) -> dict[str, Any]:
    content = {**_JSON_OBJECT, served.media_type: {"schema": {"type": "string"}}}
    return {
        "operationId": _id(served.name, path),
        "requestBody": _request(_SHAPES.get(served.name)),
        "responses": {
            "200": {"description": "The reply, or its stream.", "content": content},
            **_refusals(served.name),
        },
    }


def _methods(operation: Operation) -> dict[str, Any]:
    """What each method answers; HEAD where there is GET needs no words."""
    told = [method for method in operation.methods if method != "HEAD" or "GET" not in operation.methods]
    return {method.lower(): _operation(operation, method) for method in told}


def _operation(operation: Operation, method: str) -> dict[str, Any]:
    schema = _OBJECT if operation.content_type == "application/json" else {"type": "string"}
    answer = {"description": operation.summary, "content": {operation.content_type: {"schema": schema}}}
    written: dict[str, Any] = {
        "operationId": _id(method.lower(), operation.path),
        "summary": operation.summary,
        "responses": {"200": answer, **_refusals(operation.surface)},
    }
    if operation.asks:
        written["requestBody"] = _request(operation.shape)
    if operation.prefix is not None:
        name = operation.path.removeprefix(operation.prefix).strip("{}")
        written["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
    if operation.action == "ready":
        written["responses"]["503"] = {"description": "No engine answers.", "content": _JSON_OBJECT}
    return written


def _request(shape: type[msgspec.Struct] | None) -> dict[str, Any]:
    schema = _OBJECT if shape is None else {"$ref": _REFERENCE.format(name=shape.__name__)}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _refusals(surface: str) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name=ErrorBody.__name__)} if surface in _OPENAI else _OBJECT
    sentence = f"A refusal or a failure. Its code is one of {', '.join(CODES)}, where this API's errors have codes."
    return {"default": {"description": sentence, "content": {"application/json": {"schema": schema}}}}


def _id(name: str, path: str) -> str:
    return _inside.sub("_", f"{name}{path}").strip("_")
