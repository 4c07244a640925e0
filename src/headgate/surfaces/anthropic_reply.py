"""How a response ended and what it cost, in Anthropic's words, and a whole `message`.

Strategy: what both forms of a reply say is decided here once. Anthropic counts cached tokens apart from the rest of
the prompt, and its formats demand two counts: those that no engine told are 0, all others are left out.
Spec: https://docs.claude.com/en/api/messages (Response)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from headgate.events import FinishReason, Progress, Usage
from headgate.messages import ContentPart, Message, ReasoningPart, TextPart
from headgate.signatures import UNSIGNED
from headgate.surfaces.anthropic_ids import to_client
from headgate.surfaces.base import Writing

_encode = msgspec.json.Encoder().encode

_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "cancelled": "end_turn",
    "unknown": "end_turn",
}
# An engine's own words that mean the same here; the canonical reasons have none that is as exact.
_KEPT = frozenset({"pause_turn", "refusal", "model_context_window_exceeded"})

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVERS_FAULT = 500


class Stop(NamedTuple):
    """How a message ended; the fields are named as on the wire."""

    stop_reason: str
    stop_sequence: str | None = None


def stop(reason: FinishReason, raw: str | None, sequence: str | None, *, refused: bool) -> Stop:
    """Say how a message ended.

    Args:
        reason: why.
        raw: the engine's own word.
        sequence: the stop sequence that was met.
        refused: whether the model declined with its text.
    """
    if raw in _KEPT and reason in {"unknown", "length", "stop"}:
        return Stop(raw)
    if reason in {"stop", "unknown"} and refused:
        return Stop("refusal")
    if reason == "stop" and sequence is not None:
        return Stop("stop_sequence", sequence)
    return Stop(_REASONS[reason])


def usage_at_start(progress: Progress | None) -> dict[str, Any]:
    """The counts of `message_start`: of the prompt, where the engine told of its progress, and else none."""
    told = Usage(progress.total, cached_tokens=progress.cached) if progress else None
    return {"input_tokens": 0, **usage_of(told)}


def usage_of(usage: Usage | None) -> dict[str, Any]:
    """The counts at the end, with those that were told."""
    told = usage or Usage()
    counts = {
        "input_tokens": _fresh(told),
        "cache_read_input_tokens": told.cached_tokens,
        "cache_creation_input_tokens": told.cache_write_tokens,
    }
    body: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    body["output_tokens"] = told.output_tokens or 0
    if told.reasoning_tokens is not None:
        body["output_tokens_details"] = {"thinking_tokens": told.reasoning_tokens}
    return body


def _fresh(usage: Usage) -> int | None:
    """The prompt's tokens that were neither read from a cache nor written to one."""
    if usage.input_tokens is None:
        return None
    return max(0, usage.input_tokens - (usage.cached_tokens or 0) - (usage.cache_write_tokens or 0))


def whole(message: Message, writing: Writing) -> bytes:
    """Write one message. A call that was cut off is left out, so that nobody runs it."""
    refused = any(isinstance(part, TextPart) and part.refusal for part in message.parts)
    reason = message.finish_reason or "unknown"
    ended = stop(reason, message.raw_reason, message.stop_sequence, refused=refused)
    body = {
        "id": writing.id,
        "type": "message",
        "role": "assistant",
        "model": message.model or writing.model,
        "content": [block for part in message.parts if (block := _block(part)) is not None],
        **ended._asdict(),
        "usage": {"input_tokens": 0, **usage_of(message.usage)},
    }
    return _encode(body)


def _block(part: ContentPart) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ReasoningPart):
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or UNSIGNED}
    call = part.call
    if not call.complete:
        return None
    arguments = msgspec.Raw(call.arguments.encode())
    return {"type": "tool_use", "id": to_client(call.id), "name": call.name, "input": arguments}


def error_body(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Say what failed. `code` and `param` are ours: the API's own words are fewer than the reasons."""
    fallback = "api_error" if status >= _SERVERS_FAULT else "invalid_request_error"
    return {"type": _KINDS.get(status, fallback), "message": message, "code": code, "param": param}
