"""The gateway's surfaces and operations -> its OpenAPI 3.1 document, `GET /openapi.json`.

Strategy: each surface and each operation brings the shape that its requests are read with, so that what is published
and what is read cannot differ; one without a shape takes any JSON object, as far as this document tells. The APIs have
words in common (each has a `Message`), so that a shape's name here begins with that of its API.
Spec: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from headgate._version import __version__
from headgate.errors import CODES
from headgate.gateway.operations.base import JSON, Operation
from headgate.surfaces.base import Surface

_OPENAI = frozenset({"chat", "completions"})
"""Surfaces whose errors have OpenAI's form."""
_OWN = "headgate"
_Shape = type[msgspec.Struct]
# Any, below: an OpenAPI document is whatever its specification says.
_Schema = dict[str, Any]
_OBJECT: _Schema = {"type": "object"}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
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
    """Write the document of a gateway with these surfaces and operations; of two at one path a surface answers."""
    schemas = _Schemas(served, operations)
    paths = {one.path: _methods(one, schemas) for one in operations}
    paths |= {path: {"post": _reply(one, path, schemas)} for one in served for path in one.paths}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Headgate", "version": __version__, "description": "Keys are only needed if configured."},
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SCHEMES},
        "security": [{}, {"bearer": []}, {"header": []}],
    }
    return msgspec.json.encode(whole)


class _Schemas:
    """The schemas of all shapes, each API's under its own name."""

    def __init__(self, served: Sequence[Surface], operations: Sequence[Operation]) -> None:
        self.components: dict[str, _Schema] = {}
        self._known: dict[tuple[str, _Shape], _Schema] = {}
        shapes: dict[str, list[_Shape | None]] = {_OWN: [ErrorBody]}
        for one in served:
            shapes.setdefault(one.name, []).append(one.shape)
        for operation in operations:
            shapes.setdefault(operation.surface, []).extend((operation.shape, operation.answers))
        for api, listed in shapes.items():
            self._add(api, list(dict.fromkeys(shape for shape in listed if shape is not None)))

    def of(self, api: str, shape: _Shape | None) -> _Schema:
        """What refers to a shape of an API; any object where it has none."""
        return _OBJECT if shape is None else self._known[api, shape]

    def error(self, api: str) -> _Schema:
        """What refers to an API's errors, as far as they are described."""
        return self.of(_OWN, ErrorBody if api in _OPENAI else None)

    def _add(self, api: str, shapes: Sequence[_Shape]) -> None:
        prefix = _inside.sub("_", api)
        references, components = msgspec.json.schema_components(
            shapes, ref_template=f"#/components/schemas/{prefix}.{{name}}"
        )
        self._known |= {(api, shape): reference for shape, reference in zip(shapes, references, strict=True)}
        self.components |= {f"{prefix}.{name}": schema for name, schema in components.items()}


def _reply(served: Surface, path: str, schemas: _Schemas) -> dict[str, Any]:
    # OpenAPI 3.1 has no word for a stream's records; a schema here would be that of all of it, or of each of them.
    content = {**_json(_OBJECT), served.media_type: {}}
    return {
        "operationId": _id(served.name, path),
        "requestBody": {"required": True, "content": _json(schemas.of(served.name, served.shape))},
        "responses": {
            "200": {"description": "The reply, or its stream.", "content": content},
            **_refusals(schemas.error(served.name)),
        },
    }


def _methods(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    """What each method answers; HEAD where there is GET needs no words."""
    told = [method for method in operation.methods if method != "HEAD" or "GET" not in operation.methods]
    return {method.lower(): _operation(operation, method, schemas) for method in told}


def _operation(operation: Operation, method: str, schemas: _Schemas) -> dict[str, Any]:
    told = schemas.of(operation.surface, operation.answers) if operation.content_type == JSON else {"type": "string"}
    answer = {"description": operation.summary, "content": {operation.content_type: {"schema": told}}}
    written: dict[str, Any] = {
        "operationId": _id(method.lower(), operation.path),
        "summary": operation.summary,
        "responses": {"200": answer, **_refusals(schemas.error(operation.surface))},
    }
    if operation.asks:
        written["requestBody"] = {"required": True, "content": _json(schemas.of(operation.surface, operation.shape))}
    if operation.prefix is not None:
        name = operation.path.removeprefix(operation.prefix).strip("{}")
        written["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
    if operation.action == "ready":
        written["responses"]["503"] = {"description": "No engine answers.", "content": _json(_OBJECT)}
    return written


def _refusals(schema: _Schema) -> dict[str, Any]:
    sentence = f"A refusal or a failure. Its code is one of {', '.join(CODES)}, where this API's errors have codes."
    return {"default": {"description": sentence, "content": _json(schema)}}


def _json(schema: _Schema) -> dict[str, Any]:
    return {JSON: {"schema": schema}}


def _id(name: str, path: str) -> str:
    return _inside.sub("_", f"{name}{path}").strip("_")
