"""uvicorn, with what it lacks: sockets bound before anything is promised, a drain, a way to cut a connection.

Strategy: sockets, signals and the app's lifespan are uvicorn's business, and what a client's connection is is ours
(`repeating.py`).
Spec: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from types import FrameType
from typing import Any

import uvicorn

from headgate.config.values import DRAIN_S
from headgate.errors import ConfigError
from headgate.gateway.again import KnownHeads
from headgate.gateway.app import Gateway
from headgate.gateway.crowd import Crowd, files_max
from headgate.gateway.guards import Guarded
from headgate.gateway.repeating import Repeating
from headgate.gateway.rounds import Rounds
from headgate.gateway.visit import shutting_down
from headgate.limits import DEFAULTS, Limits

STOPS = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""The signals that mean something to a gateway. SIGHUP lets it read its configuration again."""
_BACKLOG = 2048
_FAREWELL_S = 1
"""How long the last words to clients may take, after the drain time; `docker stop` kills after 10 s in all."""
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""`localhost` has an IPv6 address in many places where the system has none."""


class Server(uvicorn.Server):
    """uvicorn's, which tells when it has started and drains the gateway: from then on signals end it in order.

    The first signal closes the listener; what runs has `drain_s`, then each client is told that we stop. The second
    signal ends at once.

    Args:
        config: uvicorn's.
        on_start: is called once clients are served.
        on_stop: is called once nobody is served any more; a signal ends the process afterwards.
        drained: what is drained; None for other apps.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_start: Callable[[], None],
        on_stop: Callable[[], None],
        drained: Gateway | None = None,
    ) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._on_stop = on_stop
        self._drained = drained

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Hear of signals from now on, and of those that were blocked until then."""
        with super().capture_signals():
            if hasattr(signal, "pthread_sigmask") and threading.current_thread() is threading.main_thread():
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let what runs end, then tell the rest."""
        alarm = None
        if self._drained is not None:
            self._drained.drain()
            drain_s = self._drained.config.drain_s
            # A reload may have changed it since the server was made.
            self.config.timeout_graceful_shutdown = _patience_s(drain_s)
            alarm = self._loop.call_later(drain_s, self._stop, self._drained)
        try:
            await super().shutdown(sockets)
        finally:
            if alarm is not None:
                alarm.cancel()
            self._on_stop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; when told so again, at once."""
        again = self.should_exit
        super().handle_exit(sig, frame)
        if again:
            self.force_exit = True
            self._loop.call_soon_threadsafe(self._abort)

    def _stop(self, gateway: Gateway) -> None:
        gateway.stop()
        for connection in list(self.server_state.connections):
            if isinstance(connection, Guarded):
                connection.give_up(shutting_down())

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def make_server(
    app: Any,
    *,
    log_level: str = "warning",
    on_start: Callable[[], None] = lambda: None,
    on_stop: Callable[[], None] = lambda: None,
) -> Server:
    """Make a server for an ASGI app; `server.run(sockets=listen(host, port))` serves until SIGINT or SIGTERM.

    A `Gateway` brings its own limits and its drain time; other apps get the defaults. The rest is as for `Server`.
    """
    gateway = app if isinstance(app, Gateway) else None
    drain_s = DRAIN_S if gateway is None else gateway.config.drain_s
    config = uvicorn.Config(
        app,
        http=_connections(DEFAULTS if gateway is None else gateway.limits),
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_patience_s(drain_s),
    )
    return Server(config, on_start, on_stop, gateway)


def _patience_s(drain_s: float) -> int:
    """When uvicorn gives up what still runs; it wants whole seconds."""
    return math.ceil(drain_s + _FAREWELL_S)


def _connections(of_limits: Limits) -> type[Repeating]:
    """The connections of one server; uvicorn makes an instance for each client."""

    class Limited(Repeating):
        __slots__ = ()
        limits = of_limits
        crowd = Crowd(of_limits, files_max())
        known = KnownHeads()
        rounds = Rounds(of_limits)

    return Limited


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Listen on every address of a host; port 0 takes a free one, the same for all of them.

    Sockets that are `shared` may be listened on by several processes, one set for each. From then on clients are
    accepted and wait, so that a URL can be told before the server runs.

    Raises:
        ConfigError: if the host has no address here or the port is taken.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in _addresses(host, port):
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(_listening(family, (address[0], chosen, *address[2:]), shared=shared))
        except OSError as error:
            absent = error
            if error.errno not in _NOT_HERE:
                _close(sockets)
                break
    if not sockets:
        raise ConfigError(_why_not(host, port, absent)) from absent
    return sockets


def url_of(sockets: Sequence[socket.socket]) -> str:
    """The URL of the first of them, as somebody on this machine reaches it."""
    host, port = sockets[0].getsockname()[:2]
    local = str({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host))  # noqa: S104 - recognised, not bound
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


def _addresses(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter for a name that no name server could know
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        raise ConfigError(f"no address is known for the host {host!r} ({reason}). Try 127.0.0.1.") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _close(sockets: list[socket.socket]) -> None:
    for opened in sockets:
        opened.close()
    sockets.clear()


def _listening(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    # asyncio turns off Nagle's delay only for sockets that say their protocol; without it small writes wait 40 ms.
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two programs listen on one port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def _why_not(host: str, port: int, error: OSError | None) -> str:
    match error and error.errno:
        case errno.EADDRINUSE:
            return f"port {port} of {host} is taken by another program. Stop it, or choose another with --port."
        case errno.EACCES:
            return f"port {port} of {host} needs more rights than this user has. Choose one above 1023 with --port."
        case errno.EADDRNOTAVAIL:
            return f"{host} is no address of this machine. Try --host 127.0.0.1."
        case _:
            return f"cannot listen on {host} port {port} ({error and error.strerror})."
