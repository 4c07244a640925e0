"""One question over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headgate.doctor.asking import Answer, Ask, Facts
from headgate.doctor.reading import Reader
from headgate.errors import UpstreamError
from headgate.limits import Limits
from headgate.upstream.base import Upstream


async def put(upstream: Upstream, facts: Facts, ask: Ask, limits: Limits) -> Answer:
    """Ask, and wait for the whole answer, or for the first word if the question leaves then.

    When cancelled, the exchange is aborted at once. The caller sees to deadlines.
    """
    if ask.after_s:
        await asyncio.sleep(ask.after_s)
    listener = _Listener(Reader(facts, ask, limits), leaves=ask.leaves)
    call = upstream.open(ask.request, listener)
    try:
        return await listener.answer
    finally:
        call.abort()  # of a call that is over, this is nothing


class _Listener:
    """A receiver that reads along."""

    through = None

    def __init__(self, reader: Reader, *, leaves: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = reader
        self._leaves = leaves
        self._sent_s = self._loop.time()
        self.answer: asyncio.Future[Answer] = self._loop.create_future()

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        self._reader.head(status, headers)

    def data(self, data: bytes, /) -> None:
        if self.answer.done():
            return
        self._reader.feed(data, self._now_s())
        if self._leaves and self._reader.spoke:
            self.answer.set_result(self._reader.close(self._now_s(), left=True))

    def end(self) -> None:
        if not self.answer.done():
            self.answer.set_result(self._reader.close(self._now_s()))

    def failed(self, error: UpstreamError, /) -> None:
        if not self.answer.done():
            self.answer.set_result(self._reader.close(self._now_s(), error))

    def _now_s(self) -> float:
        return self._loop.time() - self._sent_s
