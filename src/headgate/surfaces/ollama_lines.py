"""What is said in one line of Ollama's API -> its bytes, for `/api/chat` and `/api/generate`.

Strategy: a line is put together from pieces of JSON, and what is constant in a response is made once. The two paths
differ only in what stands around the text. What the engine did not tell (a count, a duration) is left out, as Ollama
leaves out what is 0; durations become whole nanoseconds.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from headgate.events import Logprob, Timings, Usage
from headgate.surfaces.base import Frame, Writing
from headgate.surfaces.line_safe import json_text, line_safe

_encode = msgspec.json.Encoder().encode

_NS_PER_MS = 1_000_000
_GOES_ON = b'"done":false'
_LOADING = frozenset({"load", "unload"})
_FINISH = {"tool_calls": "stop", "unknown": "stop", "cancelled": "stop"}
"""Ollama has `stop` and `length`; `content_filter` is said as it is, since clients take any word."""


class Form(NamedTuple):
    """What stands `before` and `behind` the text of a line."""

    before: bytes
    behind: bytes


CHAT = Form(b'"message":{"role":"assistant","content":"', b"}")
GENERATE = Form(b'"response":"', b"")


class Lines:
    """Writes the lines of one response.

    Args:
        form: that of the path.
        writing: the response's time, in seconds.
        model: who answers.
    """

    def __init__(self, form: Form, writing: Writing, model: str) -> None:
        self._form = form
        self._head = line_safe(b'{"model":%b,"created_at":"%b",' % (_encode(model), _time(writing.created_s)))

    def line(self, text: str = "", *, thinking: str = "", calls: Sequence[bytes] = (), end: bytes = _GOES_ON) -> bytes:
        """Write one line, its line end included; `end` is what follows the message."""
        more = b',"thinking":"%b"' % json_text(thinking) if thinking else b""
        more += b',"tool_calls":[%b]' % b",".join(calls) if calls else b""
        form = self._form
        return b"".join((self._head, form.before, json_text(text), b'"', more, form.behind, b",", end, b"}\n"))

    def frame(self, *, thinking: bool) -> Frame:
        """What stands around the text, or the thinking, of a line that says nothing else."""
        before = self._head + self._form.before + (b'","thinking":"' if thinking else b"")
        return Frame(before, b'"%b,%b}\n' % (self._form.behind, _GOES_ON), json_text)


def goes_on(logprobs: Sequence[Logprob]) -> bytes:
    """What follows the message in a line that is not the last."""
    return _GOES_ON + _fields(_told(logprobs))


def done(reason: str, raw_reason: str | None, usage: Usage | None, logprobs: Sequence[Logprob] = ()) -> bytes:
    """What follows the message in the last line: that it is done, why, and what it cost.

    That a model was only loaded, or unloaded, is told in the engine's own words.
    """
    word = raw_reason if raw_reason in _LOADING else _FINISH.get(reason, reason)
    return b'"done":true' + _fields({"done_reason": word, **_told(logprobs), **_metrics(usage)})


def call(index: int, call_id: str, name: str, arguments: str) -> bytes:
    """One entry of `tool_calls`; `index` counts the calls of the message, `arguments` are an object's JSON text."""
    # White space is the only place where valid JSON may hold a line end.
    text = arguments.strip().replace("\n", " ").replace("\r", " ")
    function = {"index": index, "name": name, "arguments": Raw(text.encode())}
    return line_safe(_encode({"id": call_id, "function": function}))


def is_object(arguments: str) -> bool:
    """Whether a whole call's arguments, which are valid JSON, are an object: the only thing that Ollama has."""
    return arguments.lstrip(" \t\r\n").startswith("{")


def error(message: str, code: str) -> bytes:
    """What Ollama says of a failure, be it a line or a body; clients take an empty sentence for no failure."""
    return line_safe(_encode({"error": message or code}))


def _fields(fields: dict[str, Any]) -> bytes:
    """Further fields of an object; `{"a":1}` becomes `,"a":1`."""
    return b"," + line_safe(_encode(fields)[1:-1]) if fields else b""


def _metrics(usage: Usage | None) -> dict[str, int]:
    told = usage or Usage()
    timings = told.timings or Timings()
    metrics = {
        "total_duration": _ns(timings.measured_ms if timings.total_ms is None else timings.total_ms),
        "load_duration": _ns(timings.load_ms),
        "prompt_eval_count": _count(told.input_tokens, timings.cache_n, timings.prompt_n),
        "prompt_eval_duration": _ns(timings.prompt_ms),
        "eval_count": _count(told.output_tokens, timings.predicted_n),
        "eval_duration": _ns(timings.predicted_ms),
    }
    return {name: value for name, value in metrics.items() if value is not None}


def _count(told: int | None, *parts: int | None) -> int | None:
    """What the engine told, or else the sum of what its timings tell, if they tell all of it."""
    known = [part for part in parts if part is not None]
    return sum(known) if told is None and len(known) == len(parts) else told


def _told(logprobs: Sequence[Logprob]) -> dict[str, Any]:
    return {"logprobs": [_logprob(one) for one in logprobs]} if logprobs else {}


def _logprob(one: Logprob) -> dict[str, Any]:
    entry: dict[str, Any] = {"token": one.token, "logprob": one.logprob}
    if one.bytes is not None:
        entry["bytes"] = one.bytes
    if one.top_logprobs:
        entry["top_logprobs"] = [_logprob(other) for other in one.top_logprobs]
    return entry


def _ns(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds * _NS_PER_MS)


@lru_cache(maxsize=16)
def _time(seconds: int) -> bytes:
    """RFC 3339, in UTC. Replies begun in the same second share it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
