"""What the tests of recording share: a relay that listens, a client that sees pieces, recordings as values."""

from __future__ import annotations

import http.client
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from headgate.cassette import Cassette
from headgate.record.folders import load_one
from headgate.record.recorder import Recorder, RecordingUpstream
from headgate.relay import Relay
from headgate.testing.live import serving
from headgate.upstream.base import Upstream
from headgate.upstream.http import HttpUpstream

WITHIN_S = 20.0


class Got(NamedTuple):
    """A reply: `whole` says whether its body came to its end, `error` what ended it else."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True
    error: str = ""


def ask(
    url: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    wait_s: float = WITHIN_S,
) -> Got:
    """Ask over a connection of its own, and read to whatever end, or until nothing comes for `wait_s`."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=wait_s)
    pieces: list[bytes] = []
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        reply = connection.getresponse()
        known = {name.lower(): value for name, value in reply.getheaders()}
        try:
            while piece := reply.read1(65536):
                pieces.append(piece)
            left = reply.length or 0
        except (http.client.HTTPException, OSError) as error:
            return Got(reply.status, known, b"".join(pieces), whole=False, error=type(error).__name__)
        return Got(reply.status, known, b"".join(pieces), whole=not left)
    finally:
        connection.close()


@contextmanager
def relayed(upstream: Upstream) -> Generator[str]:
    """Serve an upstream, and yield the URL."""
    with serving(Relay(upstream)) as url:
        yield url


@contextmanager
def recorded(url: str, directory: Path, *, secrets: Iterable[str] = ()) -> Generator[str]:
    """Record what an engine at a URL says, and yield the URL to ask."""
    with relayed(RecordingUpstream(HttpUpstream("", url), Recorder(directory), secrets=secrets)) as here:
        yield here


def recordings(directory: Path) -> list[Cassette]:
    """What was recorded, in order; a recording ends a moment after its client has its last byte."""
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        folders = sorted(directory.iterdir())
        if all((folder / "meta.toml").exists() for folder in folders) or time.monotonic() > deadline_s:
            return [load_one(folder) for folder in folders]
        time.sleep(0.01)
