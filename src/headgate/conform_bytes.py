"""What every streamed contract asks of the bytes as such: bytes -> breaches.

Spec: ours (`docs/library.md`); the line ends are those at which some clients split, and httpx did
"""

from __future__ import annotations

from collections.abc import Iterator

_FORBIDDEN = ("\u0085", "\u2028", "\u2029")


def breaches_of_bytes(data: bytes, *, end: bytes, named: str) -> Iterator[str]:
    """Name what is wrong with the bytes of one response, which is in records that end in `end`, called `named`."""
    if data and not data.endswith(end):
        yield f"do not end with a {named}"
    if b"\r" in data:
        yield "hold a CR"
    text = data.decode("utf-8", "replace")
    if text.encode() != data:
        yield "are not UTF-8"
    if any(mark in text for mark in _FORBIDDEN):
        yield "hold a raw U+0085, U+2028 or U+2029"


def breaches_of_events(data: bytes, fields: tuple[bytes, ...], named: str) -> Iterator[str]:
    """The same of an event stream, all of whose lines begin with one of `fields`."""
    yield from breaches_of_bytes(data, end=b"\n\n", named="blank line")
    if any(line and not line.startswith(fields) for line in data.split(b"\n")):
        yield f"hold a line that is neither {named} nor a comment"
