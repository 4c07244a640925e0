"""What an engine prints -> a file of bounded size, and its last complaints for a message."""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path

LOG_BYTES_MAX = 1024 * 1024
"""When a log begins anew; the one before it is kept as `NAME.1`."""
_COMPLAINTS_MAX = 20
_LINE_CHARS_MAX = 300

# `0.00.129.737 E common_chat_templates_init: error: Unexpected token`, with the module's name or without.
_complaint = re.compile(r"^[\d.]+ E (?:\S+ +)??\w*(?:\(\))?: +(?P<what>.+)$")


class EngineLog:
    """The log of one engine. A disk that cannot be written costs the file, never the engine.

    Args:
        path: the file; None keeps only the complaints.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file = -1
        self._bytes = 0
        self._rest = b""
        self._complaints: deque[str] = deque(maxlen=_COMPLAINTS_MAX)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What it said was wrong since `begin`, the oldest first."""
        return tuple(self._complaints)

    def begin(self) -> None:
        """Begin with another process."""
        self._complaints.clear()
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Take what the process printed; any split will do."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE_CHARS_MAX:]
        for line in lines:
            if found := _complaint.match(line.decode("utf-8", "replace")):
                self._complaints.append(_printable(found["what"]))
        self._save(data)

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _save(self, data: bytes) -> None:
        if self.path is None:
            return
        try:
            if self._file < 0 or self._bytes > LOG_BYTES_MAX:
                self._open(self.path)
            self._bytes += len(data)
            os.write(self._file, data)
        except OSError:  # no such folder, no room: the engine is worth more than its log
            self.close()

    def _open(self, path: Path) -> None:
        self.close()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_name(f"{path.name}.1"))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._bytes = os.fstat(self._file).st_size


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:_LINE_CHARS_MAX]).strip()
