"""SIGHUP while the gateway starts: by itself the signal would end the process, and its word must not be lost.

Strategy: a plain handler notes it until the watch, which has an event loop, takes the signal over and asks.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Self


class Hangups:
    """Notes SIGHUP from `with` on, in the main thread; where there is no such signal, none ever came.

    `came` says whether it did. Whoever sets a handler of its own reads it afterwards, so that none falls in between.
    """

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> Self:
        """Begin to note it."""
        if hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        """Let it do what it did before."""
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._before or signal.SIG_DFL)  # None is a handler that is not Python's

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.came = True
