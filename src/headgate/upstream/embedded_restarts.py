"""When an engine that has died may be started again: at once, then after longer and longer pauses, then not."""

from __future__ import annotations

from collections import deque

RESTARTS_MAX = 5
"""How often within `WINDOW_S`. systemd gives up after 5 starts in 10 s; a model takes longer than that to load."""
WINDOW_S = 60.0
_FIRST_PAUSE_S = 0.5
"""The second pause; each further one is twice as long, so that all of them fit into the window."""


class Restarts:
    """Counts the deaths of one engine."""

    def __init__(self) -> None:
        self._died_s: deque[float] = deque()

    @property
    def count(self) -> int:
        """Deaths within the window."""
        return len(self._died_s)

    def pause_s(self, now_s: float) -> float | None:
        """Note a death. Returns how long to wait before the next start, or None for not at all."""
        self._died_s.append(now_s)
        while self._died_s[0] <= now_s - WINDOW_S:
            self._died_s.popleft()
        if len(self._died_s) > RESTARTS_MAX:
            return None
        return 0.0 if len(self._died_s) == 1 else _FIRST_PAUSE_S * 2 ** (len(self._died_s) - 2)
