"""The exchanges whose clients wait for something: who ends a gateway goes through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from headgate.errors import PeerError


class Interruptible(Protocol):
    """What can be ended from outside."""

    def interrupt(self, error: PeerError, /) -> None:
        """End the client's side with this error and leave the engine. Of what is over, this is nothing."""


class Running:
    """A registry: an exchange is in it from `open` until its client's side has its end."""

    def __init__(self) -> None:
        self._running: set[Interruptible] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Interruptible]:
        """Go through those that run now, whichever of them end meanwhile."""
        return iter(tuple(self._running))

    def add(self, one: Interruptible, /) -> None:
        """It has begun."""
        self._running.add(one)

    def discard(self, one: Interruptible, /) -> None:
        """It is over, or never began."""
        self._running.discard(one)

    def interrupt(self, error: PeerError, /) -> None:
        """End them all, as a drain does when its time is up."""
        for one in self:
            one.interrupt(error)
