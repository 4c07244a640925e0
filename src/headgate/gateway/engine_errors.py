"""What an engine answered that is no reply -> the failure that the client is told, and who answered.

Spec: ours (`docs/errors.md`)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from headgate.dialects.base import Dialect
from headgate.errors import UpstreamError
from headgate.events import StreamError
from headgate.gateway import journal
from headgate.gateway.asgi import Headers

Pairs = Sequence[tuple[str, str]]

_ERRORS = range(400, 600)
_REDIRECTS = range(300, 400)
_KEY_REFUSED = frozenset({401, 403})
_TRY_LATER = frozenset({429, 503})
_is_wait = re.compile(
    r"[0-9]{1,9}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
).fullmatch
_NO_STREAM = ("text/html", "text/xml", "application/xhtml", "application/xml", "application/pdf", "multipart/")
_NO_TEXT = ("image/", "audio/", "video/", "font/")
_NO_REPLY = _NO_STREAM + _NO_TEXT
"""What no engine calls a chat model's reply. Everything else is read for what it holds, not for its label."""


def no_reply(name: str, status: int, headers: Pairs, expected: str) -> UpstreamError | None:
    """The failure that the head of a reply means, if what follows cannot be read for a reply or an error.

    Args:
        name: the engine's.
        status: the reply's.
        headers: the reply's, names in lower case.
        expected: what was wanted, such as `a stream`.
    """
    kind = coding = ""
    for field, value in reversed(headers):  # the first of each counts
        if field == "content-type":
            kind = value.strip().lower()
        elif field == "content-encoding":
            coding = value.strip().lower()
    if coding and coding != "identity":
        got = f"content-encoding {journal.safe(coding[:20])}. See its proxy."
        sentence = f"expected an uncompressed reply from {name}, which was asked for it so, got {got}"
        return UpstreamError("upstream_protocol", sentence)
    if status < 300 and kind.startswith(_NO_REPLY):
        got = journal.safe(kind.partition(";")[0][:40])
        sentence = f"expected {expected} from {name}, got {got}. Correct its URL, or see the proxy before it."
        return UpstreamError("upstream_protocol", sentence)
    return None


def refusal(name: str, dialect: Dialect, status: int, body: bytes) -> UpstreamError:
    """The failure that an engine's HTTP error reply means."""
    if status in _REDIRECTS:
        sentence = f"expected a reply from {name}, got a redirect (HTTP {status}). Correct its URL."
        return UpstreamError("upstream_protocol", sentence)
    return failure(name, dialect.error(status, body))


def failure(name: str, error: StreamError) -> UpstreamError:
    """The failure that an error event means, with a status that HTTP allows for one."""
    if error.status_hint in _KEY_REFUSED and error.code == "upstream_error":
        # The client would take the engine's 401 for its own key's.
        refused = f"{name} refused Headgate's key for it (HTTP {error.status_hint})"
        sentence = f"{refused}; yours is fine. Whoever runs Headgate corrects the upstream's api_key."
        return UpstreamError(error.code, sentence, status=502, retryable=False)
    status = error.status_hint if error.status_hint in _ERRORS else None
    return UpstreamError(error.code, error.message, status=status, retryable=error.retryable, vendor=error.vendor)


def wait(status: int, headers: Pairs) -> Headers:
    """The engine's `Retry-After`, where it means something: a number of seconds or a date, for who may come again."""
    value = _header(headers, "retry-after") if status in _TRY_LATER else ""
    return [(b"retry-after", value.encode())] if _is_wait(value) else []


@lru_cache(maxsize=256)
def identity(name: str, model: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that say who answers."""
    return (
        (b"x-headgate-upstream", journal.safe(name).encode()),
        (b"x-headgate-model", journal.safe(model).encode()),
    )


def _header(headers: Pairs, wanted: str) -> str:
    for name, value in headers:
        if name == wanted:
            return value.strip()
    return ""
