"""An upstream that records what another one says: `RecordingUpstream`; and where to: `Recorder`.

Strategy: a receiver stands between the engine and whoever asks, and writes before it hands on. Recording never decides
about an exchange: a disk that is full costs the cassette, not the reply.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from headgate.errors import ConfigError, UpstreamError
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.record.heads import credentials, mask_path
from headgate.record.tape import Ended, Tape, ending
from headgate.upstream.base import Call, Receiver, Reply, Upstream
from headgate.upstream.fetch import fetch

_SLUG_CHARS_MAX = 40
_not_plain = re.compile(r"[^a-z0-9]+")
_log = logging.getLogger("headgate.record")


class Recorder:
    """Makes the folders of recordings below one directory, which is made if it is not there.

    Their names begin with the time (UTC) and a number, so that they are unique and sort as they came.

    Args:
        directory: where to.
        complain: told once when recording begins to fail, and again only after it has worked; a warning by default.
        now: the time of day.
    """

    def __init__(
        self,
        directory: Path,
        *,
        complain: Callable[[str], None] = _log.warning,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.directory = directory
        self._complain = complain
        self._now = now
        self._numbers = itertools.count(1)
        self._failing = False

    def prepare(self) -> None:
        """Make the directory now, so that a mistake is known before anybody asks.

        Raises:
            ConfigError: if it cannot be made or written to.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.directory / f".headgate-{next(self._numbers)}-{self._stamp(self._now())}"
            probe.mkdir(mode=0o700)
            probe.rmdir()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ConfigError(f"cannot record to {self.directory} ({reason}). Choose another directory.") from error

    def begin(self, request: HttpRequest, engine: str, secrets: frozenset[str]) -> Tape | None:
        """Begin to record an exchange; None if that cannot be. `secrets` are keys that are known beforehand."""
        secrets |= credentials(request.headers, request.path)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                now = self._now()
                folder = self.directory / self._name(now, request, secrets)
                try:
                    return Tape(folder, request, engine=engine, date=now.date().isoformat(), secrets=secrets)
                except FileExistsError:  # another process records to the same place
                    continue
        except OSError as error:
            self.failed(error)
            return None

    def worked(self) -> None:
        """An exchange was recorded."""
        self._failing = False

    def failed(self, error: OSError) -> None:
        """An exchange cannot be recorded; the exchange itself goes on."""
        if not self._failing:
            self._failing = True
            reason = error.strerror or type(error).__name__
            self._complain(
                f"cannot record to {self.directory} ({reason}): exchanges go on without being recorded. "
                "Make room, or correct its permissions."
            )

    def _name(self, now: datetime, request: HttpRequest, secrets: frozenset[str]) -> str:
        path = mask_path(request.path.partition("?")[0], secrets).text.lower()
        slug = _not_plain.sub("-", path[: 2 * _SLUG_CHARS_MAX]).strip("-")[:_SLUG_CHARS_MAX].strip("-")
        return "-".join(word for word in (self._stamp(now), f"{next(self._numbers):04}", slug) if word)

    @staticmethod
    def _stamp(now: datetime) -> str:
        return now.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


class RecordingUpstream:
    """An upstream whose every exchange is recorded; else it is what it wraps.

    Args:
        upstream: who answers.
        recorder: where the recordings go.
        secrets: keys that are known, such as the upstream's own; never written, wherever they come up.
        limits: `body_bytes_max`, for `fetch`.
    """

    def __init__(
        self, upstream: Upstream, recorder: Recorder, *, secrets: Iterable[str] = (), limits: Limits = DEFAULTS
    ) -> None:
        self.name = upstream.name
        self._upstream = upstream
        self._recorder = recorder
        self._secrets = frozenset(secret for secret in secrets if secret)
        self._limits = limits

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """As `Upstream.open`."""
        tape = self._recorder.begin(request, self.name, self._secrets)
        if tape is None:
            return self._upstream.open(request, receiver)
        recording = _Recording(receiver, tape, self._recorder)
        try:
            recording.call = self._upstream.open(request, recording)
        except Exception:
            tape.discard()
            raise
        return recording

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """As `Upstream.fetch`."""
        return await fetch(self, request, body_bytes_max=self._limits.body_bytes_max)

    async def close(self) -> None:
        """As `Upstream.close`."""
        await self._upstream.close()


class _Recording:
    """Between an engine and whoever asks: the receiver of the one, the call of the other."""

    call: Call
    through = None  # it sees every byte

    def __init__(self, receiver: Receiver, tape: Tape, recorder: Recorder) -> None:
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._receiver = receiver
        self._recorder = recorder
        self._tape: Tape | None = tape

    # The engine calls these.

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        self._try(lambda tape: tape.head(status, headers))
        self._receiver.head(status, headers)

    def data(self, data: bytes, /) -> None:
        at_s = self._loop.time() - self._began_s
        self._try(lambda tape: tape.data(at_s, data))
        self._receiver.data(data)

    def end(self) -> None:
        self._close("complete")
        self._receiver.end()

    def failed(self, error: UpstreamError, /) -> None:
        self._close(ending(error))
        self._receiver.failed(error)

    # Whoever asks calls these.

    def pause(self) -> None:
        self.call.pause()

    def resume(self) -> None:
        self.call.resume()

    def abort(self) -> None:
        self._close("client_gone")
        self.call.abort()

    def _close(self, ended: Ended) -> None:
        if self._try(lambda tape: tape.close(ended)):
            self._tape = None
            self._recorder.worked()

    def _try(self, write: Callable[[Tape], None]) -> bool:
        """Write to the tape if it still runs; whether that was so, and went well."""
        if self._tape is None:
            return False
        try:
            write(self._tape)
        except OSError as error:
            self._tape.discard()
            self._tape = None
            self._recorder.failed(error)
            return False
        return True
