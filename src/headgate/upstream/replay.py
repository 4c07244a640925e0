"""An engine that is made of cassettes: `ReplayUpstream`.

Strategy: a request is answered by the cassette that asked the same, byte for byte and at the pace of the recording. It
needs no model and no network, so it serves demonstrations, tests and bug reports.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from headgate.cassette import Cassette, Meta, Piece
from headgate.errors import CODES, UpstreamError, UsageError
from headgate.limits import DEFAULTS, Limits
from headgate.messages import HttpRequest
from headgate.upstream.base import Call, Receiver, Reply
from headgate.upstream.fetch import fetch

Chooser: TypeAlias = Callable[[Sequence[Cassette], HttpRequest], Cassette | None]
"""Chooses the cassette that answers a request; None leaves it to the upstream."""

_OF_THE_CONNECTION = frozenset("connection date keep-alive te trailer transfer-encoding upgrade".split())
"""Recorded headers that are not replayed: whoever serves the reply writes its own."""

_encode = msgspec.json.Encoder().encode


class Question(NamedTuple):
    """What a request comes down to: its last user message, trimmed and without case, and whether a tool spoke last."""

    text: str
    after_tool: bool


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: str | list[_Part] | None = None


class _Body(msgspec.Struct):
    messages: list[_Message] = []


_decode = msgspec.json.Decoder(_Body).decode


def question(body: bytes, /) -> Question:
    """Read the question out of a chat request's JSON; an empty body asks nothing.

    Raises:
        msgspec.DecodeError: if it is not JSON, or its messages are not messages.
    """
    messages = _decode(body).messages if body else []
    asked = next((message.content for message in reversed(messages) if message.role == "user"), None) or ""
    text = asked if isinstance(asked, str) else "".join(part.text or "" for part in asked)
    return Question(text.strip().casefold(), bool(messages) and messages[-1].role == "tool")


def choose(cassettes: Sequence[Cassette], request: HttpRequest, /) -> Cassette | None:
    """Choose the cassette that answers a request, of those for the same method and path.

    That is the first that asks the same; if a tool spoke last, else the first that answers a tool; else the fallback.

    Raises:
        msgspec.DecodeError: as `question` says.
    """
    place = request.method, request.path.partition("?")[0]
    candidates = [one for one in cassettes if place == (one.method, one.path.partition("?")[0])]
    wanted = question(request.body)
    same = (cassette for cassette in candidates if wanted in _answered(cassette))
    tools = (cassette for cassette in candidates if wanted.after_tool and _after_tool(cassette))
    fallbacks = (cassette for cassette in candidates if cassette.meta.fallback)
    return next((cassette for group in (same, tools, fallbacks) for cassette in group), None)


def _answered(cassette: Cassette) -> list[Question]:
    try:
        own = question(cassette.request)
    except (msgspec.DecodeError, RecursionError):
        return []  # a recorded request that was no JSON answers none
    return [own._replace(text=text.strip().casefold()) for text in cassette.meta.asks] or [own]


def _after_tool(cassette: Cassette) -> bool:
    return any(answered.after_tool for answered in _answered(cassette))


class ReplayUpstream:
    """An upstream that answers from cassettes, with the timing of the recording.

    It also answers `GET /v1/models` and `GET /health`, unless a cassette does; what nothing answers is a 404.

    Args:
        name: what configuration and logs call it.
        cassettes: what it knows.
        speed: 1 for the recorded pace, 2 for twice as fast, 0 for at once.
        limits: `body_bytes_max`, for `fetch`.
        models: the ids that `GET /v1/models` lists.
        chooser: says which cassette answers.

    Raises:
        UsageError: if the speed is negative or not finite.
    """

    def __init__(
        self,
        name: str,
        cassettes: Sequence[Cassette],
        *,
        speed: float = 1.0,
        limits: Limits = DEFAULTS,
        models: Sequence[str] = (),
        chooser: Chooser = choose,
    ) -> None:
        if not (math.isfinite(speed) and speed >= 0):
            raise UsageError(f"expected a speed from 0 (at once) on, got {speed}.")
        self.name = name
        self._cassettes = tuple(cassettes)
        self._speed = speed
        self._limits = limits
        self._models = tuple(models)
        self._choose = chooser
        self._calls: set[_ReplayCall] = set()
        self._closed = False

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        """Begin to answer; the reply goes to the receiver, never before this returns. Call it in a running event loop.

        Raises:
            UsageError: if the upstream is closed.
        """
        if self._closed:
            raise UsageError(f"the upstream {self.name} is closed. Make a new one.")
        call = _ReplayCall(self._answer(request), self._speed, receiver, self._calls)
        self._calls.add(call)
        return call

    async def fetch(self, request: HttpRequest, /) -> Reply:
        """Answer with the whole reply (at most `limits.body_bytes_max` bytes).

        Raises:
            UpstreamError: `upstream_truncated` where the recording broke off, or `body_too_large`.
            UsageError: as `open` says.
        """
        return await fetch(self, request, body_bytes_max=self._limits.body_bytes_max)

    async def close(self) -> None:
        """End it. Calls in use fail with `upstream_truncated`, so that nobody waits for ever."""
        self._closed = True
        for call in tuple(self._calls):
            call.fail(f"the upstream {self.name} was closed here while it replied.")

    def _answer(self, request: HttpRequest) -> Cassette:
        try:
            chosen = self._choose(self._cassettes, request)
        except (msgspec.DecodeError, RecursionError) as error:
            return refusal(400, f"expected a chat request as JSON, got something else ({error}).")
        if chosen is not None:
            return chosen
        match request.method, request.path.partition("?")[0]:
            case "GET", "/health":
                return _whole(200, {"status": "ok"})
            case "GET", "/v1/models":
                models = [
                    {"id": model, "object": "model", "created": 0, "owned_by": "headgate"} for model in self._models
                ]
                return _whole(200, {"object": "list", "data": models})
            case method, path:
                return refusal(404, f"no cassette of {self.name} answers this {method} {path}.")


class _ReplayCall:
    """One answer under way. At most one timer; none while paused."""

    def __init__(self, cassette: Cassette, speed: float, receiver: Receiver, calls: set[_ReplayCall]) -> None:
        self._loop = asyncio.get_running_loop()
        self._cassette = cassette
        self._slowness = 1 / speed if speed else 0.0
        self._receiver = receiver
        self._calls = calls
        self._started_s = self._loop.time()
        self._paused_s: float | None = None
        self._headed = False
        self._next = 0
        self._over = False
        self._timer: asyncio.Handle | None = None
        self._schedule()

    def pause(self) -> None:
        """Stop the tape."""
        if self._paused_s is None and not self._over:
            self._paused_s = self._loop.time()
            self._cancel()

    def resume(self) -> None:
        """Let it run on; the time it stood still does not count."""
        if self._paused_s is not None and not self._over:
            self._started_s += self._loop.time() - self._paused_s
            self._paused_s = None
            self._schedule()

    def abort(self) -> None:
        """Stop for good; the receiver hears nothing more. Idempotent."""
        self._over = True
        self._calls.discard(self)
        self._cancel()

    def fail(self, message: str, /, *, reset: bool = False) -> None:
        """Stop, and tell the receiver why."""
        self.abort()
        error = UpstreamError("upstream_truncated", message)
        error.reset = reset
        self._receiver.failed(error)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        pieces = self._cassette.pieces
        if self._slowness and self._next < len(pieces):
            due_s = self._started_s + pieces[self._next].at_s * self._slowness
            self._timer = self._loop.call_at(due_s, self._step)
        else:
            self._timer = self._loop.call_soon(self._step)

    def _step(self) -> None:
        """Give the head with the first piece, then a piece at a time; any of it may abort or pause."""
        self._timer = None
        meta = self._cassette.meta
        if not self._headed and meta.status:
            self._headed = True
            self._receiver.head(meta.status, list(_headers(meta)))
        elif self._next < len(self._cassette.pieces):
            self._next += 1
            self._receiver.data(self._cassette.pieces[self._next - 1].data)
        else:
            self._finish()
        if not self._over and self._paused_s is None and self._timer is None:
            self._schedule()

    def _finish(self) -> None:
        ended = self._cassette.meta.ended
        if ended in CODES and ended != "upstream_truncated":
            self.abort()
            self._receiver.failed(UpstreamError(ended, CODES[ended].meaning))
        elif self._cassette.meta.truncated:
            self.fail(
                "expected a whole reply, got as much as was recorded before the engine closed the connection.",
                reset=ended == "reset",
            )
        else:
            self.abort()
            self._receiver.end()


def _headers(meta: Meta) -> Iterator[tuple[str, str]]:
    """The recorded headers; of an older recording its content type, which is all that it tells."""
    lines = (line.partition(": ") for line in meta.response_headers)
    headers = [(name, value) for name, _, value in lines if name not in _OF_THE_CONNECTION]
    yield from headers or ([("content-type", meta.content_type)] if meta.content_type else [])


def _whole(status: int, value: object) -> Cassette:
    meta = Meta(status=status, content_type="application/json", source="constructed")
    return Cassette(meta=meta, pieces=(Piece(0.0, _encode(value)),))


def refusal(status: int, message: str) -> Cassette:
    """An error of ours, as an engine would say it."""
    return _whole(status, {"error": {"message": message, "type": "invalid_request_error", "code": status}})
