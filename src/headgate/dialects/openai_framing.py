"""The three envelopes an OpenAI-style reply comes in -> records.

Strategy: the first byte decides: a `{` begins JSON, anything else an event stream. JSON whose first line
is a whole object is one record per line (a log without `data:`); otherwise it is one whole reply.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import msgspec

from headgate.dialects.lenient import untyped
from headgate.dialects.peer_error import holds_error
from headgate.framing.ndjson import Records
from headgate.framing.sse import Blocks
from headgate.limits import Limits

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE = b" \t\r\n"

Framed = tuple[bytes | None, bytes | None]
"""A record, and the value of an `error:` field; one of the two."""


def sniff(head: bytes) -> int:
    """How sure it is that a stream begins like this: 60 for an event stream, 80 for an object with choices."""
    line = head.lstrip(b"\xef\xbb\xbf" + _SPACE)
    if line.startswith(b"{"):
        return _sniff_object(line)
    name, colon, value = line.partition(b":")
    if name in {b"data", b"error"}:
        # Prose may begin with "data: " too, but not with the data of a chunk.
        return 60 if colon and value.lstrip().startswith((b"{", b"[DONE]")) else 0
    return 60 if colon and name in {b"", b"event", b"id", b"retry"} else 0


def _sniff_object(line: bytes) -> int:
    value = untyped(line, {})
    if not isinstance(value, dict):
        return 80 if b'"choices"' in line else 0
    if "choices" in value:
        return 80
    return 50 if value.get("error") or holds_error(value) else 0


class Framing:
    """Turns bytes into records. Never raises; `overflow` says that something passed its limit."""

    def __init__(self, limits: Limits) -> None:
        self.overflow = False
        self._limits = limits
        self._blocks: Blocks | None = None
        self._records: Records | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, data: bytes, /) -> list[Framed]:
        """Return the records that `data` completes."""
        if self._blocks is None and self._records is None:
            return self._begin(data)
        framed = self._framed(data)
        self.overflow = self._over()
        return framed

    def close(self) -> list[Framed]:
        """Return what the end of input left unfinished."""
        if self.overflow:
            return []
        if self._blocks is not None:
            return [(block.data, block.error) for block in self._blocks.close()]
        if self._records is not None:
            return [(record, None) for record in self._records.close()]
        whole = b"".join(self._held).strip(_SPACE)
        return [(whole, None)] if whole else []

    @property
    def between(self) -> bool:
        """Whether it stands between two blocks of an event stream, with nothing held."""
        return self._blocks is not None and self._blocks.between

    def copy(self) -> Framing:
        """An independent reader in the same state."""
        twin = Framing.__new__(Framing)
        twin.__dict__.update(self.__dict__)
        twin._blocks = self._blocks.copy() if self._blocks else None
        twin._records = self._records.copy() if self._records else None
        twin._held = self._held.copy()
        return twin

    def _begin(self, data: bytes) -> list[Framed]:
        if not self._held:
            data = data.lstrip(_SPACE)
        if not data:
            return []
        if not self._held and not data.startswith(b"{"):
            self._blocks = Blocks(self._limits)
            return self.feed(data)
        return self._begin_json(data)

    def _begin_json(self, data: bytes) -> list[Framed]:
        first_line_ends = b"\n" in data
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._limits.body_bytes_max:
            self.overflow = True
        elif first_line_ends and len(self._held) and not self._seen_line:
            held = b"".join(self._held)
            self._seen_line = True
            if _parses(held.partition(b"\n")[0]):
                # A whole reply is one line too; whether a line end follows it must not decide what may be in it.
                whole = msgspec.structs.replace(self._limits, line_bytes_max=self._limits.body_bytes_max)
                self._records, self._held = Records(whole), []
                return self.feed(held)
            self._held = [held]
        return []

    _seen_line = False

    def _framed(self, data: bytes) -> list[Framed]:
        if self._blocks is not None:
            return [(block.data, block.error) for block in self._blocks.feed(data)]
        return [(record, None) for record in self._records.feed(data)] if self._records else []

    def _over(self) -> bool:
        return bool((self._blocks and self._blocks.overflow) or (self._records and self._records.overflow))


def _parses(line: bytes) -> bool:
    try:
        _is_object(line)
    except (ValueError, RecursionError):
        return False
    return True
