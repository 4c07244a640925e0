"""Lines -> a file that may be stuck: whoever reads the log must not be able to stop the gateway.

Strategy: a thread writes, and what comes while its queue is full is counted and dropped. A terminal that is stopped, a
full disk and a pipe that nobody reads then cost lines, and no client waits for them.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable

_LINES_MAX = 4096
"""Lines that may wait: about a megabyte, and the requests of some seconds."""
_FAREWELL_S = 1.0
"""How long the last lines may take to be written."""


class Sink:
    """As much of a text stream as `logging` needs; `write` never waits and never raises.

    Args:
        file: the descriptor of the file to write to.
        lost: makes a line of the number of lines that were dropped, once one can be written again.
    """

    def __init__(self, file: int, lost: Callable[[int], str]) -> None:
        self._file = file
        self._lost = lost
        self._lines: queue.Queue[str | None] = queue.Queue(_LINES_MAX)
        self._dropped = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="headgate-log", daemon=True)
        self._thread.start()

    def write(self, text: str, /) -> None:
        """Have a text written, soon."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            with self._counting:
                self._dropped += 1

    def close(self) -> None:
        """Have the last lines written, as far as that goes in a second."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=_FAREWELL_S)
            self._thread.join(_FAREWELL_S)

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            self._put(text)
            with self._counting:
                dropped, self._dropped = self._dropped, 0
            if dropped:
                self._put(self._lost(dropped))

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        # Not through `sys.stderr`, whose lock this would hold while it waits: the interpreter's end would wait for it.
        with contextlib.suppress(OSError):  # a reader that has gone; there is nobody to be told
            while data:
                data = data[os.write(self._file, data) :]
