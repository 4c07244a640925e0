"""`headgate.gateway.rounds`: one timer, which looks at all connections while there are any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headgate.gateway.rounds import Rounds
from headgate.limits import Limits


class Loop:
    """A loop's clock, and what it is to call."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.armed: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, seconds: float, callback: Callable[..., None], *given: Any) -> object:
        self.armed.append((seconds, callback, given))
        return object()

    def pass_time(self) -> None:
        (seconds, callback, given), self.armed = self.armed[0], self.armed[1:]
        self.now_s += seconds
        callback(*given)


class Connection:
    """Notes when it was looked at; one that is `fleeting` is closed by it, and a `faulty` one fails."""

    def __init__(self, connections: set[Any], *, fleeting: bool = False, faulty: bool = False) -> None:
        self.seen_s: list[float] = []
        self._connections = connections
        self._is_fleeting = fleeting
        self._is_faulty = faulty
        connections.add(self)

    def tick(self, now_s: float, /) -> None:
        self.seen_s.append(now_s)
        if self._is_fleeting:
            self._connections.discard(self)
        if self._is_faulty:
            raise ZeroDivisionError


def test_every_connection_is_looked_at_by_one_timer_while_there_are_any() -> None:
    loop: Any = Loop()
    connections: set[Connection] = set()
    rounds = Rounds(Limits())
    one, other = Connection(connections), Connection(connections, fleeting=True)
    for _ in range(2):
        rounds.begin(loop, connections)
        assert 1 == len(loop.armed)

    loop.pass_time()
    loop.pass_time()
    connections.clear()
    loop.pass_time()

    assert [100.5, 101.0] == one.seen_s
    assert [100.5] == other.seen_s
    assert [] == loop.armed

    third = Connection(connections)
    rounds.begin(loop, connections)
    loop.pass_time()
    assert [102.0] == third.seen_s


@pytest.mark.parametrize(
    ("limits", "every_s"),
    [
        (Limits(), 0.5),
        (Limits(request_head_s=0.4), 0.1),
        (Limits(request_body_s=0.4), 0.1),
        (Limits(request_body_total_s=0.4), 0.1),
        (Limits(linger_s=0.4), 0.1),
        (Limits(write_stall_s=0.4), 0.1),
        (Limits(idle_s=0.4), 0.5),  # an engine's
    ],
)
def test_they_are_as_often_as_the_shortest_deadline_of_clients_wants(limits: Limits, every_s: float) -> None:
    assert every_s == Rounds(limits).every_s


def test_a_fault_ends_no_rounds() -> None:
    """Those who are connected would have no deadlines any more."""
    loop: Any = Loop()
    connections: set[Connection] = set()
    connection = Connection(connections, faulty=True)
    Rounds(Limits()).begin(loop, connections)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            loop.pass_time()

    assert [100.5, 101.0] == connection.seen_s


def test_a_running_loop_calls_them() -> None:
    async def main() -> None:
        connections: set[Connection] = set()
        connection = Connection(connections)
        Rounds(Limits(linger_s=0.04)).begin(asyncio.get_running_loop(), connections)
        async with asyncio.timeout(5):
            while len(connection.seen_s) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        connections.clear()

    asyncio.run(main())
