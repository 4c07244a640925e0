"""Deadlines: how late they are noticed, and what watching for them costs."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from raw_http import error_of, gateway

from headgate.gateway.ticker import Ticker
from headgate.limits import Limits
from headgate.testing.fake_engine import HANG, Step, chunk, sse, streamed

BEGUN = sse(chunk({"role": "assistant", "content": "Hel"}))
SOON_S, LATE_S = 0.1, 0.25
"""A deadline, and when it must have been noticed."""


def again(piece: bytes) -> list[Step]:
    """The same piece, many times, so that an engine is never silent."""
    pair: list[Step] = [piece, 0.02]
    return pair * 100


OWN: dict[str, tuple[str, Sequence[Step]]] = {
    "no first byte": ("first_byte_s", [HANG]),
    "no first event": ("first_byte_s", streamed(*again(b": ping\n\n"))),
    "no more": ("idle_s", streamed(BEGUN, HANG)),
    "no end": ("total_s", streamed(*again(BEGUN))),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", OWN)
def test_an_engines_own_short_deadline_is_noticed_soon(name: str, *, stream: bool) -> None:
    """Those of the gateway are minutes here, as they are by default."""
    deadline, script = OWN[name]

    async def main() -> float:
        own: dict[str, Any] = {deadline: SOON_S}
        async with gateway(script, **own) as (_, client):
            began_s = time.monotonic()
            reply = await client.chat(stream=stream)
            waited_s = time.monotonic() - began_s

            assert "upstream_timeout" == error_of(reply)["code"]
            return waited_s

    # The best of some: a busy machine may add to each, and nothing can take away.
    waited_s = 0.0
    for _ in range(20):
        waited_s = asyncio.run(main())
        assert SOON_S * 0.9 <= waited_s
        if waited_s <= LATE_S:
            return
    pytest.fail(f"{waited_s:.3f} s in the last of 20 turns")


class Jumping(selectors.DefaultSelector):
    """Has no time to wait: where others do, its clock jumps."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0
        return super().select(timeout and 0)


class Hurried(asyncio.SelectorEventLoop):
    """An event loop in which nothing but timers makes time pass: exact on every machine, however busy it is."""

    def __init__(self) -> None:
        self._jumping = Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def hurry(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Hurried) as runner:
        runner.run(main)


class Counting:
    """Counts, and remembers when it was called first."""

    def __init__(self) -> None:
        self.ticks = 0
        self.first_s = 0.0

    def tick(self, now_s: float, /) -> None:
        self.first_s = self.first_s or now_s
        self.ticks += 1


def test_who_is_patient_is_not_woken_for_who_is_not() -> None:
    async def main() -> None:
        ticker = Ticker()
        hasty, patient = Counting(), Counting()
        ticker.add(patient, 600)
        ticker.add(hasty, 0.08)
        await asyncio.sleep(0.49)

        assert (24, 0) == (hasty.ticks, patient.ticks)
        await asyncio.sleep(0.02)
        assert 1 == patient.ticks
        await asyncio.sleep(9.5)
        assert (500, 20) == (hasty.ticks, patient.ticks)
        ticker.close()

    hurry(main())


def test_those_who_are_as_patient_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of exchanges wait at once; what they cost is the sweep."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timers: list[float] = []
        original = loop.call_later

        def noted(delay_s: float, *given: Any) -> asyncio.TimerHandle:
            timers.append(delay_s)
            return original(delay_s, *given)

        monkeypatch.setattr(loop, "call_later", noted)
        ticker = Ticker()
        many = [Counting() for _ in range(1000)]
        for place, one in enumerate(many):
            ticker.add(one, (0.08, 0.12)[place % 2])
        for one in many:
            ticker.discard(one)
        await asyncio.sleep(0.1)

        assert [0.02, 0.03, 0.1] == timers  # the last is this test's own
        assert 0 == len(ticker)
        assert {0} == {one.ticks for one in many}

    hurry(main())


def test_what_is_added_twice_or_never_is_discarded_quietly() -> None:
    async def main() -> None:
        ticker, one = Ticker(), Counting()
        ticker.discard(one)
        ticker.add(one, 0.04)
        ticker.add(one, 600)
        assert 1 == len(ticker)
        await asyncio.sleep(0.1)
        assert 0 == one.ticks  # the later word counts
        ticker.discard(one)
        ticker.discard(one)
        assert 0 == len(ticker)

    hurry(main())


def test_a_tick_may_end_another_one() -> None:
    async def main() -> None:
        ticker = Ticker()

        class Ending(Counting):
            def tick(self, now_s: float, /) -> None:
                super().tick(now_s)
                for one in both:
                    ticker.discard(one)

        both = [Ending(), Ending()]
        for one in both:
            ticker.add(one, 0.04)
        await asyncio.sleep(0.1)

        assert 1 == sum(one.ticks for one in both)

    hurry(main())


def test_a_gateways_own_short_deadlines_are_noticed_too() -> None:
    async def main() -> None:
        limits = Limits(keepalive_s=0.04)
        async with gateway([HANG], limits=limits) as (_, client):
            client.send_chat()
            began_s = time.monotonic()
            await client.head()

            assert time.monotonic() - began_s < LATE_S

    asyncio.run(main())
