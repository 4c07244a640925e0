"""What the verbs share that listen and pass everything on to one upstream: `--listen`, and the server."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from urllib.parse import urlsplit

from headgate.config.values import is_loopback
from headgate.errors import ConfigError
from headgate.upstream.base import Upstream


def add_listen(verb: argparse.ArgumentParser, default: str) -> None:
    """Add `--listen`."""
    verb.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=default,
        help=f"where to listen, on this machine only; port 0 takes a free one (default: {default})",
    )


def parse_listen(text: str, /) -> tuple[str, int]:
    """Read `--listen`.

    Raises:
        ConfigError: if it is no `HOST:PORT`, or other machines could reach it.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets that do not match, a port that is none
        host = port = None
    if host is None or port is None or _is_more(text):
        raise ConfigError(f"--listen: expected HOST:PORT, such as 127.0.0.1:4284 or [::1]:0, got {text[:80]!r}.")
    if not is_loopback(host):
        words = "expected an address of this machine alone, since nobody is asked for a key here"
        raise ConfigError(f"--listen: {words}, got {host!r}. Try 127.0.0.1.")
    return host, port


def _is_more(text: str) -> bool:
    """Whether an address goes on after its port, or has something before its host."""
    return any(character in "/@?# " for character in text)


def run_relay(upstream: Upstream, address: tuple[str, int], said: Callable[[str], str]) -> None:
    """Pass everything that comes to an address on, until SIGINT or SIGTERM.

    Args:
        upstream: who answers.
        address: host and port.
        said: what is printed once clients are served, given the URL.

    Raises:
        ConfigError: if the address cannot be used.
        KeyboardInterrupt: after SIGINT, when everything is closed.
    """
    # uvicorn takes long to import; other verbs should not wait for it.
    from headgate.gateway.server import listen, make_server, url_of  # noqa: PLC0415
    from headgate.relay import Relay  # noqa: PLC0415

    sockets = listen(*address)
    app = Relay(upstream, host=address[0])
    make_server(app, on_start=lambda: print(said(url_of(sockets)), flush=True)).run(sockets=sockets)
