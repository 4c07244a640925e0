"""An engine's error, in any of the shapes engines use -> one `error` event.

Strategy: look for a message where each shape keeps it. A string, `{"error": "text"}` (Ollama, mlx-lm),
`{"error": {…}}` (OpenAI, llama-server, vLLM, LM Studio), a flat `{"object": "error", …}` (SGLang), a bare
`{"code", "message", "type"}` (llama-server's /v1/messages, old vLLM), `{"detail": …}` (FastAPI).
Spec: the engines' sources, as `docs/errors.md` lists them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.dialects.lenient import untyped
from headgate.errors import stream_error
from headgate.events import StreamError

_MESSAGE_MAX = 2000
_RETRYABLE = frozenset({408, 409, 429, 500, 502, 503, 504})
_ERROR_STATUS = range(400, 600)


def error_of(record: bytes, *, status: int | None = None) -> StreamError:
    """Read the error in `record`, an HTTP body or the record of a stream.

    Args:
        record: the bytes; they need not be JSON.
        status: the HTTP status, where there was one.
    """
    value = untyped(record, {})
    text = value if isinstance(value, str) else record.decode("utf-8", "replace").strip()
    body = value if isinstance(value, dict) else {}
    error = body.get("error", body)
    hint = status or _status_in(error) or _status_in(body) or 502
    message = _message_in(error) or _message_in(body) or _plain(text) or "the engine gave no reason."
    vendor = _as_json(error or value)
    made = stream_error("upstream_error", message[:_MESSAGE_MAX], status=hint, vendor=vendor)
    return msgspec.structs.replace(made, retryable=hint in _RETRYABLE)


def holds_error(value: dict[str, Any]) -> bool:
    """Whether a record without choices is an error in one of the flat shapes."""
    return (
        value.get("object") == "error"
        or value.keys() == {"detail"}
        or (isinstance(value.get("message"), str) and ("code" in value or "type" in value) and "choices" not in value)
    )


def _message_in(error: Any) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    found = next((error[key] for key in ("message", "detail", "error") if error.get(key)), "")
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def _status_in(error: Any) -> int | None:
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    if isinstance(code, str) and code.isdigit() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and code in _ERROR_STATUS else None


def _plain(text: str) -> str:
    return "" if text.startswith(("<", "{")) else text


def _as_json(value: Any) -> str | None:
    return msgspec.json.encode(value).decode()[:_MESSAGE_MAX] if value else None
