"""A path -> who answers it, and what policies call that.

Strategy: each surface names its own paths, so that a new surface is served without a change here. Paths are compared
as they are: what differs by a slash or by case is not found, so that no rule about a path can be walked around.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headgate.gateway import reads
from headgate.gateway.openapi import document
from headgate.gateway.reads import Asked, Read
from headgate.surfaces.base import Surface

_MODEL = "/v1/models/"


class Route(NamedTuple):
    """What answers a path, or all paths below one that ends in `/`.

    `action` is what policies call it. Either a surface answers `POST`, or a read answers `GET` and `HEAD`.
    """

    action: str
    surface: Surface
    read: Read | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be asked here."""
        return ("POST",) if self.read is None else ("GET", "HEAD")


class Routes:
    """All routes of a gateway.

    Args:
        served: the surfaces.
        default: whose error envelope the reads use.
        ready: answers `/ready`.
    """

    def __init__(self, served: Sequence[Surface], default: Surface, ready: Read) -> None:
        written = document(served)

        async def described(_asked: Asked, /) -> tuple[int, bytes]:
            return 200, written

        self._routes = {path: Route(one.name, one) for one in served for path in one.paths}
        self._routes["/v1/models"] = Route("models", default, reads.models)
        self._routes[_MODEL] = Route("models", default, reads.model)
        self._routes["/health"] = Route("health", default, reads.health)
        self._routes["/ready"] = Route("ready", default, ready)
        self._routes["/openapi.json"] = Route("openapi", default, described)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where something answers."""
        return tuple(path.replace(_MODEL, f"{_MODEL}{{id}}") for path in self._routes)

    def find(self, path: str) -> tuple[Route | None, str]:
        """The route of a path, and what follows its prefix."""
        if path.startswith(_MODEL):
            rest = path.removeprefix(_MODEL)
            return (self._routes[_MODEL] if rest else None), rest
        return self._routes.get(path), ""
