"""The contract of a `/v1/chat/completions` stream, as code: bytes -> breaches.

Strategy: read the stream as a strict client does, with readers of its own, so that a fault of the encoder
is not read away by the decoder's leniency.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

import json
from typing import Any

from headgate.framing.sse import Reader

_CHUNK_KEYS = frozenset({"id", "object", "created", "model", "choices", "usage", "timings"})
_CHOICE_KEYS = frozenset({"index", "delta", "finish_reason", "logprobs"})
_KINDS = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"})
_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
_FORBIDDEN = ("\u0085", "\u2028", "\u2029")


def check_chat(data: bytes) -> list[str]:
    """Return every breach in the bytes of one streamed response."""
    check = _Check()
    check.bytes(data)
    for number, event in enumerate(Reader().feed(data)):
        check.record(number, event.data)
    check.close()
    return check.breaches


class _Choice:
    """What was seen of one choice."""

    def __init__(self) -> None:
        self.finished = False
        self.calls: set[int] = set()


class _Check:
    """Follows one response."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.identity: tuple[Any, ...] | None = None
        self.choices: dict[int, _Choice] = {}
        self.usage_seen = False
        self.timings_seen = False
        self.over = ""
        self.where = ""

    def breach(self, sentence: str) -> None:
        self.breaches.append(f"{self.where}: {sentence}")

    def bytes(self, data: bytes) -> None:
        self.where = "the bytes"
        if data and not data.endswith(b"\n\n"):
            self.breach("do not end with a blank line")
        if b"\r" in data:
            self.breach("hold a CR")
        text = data.decode("utf-8", "replace")
        if text.encode() != data:
            self.breach("are not UTF-8")
        if any(mark in text for mark in _FORBIDDEN):
            self.breach("hold a raw U+0085, U+2028 or U+2029")
        if any(line and not line.startswith((b"data: ", b":")) for line in data.split(b"\n")):
            self.breach("hold a line that is neither data nor a comment")

    def record(self, number: int, record: str) -> None:
        self.where = f"event {number}"
        if self.over:
            self.breach(f"follows {self.over}")
        if record == "[DONE]":
            self._done()
            return
        try:
            chunk = json.loads(record)
        except ValueError:
            self.breach("is not JSON")
            return
        if isinstance(chunk, dict) and "error" in chunk:
            self._error(chunk)
        elif isinstance(chunk, dict):
            self._chunk(chunk)
        else:
            self.breach("is not an object")

    def close(self) -> None:
        self.where = "the end"
        if not self.over:
            self.breach("neither [DONE] nor an error")

    def _done(self) -> None:
        self.over = "[DONE]"
        unfinished = [index for index, choice in self.choices.items() if not choice.finished]
        if unfinished or not self.choices:
            self.breach(f"[DONE] without a finish of {unfinished or 'any choice'}")

    def _error(self, chunk: dict[str, Any]) -> None:
        self.over = "an error"
        error = chunk["error"]
        if not isinstance(error, dict) or not {"message", "type", "code", "param"} <= set(error):
            self.breach("error is not an object with message, type, code and param")
        elif not isinstance(error["message"], str) or not error["message"]:
            self.breach("error without a message")

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if unknown := set(chunk) - _CHUNK_KEYS:
            self.breach(f"has fields that no contract names: {sorted(unknown)}")
        if chunk.get("object") != "chat.completion.chunk":
            self.breach(f"object is {chunk.get('object')!r}")
        identity = (chunk.get("id"), chunk.get("created"), chunk.get("model"))
        if self.identity is None:
            self.identity = identity
            self._identity(*identity)
        elif identity != self.identity:
            self.breach("id, created or model changed")
        choices = chunk.get("choices")
        if not isinstance(choices, list) or len(choices) > 1:
            self.breach("has no list of at most one choice")
        elif not choices:
            self._usage(chunk)
        elif "usage" in chunk:
            self.breach("usage on a chunk with choices")
        for choice in choices if isinstance(choices, list) else ():
            self._choice(choice)
        if "timings" in chunk:
            self._timings(chunk["timings"], choices)

    def _identity(self, id_: Any, created: Any, model: Any) -> None:
        if not isinstance(id_, str) or not id_ or not isinstance(model, str) or not model:
            self.breach("id or model is missing or empty")
        if not isinstance(created, int):
            self.breach("created is no integer")

    def _usage(self, chunk: dict[str, Any]) -> None:
        usage = chunk.get("usage")
        if self.timings_seen:
            self.breach("a usage chunk after the timings, which belong on it")
        if self.usage_seen:
            self.breach("a second usage chunk")
        self.usage_seen = True
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        if not isinstance(usage, dict) or not all(isinstance(usage.get(name), int) for name in counts):
            self.breach("a chunk without choices and without the three usage counts")

    def _timings(self, timings: Any, choices: Any) -> None:
        self.timings_seen = True
        if not isinstance(timings, dict) or not timings or any(value is None for value in timings.values()):
            self.breach("timings that are empty or null")
        if not isinstance(choices, list) or any(_finish_of(choice) is None for choice in choices):
            self.breach("timings on a chunk that is neither a usage chunk nor a finish chunk")

    def _choice(self, choice: Any) -> None:
        if not isinstance(choice, dict) or not {"index", "delta", "finish_reason"} <= set(choice):
            self.breach("a choice without index, delta and finish_reason")
            return
        if not isinstance(choice["index"], int) or not isinstance(choice["delta"], dict):
            self.breach("a choice whose index is no integer, or whose delta is no object")
            return
        if unknown := set(choice) - _CHOICE_KEYS:
            self.breach(f"a choice with fields that no contract names: {sorted(unknown)}")
        index, delta, finish = choice["index"], choice["delta"], choice["finish_reason"]
        first = index not in self.choices
        state = self.choices.setdefault(index, _Choice())
        if self.usage_seen or self.timings_seen:
            self.breach("a choice after the usage chunk or the timings")
        if "logprobs" in choice and choice["logprobs"] is None:
            self.breach("logprobs of null")
        if state.finished:
            self.breach(f"choice {index} goes on after its finish")
        if first != (delta == {"role": "assistant"}):
            self.breach("the role is not alone, once and first")
        self._delta(delta, state, logprobs=choice.get("logprobs"), finish=finish)
        if finish is not None:
            state.finished = True
            if not isinstance(finish, str) or finish not in _REASONS or delta:
                self.breach(f"finish {finish!r} is unknown, or not alone")

    def _delta(self, delta: dict[str, Any], state: _Choice, *, logprobs: Any, finish: Any) -> None:
        if set(delta) - _KINDS or len(delta) > 1:
            self.breach(f"a delta of {sorted(delta)}, expected one known kind")
        if any(
            not value or not isinstance(value, list if key == "tool_calls" else str) for key, value in delta.items()
        ):
            self.breach("a field that is empty, null or of the wrong type")
        if not delta and finish is None and not logprobs:
            self.breach("an empty delta")
        if logprobs is not None and not (isinstance(logprobs, dict) and {"content", "refusal"} <= set(logprobs)):
            self.breach("logprobs without content and refusal")
        calls: Any = delta.get("tool_calls") if isinstance(delta.get("tool_calls"), list) else []
        for call in calls:
            self._call(call if isinstance(call, dict) else {}, state, count=len(calls))

    def _call(self, call: dict[str, Any], state: _Choice, *, count: int) -> None:
        index, function = call.get("index"), call.get("function")
        if count != 1 or not isinstance(index, int) or not isinstance(function, dict):
            self.breach("a tool call without index and function, or several in one delta")
            return
        if not isinstance(function.get("arguments"), str):
            self.breach("arguments are no string")
        if index in state.calls:
            if set(call) != {"index", "function"} or set(function) != {"arguments"} or not function["arguments"]:
                self.breach("a later fragment says more or less than its arguments")
            return
        if index != len(state.calls):
            self.breach(f"tool call index {index}, expected {len(state.calls)}")
        state.calls.add(index)
        if not call.get("id") or call.get("type") != "function" or not isinstance(function.get("name"), str):
            self.breach("a tool call's first fragment without id, type and name")
        if function.get("arguments"):
            self.breach("a tool call's first fragment with arguments")


def _finish_of(choice: Any) -> Any:
    return choice.get("finish_reason") if isinstance(choice, dict) else None
