"""A path -> who answers it, and what policies call that; and whose errors a request is told.

Strategy: each surface names its own paths, and each operation its own, so that either is served without a change here.
Paths are compared as they are: what differs by a slash or by case is not found, so that no rule about a path can be
walked around.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headgate.gateway.openapi import document
from headgate.gateway.operations import anthropic_models
from headgate.gateway.operations.base import Asked, Operation, Response
from headgate.gateway.operations.table import OPERATIONS, get
from headgate.surfaces.base import Surface

_MODELS = "/v1/models"
_APIS = (("/api/", "ollama"), ("/v1/messages", "anthropic"))
"""Whose clients ask below a path, whether or not anything answers there."""


class Route(NamedTuple):
    """What answers a path: a surface by an exchange with an engine, or an operation. `action` is for policies."""

    action: str
    surface: Surface
    operation: Operation | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be asked here."""
        return ("POST",) if self.operation is None else self.operation.methods


class Routes:
    """All routes of a gateway.

    Args:
        served: the surfaces.
        default: whose errors are told where no API is known to be meant, or its surface is not served.
        operations: what is answered beside them.
    """

    def __init__(
        self, served: Sequence[Surface], default: Surface, operations: Sequence[Operation] = OPERATIONS
    ) -> None:
        self._served = {one.name: one for one in served}
        self._default = default
        whole = (*operations, get("/openapi.json", "openapi", self._describe, "This document."))
        self._document = document(served, whole)
        routes = {one.path: Route(one.action, self._surface(one.surface), one) for one in whole}
        routes |= {path: Route(one.name, one) for one in served for path in one.paths}
        self._routes = routes
        self._exact = {path: route for path, route in routes.items() if "{" not in path}
        self._below = {one.prefix: routes[one.path] for one in whole if one.prefix is not None}

    def find(self, path: str) -> tuple[Route | None, str]:
        """The route of a path, and what stands there for its `{…}`."""
        found = self._exact.get(path)
        if found is not None:
            return found, ""
        for prefix, route in self._below.items():
            if path.startswith(prefix) and path != prefix:
                return route, path.removeprefix(prefix)
        return None, ""

    def spoken(self, path: str, route: Route | None, headers: Mapping[str, str]) -> Surface:
        """Whose errors a request is told; names of headers are in lower case."""
        if path.startswith(_MODELS) and anthropic_models.is_asked(headers):
            return self._surface("anthropic")
        if route is not None:
            return route.surface
        return self._surface(next((name for start, name in _APIS if path.startswith(start)), ""))

    def paths_of(self, spoken: Surface) -> list[str]:
        """Where something answers in the manner of a surface."""
        return [path for path, route in self._routes.items() if route.surface is spoken]

    def _surface(self, name: str) -> Surface:
        return self._served.get(name, self._default)

    async def _describe(self, _asked: Asked, /) -> Response:
        return Response(200, self._document)
