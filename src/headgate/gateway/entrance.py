"""A request's head -> who asks for what, and in the manner of which API they are answered.

Strategy: plain decisions over what an ASGI scope says, before any byte of a body is read. They depend on the head and
on the configuration alone, so a server may keep them for a head that comes again (`again.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from headgate.errors import RequestError
from headgate.gateway.asgi import Headers, Scope, headers_of, path_of
from headgate.gateway.door import Door, Pairs, cors_headers
from headgate.gateway.routes import Route, Routes
from headgate.surfaces.base import Surface


class Head(NamedTuple):
    """What a request's head says.

    `pairs` are the headers as they came, `headers` those by name in lower case; `route` is what answers the path, if
    anything does, and `rest` what of the path it left open; `surface` is whose errors the request is told.
    """

    method: str
    path: str
    pairs: Pairs
    headers: Mapping[str, str]
    route: Route | None
    rest: str
    surface: Surface


class Admitted(NamedTuple):
    """Somebody who may come in, and what for.

    `door` decided it: what another one would decide is not known. `cors` are the headers that every reply carries.
    """

    door: Door
    head: Head
    route: Route
    principal: str
    cors: Headers


def head_of(scope: Scope, routes: Routes) -> Head:
    """Read a request's head."""
    path = path_of(scope)
    route, rest = routes.find(path)
    headers = headers_of(scope)
    return Head(scope["method"], path, scope["headers"], headers, route, rest, routes.spoken(path, route, headers))


def page(head: Head, door: Door) -> bytes | None:
    """The listed origin that a request comes from; None if no page sent it.

    Raises:
        RequestError: as `Door.check_host` and `Door.origin` do.
    """
    door.check_host(head.pairs)
    return door.origin(head.pairs)


def admit(head: Head, origin: bytes | None, door: Door, routes: Routes) -> Admitted:
    """Let somebody in whose host and origin are checked.

    Raises:
        RequestError: as `Door.admit` does, and `not_found` or `method_not_allowed`.
    """
    principal = door.admit(head.method, head.path, head.pairs, origin)
    route = _routed(head, routes)
    return Admitted(door, head, route, principal, [] if origin is None else cors_headers(origin))


def admitted_to_exchange(scope: Scope, door: Door, routes: Routes) -> Admitted | None:
    """Whom a head lets in to an exchange with an engine; None if it lets in nobody, or to something else."""
    route, _ = routes.find(path_of(scope))
    if route is None or route.operation is not None:
        return None
    head = head_of(scope, routes)
    try:
        return admit(head, page(head, door), door, routes)
    except RequestError:
        return None


def hints(error: RequestError, route: Route | None, request_id: str) -> Headers:
    """The headers that a refusal carries: some statuses demand one."""
    headers: Headers = [(b"x-request-id", request_id.encode())]
    if error.code == "method_not_allowed" and route is not None:
        headers.append((b"allow", ", ".join(route.methods).encode()))
    elif error.code == "unauthorized":
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def _routed(head: Head, routes: Routes) -> Route:
    """The route, if it answers this method."""
    route = head.route
    if route is None:
        raise RequestError("not_found", f"expected a path of {', '.join(routes.paths_of(head.surface))}.")
    if head.method not in route.methods:
        allowed = ", ".join(route.methods)
        raise RequestError("method_not_allowed", f"expected the method {allowed} here, got {head.method}.")
    return route
