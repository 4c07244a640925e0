"""The first line of a stream -> how sure it is that it is an OpenAI-style one.

Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from headgate.dialects.lenient import untyped
from headgate.dialects.peer_error import holds_error

_SPACE = b" \t\r\n"


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
