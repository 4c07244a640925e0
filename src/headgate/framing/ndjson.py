"""Newline-delimited JSON -> one record per line.

Strategy: lines end at LF (a CR before it is dropped); blank lines are skipped.
Spec: https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

from headgate.framing.lines import Lines
from headgate.limits import DEFAULTS, Limits


class Records:
    """Turns bytes into records. Never raises; `overflow` says that a line passed `limits.line_bytes_max`."""

    __slots__ = ("_lines",)

    def __init__(self, limits: Limits = DEFAULTS) -> None:
        self._lines = Lines(line_bytes_max=limits.line_bytes_max, carriage_returns=False)

    @property
    def overflow(self) -> bool:
        """Whether a line was longer than the limit; nothing more comes then."""
        return self._lines.overflow

    def feed(self, data: bytes, /) -> list[bytes]:
        """Return the records that `data` completes."""
        return [record for line in self._lines.feed(data) if (record := line.strip(b" \t\r"))]

    def close(self) -> list[bytes]:
        """Return the last record if no line end followed it. For the end of input."""
        rest = self._lines.rest().strip(b" \t\r")
        return [rest] if rest and not self.overflow else []

    @property
    def between(self) -> bool:
        """Whether it stands between two records, with nothing held."""
        return self._lines.between

    def copy(self) -> Records:
        """An independent reader in the same state."""
        twin = Records.__new__(Records)
        twin._lines = self._lines.copy()
        return twin
