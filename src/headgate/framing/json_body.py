"""A JSON body in any split -> one whole reply, or its lines where each is an object.

Strategy: JSON whose first line is a whole object is one record per line (a log without `data:`); otherwise it is one
whole reply, which the end of the bytes ends.
Spec: https://www.rfc-editor.org/rfc/rfc8259 (JSON), https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

import msgspec

from headgate.framing.ndjson import Records
from headgate.limits import Limits

SPACE = b" \t\r\n"
"""What JSON calls white space."""

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class JsonBody:
    """Turns the bytes of a JSON body into records. Never raises; `overflow` says that something passed its limit."""

    def __init__(self, limits: Limits) -> None:
        self.overflow = False
        self._limits = limits
        self._records: Records | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._seen_line = False

    def feed(self, data: bytes, /) -> list[bytes]:
        """Return the records that `data` completes."""
        if self._records is None:
            return self._hold(data)
        records = self._records.feed(data)
        self.overflow = self._records.overflow
        return records

    def close(self) -> list[bytes]:
        """Return what the end of input left unfinished: nearly always the whole reply."""
        if self._records is not None:
            return self._records.close()
        whole = b"".join(self._held).strip(SPACE)
        return [whole] if whole else []

    def copy(self) -> JsonBody:
        """An independent reader in the same state."""
        twin = JsonBody(self._limits)
        twin.overflow, twin._held_bytes, twin._seen_line = self.overflow, self._held_bytes, self._seen_line
        twin._records, twin._held = self._records and self._records.copy(), self._held.copy()
        return twin

    def _hold(self, data: bytes) -> list[bytes]:
        first_line_ends = b"\n" in data
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._limits.body_bytes_max:
            self.overflow = True
        elif first_line_ends and not self._seen_line:
            held = b"".join(self._held)
            self._seen_line = True
            if _parses(held.partition(b"\n")[0]):
                # A whole reply is one line too; whether a line end follows it must not decide what may be in it.
                whole = msgspec.structs.replace(self._limits, line_bytes_max=self._limits.body_bytes_max)
                self._records, self._held = Records(whole), []
                return self.feed(held)
            self._held = [held]
        return []


def _parses(line: bytes) -> bool:
    try:
        _is_object(line)
    except (ValueError, RecursionError):
        return False
    return True
