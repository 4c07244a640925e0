"""The contract of a stream of Ollama's `/api/chat` or `/api/generate`, as code: bytes -> breaches.

Strategy: read the stream as Ollama's own clients do, line by line and each line as JSON, and hold every field to the
type that they declare for it. `"done": true` is the only clean end, and an error the only other one.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion, `api/types.go` beside it
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from headgate.conform_bytes import breaches_of_bytes

_LINE_KEYS = frozenset({"model", "created_at", "done", "logprobs"})
_METRICS = frozenset(
    "total_duration load_duration prompt_eval_count prompt_eval_duration eval_count eval_duration".split()
)
_MESSAGE_KEYS = frozenset({"role", "content", "thinking", "tool_calls"})
_GENERATE_KEYS = frozenset({"response", "thinking", "tool_calls"})
_REASONS = frozenset({"stop", "length", "content_filter", "load", "unload"})
_LOGPROB_KEYS = frozenset({"token", "logprob", "bytes", "top_logprobs"})
_is_time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z").fullmatch


def check_ollama(data: bytes) -> list[str]:
    """Return every breach in the bytes of one streamed response of `/api/chat`."""
    return _checked(data, "message")


def check_ollama_generate(data: bytes) -> list[str]:
    """Return every breach in the bytes of one streamed response of `/api/generate`."""
    return _checked(data, "response")


def _checked(data: bytes, form: str) -> list[str]:
    check = _Check(form)
    check.bytes(data)
    lines = data.decode("utf-8", "replace").split("\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines):
        check.line(number, line)
    check.close()
    return check.breaches


class _Check:
    """Follows one response; `form` is the field that holds what is said."""

    def __init__(self, form: str) -> None:
        self.breaches: list[str] = []
        self.form = form
        self.calls: list[str] = []
        self.over = ""
        self.where = ""

    def breach(self, sentence: str) -> None:
        self.breaches.append(f"{self.where}: {sentence}")

    def bytes(self, data: bytes) -> None:
        self.where = "the bytes"
        for sentence in breaches_of_bytes(data, end=b"\n", named="line end"):
            self.breach(sentence)

    def line(self, number: int, line: str) -> None:
        self.where = f"line {number}"
        if self.over:
            self.breach(f"follows {self.over}")
        try:
            record = json.loads(line)
        except ValueError:
            self.breach("is not JSON" if line else "is blank")
            return
        if not isinstance(record, dict):
            self.breach("is not an object")
        elif "error" in record:
            self._error(record)
        else:
            self._record(record)

    def close(self) -> None:
        self.where = "the end"
        if not self.over:
            self.breach('neither "done": true nor an error')

    def _error(self, record: dict[str, Any]) -> None:
        self.over = "an error"
        if set(record) != {"error"} or not isinstance(record["error"], str) or not record["error"]:
            self.breach("an error that is not a sentence and nothing else")

    def _record(self, record: dict[str, Any]) -> None:
        self._identity(record)
        done = record.get("done")
        if not isinstance(done, bool):
            self.breach("done is neither true nor false")
        said = record.get("message") if self.form == "message" else record
        own = {"message"} if self.form == "message" else _GENERATE_KEYS
        if unknown := set(record) - _LINE_KEYS - own - (_METRICS | {"done_reason"} if done else set()):
            self.breach(f"has fields that no contract names here: {sorted(unknown)}")
        self._said(said)
        if "logprobs" in record:
            self._logprobs(record["logprobs"])
        if done:
            self._done(record)

    def _identity(self, record: dict[str, Any]) -> None:
        if not isinstance(record.get("model"), str) or not record["model"]:
            self.breach("model is missing or empty")
        created = record.get("created_at")
        if not isinstance(created, str) or not _is_time(created) or not _is_date(created):
            self.breach("created_at is no time in RFC 3339 and UTC")

    def _said(self, said: Any) -> None:
        if not isinstance(said, dict):
            self.breach("message is no object")
            return
        if self.form == "message" and (said.get("role") != "assistant" or set(said) - _MESSAGE_KEYS):
            self.breach("a message that is not the assistant's, or holds more than is known")
        key = "content" if self.form == "message" else "response"
        if not isinstance(said.get(key), str):
            self.breach(f"{key} is no string")
        if "thinking" in said and (not isinstance(said["thinking"], str) or not said["thinking"]):
            self.breach("thinking that is empty or no string")
        if "tool_calls" in said:
            self._calls(said["tool_calls"])

    def _calls(self, calls: Any) -> None:
        if not isinstance(calls, list) or not calls:
            self.breach("tool_calls that are empty or no list")
            return
        for call in calls:
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict) or set(call) - {"id", "function"}:
                self.breach("a tool call that is not an id and a function")
                continue
            self._function(function, call.get("id"))

    def _function(self, function: dict[str, Any], call_id: Any) -> None:
        if not isinstance(call_id, str) or not call_id or call_id in self.calls:
            self.breach(f"a tool call whose id is missing or taken: {call_id!r}")
        if function.get("index") != len(self.calls):
            self.breach(f"tool call index {function.get('index')!r}, expected {len(self.calls)}")
        self.calls.append(str(call_id))
        if not isinstance(function.get("name"), str):
            self.breach("a tool call without a name")
        if not isinstance(function.get("arguments"), dict):
            self.breach("arguments that are no object")

    def _logprobs(self, logprobs: Any) -> None:
        if not isinstance(logprobs, list) or not logprobs:
            self.breach("logprobs that are empty or no list")
            return
        for one in logprobs:
            is_known = isinstance(one, dict) and not set(one) - _LOGPROB_KEYS
            if not is_known or not isinstance(one.get("token"), str) or not isinstance(one.get("logprob"), int | float):
                self.breach("a log probability without a token and a number")

    def _done(self, record: dict[str, Any]) -> None:
        self.over = "the end"
        if record.get("done_reason") not in _REASONS:
            self.breach(f"done_reason is {record.get('done_reason')!r}")
        if any(type(record[name]) is not int or record[name] < 0 for name in _METRICS & set(record)):
            self.breach("a count or duration that is no whole number")


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
