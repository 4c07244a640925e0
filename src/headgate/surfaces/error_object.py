"""A failure -> OpenAI's error object, which several surfaces wear.

Spec: https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from typing import Any

_CLIENTS_FAULT = frozenset(
    {
        "invalid_request",
        "unsupported",
        "model_not_found",
        "not_found",
        "method_not_allowed",
        "body_too_large",
        "unauthorized",
        "forbidden",
        "misdirected_host",
        "unsupported_media_type",
        "request_timeout",
    }
)


def error_object(message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """Write the value of `error`; `param` is the JSON pointer of the field at fault, if it is a request's."""
    kind = "invalid_request_error" if code in _CLIENTS_FAULT else "upstream_error"
    return {"message": message, "type": kind, "code": code, "param": param}
