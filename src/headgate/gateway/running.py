"""The exchanges whose clients wait for something: who ends a gateway goes through them."""

from __future__ import annotations

from typing import Protocol

from headgate.errors import PeerError


class Interruptible(Protocol):
    """What can be ended from outside."""

    def interrupt(self, error: PeerError, /) -> None:
        """End the client's side with this error and leave the engine. Of what is over, this is nothing."""


class Running(set[Interruptible]):
    """A registry: an exchange is in it from `open` until its client's side has its end."""

    def interrupt(self, error: PeerError, /) -> None:
        """End them all, as a drain does when its time is up."""
        for one in tuple(self):  # whichever of them end meanwhile
            one.interrupt(error)
