"""The contract of an Anthropic `message` stream, as code: bytes -> breaches.

Strategy: read the stream as a strict client does, with a reader of its own, so that a fault of the encoder is not read
away by the decoder's leniency.
Spec: https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import json
from typing import Any

from headgate.conform_bytes import breaches_of_events
from headgate.framing.sse import Reader

_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}
_OPENERS: dict[str, dict[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
_REASONS = frozenset(
    "end_turn max_tokens stop_sequence tool_use pause_turn refusal model_context_window_exceeded".split()
)
_MAY_BE_CUT = frozenset({"max_tokens", "refusal", "model_context_window_exceeded"})
_ERRORS = frozenset(
    """
    invalid_request_error authentication_error billing_error permission_error not_found_error request_too_large
    rate_limit_error timeout_error api_error overloaded_error
    """.split()
)


def check_anthropic(data: bytes) -> list[str]:
    """Return every breach in the bytes of one streamed response."""
    check = _Check()
    check.bytes(data)
    for number, event in enumerate(Reader().feed(data)):
        check.record(number, event.event, event.data)
    check.close()
    return check.breaches


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return False
    return True


class _Block:
    """The block that is open."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.fragments: list[str] = []
        self.signed = False


class _Check:
    """Follows one response."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.where = ""
        self.over = ""
        self.started = False
        self.ended = False
        self.block: _Block | None = None
        self.count = 0
        self.call_ids: set[str] = set()
        self.arguments: list[str] = []

    def breach(self, sentence: str) -> None:
        self.breaches.append(f"{self.where}: {sentence}")

    def bytes(self, data: bytes) -> None:
        self.where = "the bytes"
        for sentence in breaches_of_events(data, (b"event: ", b"data: ", b":"), "event, data"):
            self.breach(sentence)

    def record(self, number: int, name: str, data: str) -> None:
        self.where = f"event {number} ({name})"
        if self.over:
            self.breach(f"follows {self.over}")
        try:
            body = json.loads(data)
        except ValueError:
            self.breach("is not JSON")
            return
        if not isinstance(body, dict) or body.get("type") != name:
            self.breach("its type is not its name")
            return
        if name not in _EVENTS:
            self.breach("has a name that no contract knows")
            return
        if not self.started and name not in {"message_start", "ping", "error"}:
            self.breach("comes before message_start")
        if self.ended and name not in {"message_stop", "ping", "error"}:
            self.breach("comes after message_delta")
        _EVENTS[name](self, body)

    def close(self) -> None:
        self.where = "the end"
        if not self.over:
            self.breach("neither message_stop nor an error")

    def message_start(self, body: dict[str, Any]) -> None:
        message = body.get("message")
        if self.started:
            self.breach("comes twice")
        self.started = True
        if not isinstance(message, dict):
            self.breach("has no message")
            return
        fixed: dict[str, Any] = {
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }
        for name, value in fixed.items():
            if name not in message or message[name] != value:
                self.breach(f"{name} is not {value!r}")
        for name in ("id", "model"):
            if not isinstance(message.get(name), str) or not message[name]:
                self.breach(f"{name} is missing or empty")
        self._usage(message.get("usage"), "input_tokens", "output_tokens")

    def block_start(self, body: dict[str, Any]) -> None:
        opener = body.get("content_block")
        if self.block is not None:
            self.breach("comes while another block is open")
        if body.get("index") != self.count:
            self.breach(f"has index {body.get('index')!r}, expected {self.count}")
        kind = opener.get("type") if isinstance(opener, dict) else None
        if not isinstance(opener, dict) or not isinstance(kind, str) or kind not in _OPENERS:
            self.breach("has no block of a known kind")
            kind, opener = "", {}
        self.block = _Block(kind)
        if any(name not in opener or opener[name] != value for name, value in _OPENERS.get(kind, {}).items()):
            self.breach("a block's first event says more or less than its kind")
        if kind == "tool_use":
            self._call(opener)

    def _call(self, opener: dict[str, Any]) -> None:
        call_id, name = opener.get("id"), opener.get("name")
        if not isinstance(name, str) or not name:
            self.breach("a call without a name")
        if not isinstance(call_id, str) or not call_id or call_id in self.call_ids:
            self.breach("a call whose id is missing, empty or taken")
        else:
            self.call_ids.add(call_id)

    def block_delta(self, body: dict[str, Any]) -> None:
        delta, block = body.get("delta"), self.block
        if block is None or body.get("index") != self.count:
            self.breach("names a block that is not open")
            return
        kind = delta.get("type") if isinstance(delta, dict) else None
        if not isinstance(delta, dict) or not isinstance(kind, str) or _DELTAS.get(kind, ("",))[0] != block.kind:
            self.breach(f"is no delta of a {block.kind} block")
            return
        text = delta.get(_DELTAS[kind][1])
        if not isinstance(text, str) or not text:
            self.breach("is empty")
        elif kind == "input_json_delta":
            block.fragments.append(text)
        if block.signed:
            self.breach("follows the block's signature")
        block.signed = kind == "signature_delta"

    def block_stop(self, body: dict[str, Any]) -> None:
        block = self.block
        if block is None or body.get("index") != self.count:
            self.breach("names a block that is not open")
            return
        if block.kind == "thinking" and not block.signed:
            self.breach("a thought without a signature")
        if block.kind == "tool_use":
            self.arguments.append("".join(block.fragments))
        self.block = None
        self.count += 1

    def message_delta(self, body: dict[str, Any]) -> None:
        self.ended = True
        if self.block is not None:
            self.breach("comes while a block is open")
        delta = body.get("delta")
        given = delta if isinstance(delta, dict) else {}
        word, sequence = given.get("stop_reason"), given.get("stop_sequence")
        reason = word if isinstance(word, str) else ""
        if reason not in _REASONS:
            self.breach(f"stop_reason {word!r} is unknown")
        if "stop_sequence" not in given or isinstance(sequence, str) != (reason == "stop_sequence"):
            self.breach("stop_sequence does not fit stop_reason")
        if reason == "tool_use" and not self.call_ids:
            self.breach("stop_reason tool_use without a call")
        if reason not in _MAY_BE_CUT and not all(map(_is_json, self.arguments)):
            self.breach("a call's input is not JSON, and nothing says that it was cut off")
        self._usage(body.get("usage"), "output_tokens")

    def _usage(self, usage: Any, *needed: str) -> None:
        if not isinstance(usage, dict) or not all(_is_count(usage.get(name)) for name in needed):
            self.breach(f"usage without {' and '.join(needed)}")
        elif not all(_is_count(count) for name, count in usage.items() if name.endswith("_tokens")):
            self.breach("usage with a count that is none")

    def message_stop(self, _body: dict[str, Any]) -> None:
        self.over = "message_stop"
        if not self.ended:
            self.breach("comes before message_delta")

    def error(self, body: dict[str, Any]) -> None:
        self.over = "an error"
        error = body.get("error")
        kind = error.get("type") if isinstance(error, dict) else None
        if not isinstance(error, dict) or not isinstance(kind, str) or kind not in _ERRORS:
            self.breach("error is not an object with a known type")
        elif not isinstance(error.get("message"), str) or not error["message"]:
            self.breach("error without a message")

    def ping(self, _body: dict[str, Any]) -> None:
        """Nothing: it may come anywhere before the end."""


_EVENTS = {
    "message_start": _Check.message_start,
    "content_block_start": _Check.block_start,
    "content_block_delta": _Check.block_delta,
    "content_block_stop": _Check.block_stop,
    "message_delta": _Check.message_delta,
    "message_stop": _Check.message_stop,
    "ping": _Check.ping,
    "error": _Check.error,
}
