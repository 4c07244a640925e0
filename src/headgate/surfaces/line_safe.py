"""JSON that no reader of lines tears: what every surface writes its text with.

Strategy: JSON escapes every line end that ASCII has; the three that Unicode adds are escaped here, since some clients
split lines at them too (httpx did). Outside of strings valid JSON holds none of them, so bytes can be replaced.
Spec: https://www.rfc-editor.org/rfc/rfc8259#section-7 (escapes)
"""

from __future__ import annotations

import msgspec

_encode = msgspec.json.Encoder().encode


def line_safe(body: bytes) -> bytes:
    """Escape U+0085, U+2028 and U+2029 in a JSON text."""
    if body.isascii():
        return body
    return (
        body.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029").replace(b"\xc2\x85", b"\\u0085")
    )


def json_text(value: str) -> bytes:
    """Write a JSON string without its quotes."""
    return line_safe(_encode(value)[1:-1])
