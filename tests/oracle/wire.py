"""A naive reader of whole recorded replies: bytes -> what the engine said, choice by choice.

Strategy: everything is there already, so `split`, `json.loads` and string concatenation do. Nothing here knows about
chunks, markup or events; it is the plainest reading a person could give the bytes, to hold the decoder against.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming,
https://github.com/ollama/ollama/blob/main/docs/api.md,
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

NATIVE = ("/completion", "/infill")
"""llama-server's own paths."""


@dataclass
class Call:
    """A tool call; `arguments` is the exact argument text, `id` is `*` when the engine sent none."""

    name: str
    arguments: str
    id: str = "*"

    @property
    def complete(self) -> bool:
        """Whether the arguments are whole JSON."""
        try:
            json.loads(self.arguments)
        except ValueError:
            return False
        return True


@dataclass
class Choice:
    """What the engine said in one choice, white space and markup and all."""

    reasoning: str = ""
    content: str = ""
    calls: list[Call] = field(default_factory=list)
    ended: bool = False
    reason: str | None = None
    usage: dict[str, Any] | None = None
    timings: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def read(path: str, status: int, body: bytes) -> list[Choice]:
    """Read a whole reply: one choice for each index the engine used, at least one."""
    if status >= 400:
        return [Choice(error=_error(json.loads(body)["error"], status))]
    reader = _ollama if path.startswith("/api/") else _native if path in NATIVE else _openai
    choices = reader(body.decode())
    for choice in choices:
        if not choice.ended and choice.error is None:
            choice.error = {"code": "upstream_truncated", "message": "*", "status": 502}
    return choices


def _error(error: Any, status: int) -> dict[str, Any]:
    """The engine's own text; OpenAI-style errors are objects, Ollama's are strings."""
    message = error if isinstance(error, str) else error["message"]
    return {"code": "upstream_error", "message": message, "status": status}


def _openai(text: str) -> list[Choice]:
    """Read server-sent events or one whole JSON object; completions have `text`, whole replies have `message`."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")] or [text]
    choices: dict[int, Choice] = {}
    reports: dict[int, dict[str, Any]] = {}
    timings: dict[str, Any] | None = None
    finished = 0
    for record in (json.loads(line) for line in lines if line != "[DONE]"):
        if "error" in record:
            code = record["error"].get("code")
            status = code if isinstance(code, int) and 400 <= code <= 599 else 502
            choices.setdefault(0, Choice())  # an error may come before anything else
            for choice in choices.values():
                choice.error = _error(record["error"], status)
            continue
        for piece in record["choices"]:
            choice = choices.setdefault(piece["index"], Choice())
            _add_piece(choice, piece)
            finished = piece["index"] if choice.ended else finished
        if record.get("usage"):
            reports[finished] = record["usage"]  # a later report of the same choice replaces the earlier one
        timings = record.get("timings", timings)
    for choice in choices.values():
        choice.usage, choice.timings = _summed(list(reports.values())), timings
    return [choices[index] for index in sorted(choices)]


def _add_piece(choice: Choice, piece: dict[str, Any]) -> None:
    """Append what one entry of `choices` says."""
    delta = piece.get("delta") or piece.get("message") or {}
    choice.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
    choice.content += delta.get("content") or piece.get("text") or ""
    for call in delta.get("tool_calls") or []:
        function = call["function"]
        if "id" in call:
            choice.calls.append(Call(function["name"], "", call["id"]))
        choice.calls[-1].arguments += function.get("arguments", "")
    choice.reason = piece.get("finish_reason") or choice.reason
    choice.ended = choice.reason is not None


def _summed(reports: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The usage of the response: the prompt counts once, the choices' completions add up."""
    if not reports:
        return None
    first = reports[0]
    completion = sum(report["completion_tokens"] for report in reports)
    usage: dict[str, Any] = {
        "prompt_tokens": first["prompt_tokens"],
        "completion_tokens": completion,
        "total_tokens": first["total_tokens"] if len(reports) == 1 else first["prompt_tokens"] + completion,
    }
    if "prompt_tokens_details" in first:
        usage["prompt_tokens_details"] = {"cached_tokens": first["prompt_tokens_details"]["cached_tokens"]}
    return usage


def _native(text: str) -> list[Choice]:
    """Read llama-server's own server-sent events, or one whole JSON object; a `null` says nothing."""
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")] or [text]
    choices: dict[int, Choice] = {}
    reports: dict[int, dict[str, Any]] = {}
    for record in filter(None, map(json.loads, lines)):
        choice = choices.setdefault(record["index"], Choice())
        choice.content += record["content"]
        if record["stop"]:
            choice.ended, choice.reason = True, record["stop_type"]
            reports[record["index"]] = _evaluated(record)
            for one in choices.values():
                one.timings = record["timings"]
    for choice in choices.values():
        choice.usage = _summed(list(reports.values()))
    return [choices[index] for index in sorted(choices)]


def _evaluated(record: dict[str, Any]) -> dict[str, Any]:
    """llama-server's counts under OpenAI's names."""
    prompt, completion = record["tokens_evaluated"], record["tokens_predicted"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": record["timings"]["cache_n"]},
    }


def _ollama(text: str) -> list[Choice]:
    """Read newline-delimited JSON or one whole JSON object; generate has `response`, chat has `message`."""
    choice = Choice()
    for line in text.splitlines():
        record = json.loads(line)
        if "error" in record:
            choice.error = _error(record["error"], 502)
            continue
        message = record.get("message") or {"content": record["response"], **record}
        choice.reasoning += message.get("thinking", "")
        choice.content += message["content"]
        calls = message.get("tool_calls", [])
        for call, arguments in zip(calls, _raw_arguments(line), strict=bool(calls)):
            choice.calls.append(Call(call["function"]["name"], arguments, call.get("id", "*")))
        if record["done"]:
            choice.ended, choice.reason = True, record.get("done_reason")
            choice.usage, choice.timings = _counts(record), _durations(record)
    return [choice]


def _raw_arguments(line: str) -> list[str]:
    """The JSON text of each call's argument object, exactly as in the line (inside a string the key is escaped)."""
    texts = []
    for rest in line.split('"arguments":')[1:]:
        _, end = json.JSONDecoder().raw_decode(rest)
        texts.append(rest[:end])
    return texts


def _counts(record: dict[str, Any]) -> dict[str, Any] | None:
    """Ollama's counts under OpenAI's names."""
    usage = {}
    if "prompt_eval_count" in record:
        usage["prompt_tokens"] = record["prompt_eval_count"]
    if "eval_count" in record:
        usage["completion_tokens"] = record["eval_count"]
    if len(usage) == 2:
        usage["total_tokens"] = sum(usage.values())
    return usage or None


def _durations(record: dict[str, Any]) -> dict[str, Any] | None:
    """Ollama's durations under llama-server's names; nanoseconds become milliseconds, and two of them a rate."""
    names = {
        "prompt_eval_duration": "prompt_ms",
        "eval_duration": "predicted_ms",
        "load_duration": "load_ms",
        "total_duration": "total_ms",
    }
    timings: dict[str, Any] = {name: record[key] / 1e6 for key, name in names.items() if key in record}
    if "eval_count" in record:
        timings["predicted_n"] = record["eval_count"]
    if "eval_count" in record and record.get("eval_duration"):
        timings["predicted_per_second"] = record["eval_count"] / (record["eval_duration"] / 1e9)
    return timings or None
