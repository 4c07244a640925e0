"""The contract of a `/v1/chat/completions` stream, as code: bytes -> breaches.

Strategy: what all streams of chunks promise is `conform_chunks.py`'s; here is what a chat's choice may hold.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from typing import Any

from headgate.conform_chunks import REASONS, ChunkCheck

_CHOICE_KEYS = frozenset({"index", "delta", "finish_reason", "logprobs"})
_KINDS = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls"})
_SPELLINGS = frozenset({"reasoning_content", "reasoning"})
_TOKEN_KEYS = frozenset({"token", "logprob", "bytes"})


def check_chat(data: bytes) -> list[str]:
    """Return every breach in the bytes of one streamed response."""
    return _Check().check(data)


class _Check(ChunkCheck):
    kind = "chat.completion.chunk"

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[int, set[int]] = {}
        self.reasoning = ""

    def choice(self, choice: dict[str, Any]) -> None:
        if not {"index", "delta", "finish_reason"} <= set(choice):
            self.breach("a choice without index, delta and finish_reason")
            return
        if not isinstance(choice["index"], int) or not isinstance(choice["delta"], dict):
            self.breach("a choice whose index is no integer, or whose delta is no object")
            return
        if unknown := set(choice) - _CHOICE_KEYS:
            self.breach(f"a choice with fields that no contract names: {sorted(unknown)}")
        index, delta, finish = choice["index"], choice["delta"], choice["finish_reason"]
        if "logprobs" in choice:
            self._logprobs(choice["logprobs"], delta)
        if self.begin(index) != (delta == {"role": "assistant"}):
            self.breach("the role is not alone, once and first")
        self._delta(delta, self.calls.setdefault(index, set()), logprobs=choice.get("logprobs"), finish=finish)
        if finish is not None:
            self.finish(index)
            if not isinstance(finish, str) or finish not in REASONS or delta:
                self.breach(f"finish {finish!r} is unknown, or not alone")

    def _delta(self, delta: dict[str, Any], known: set[int], *, logprobs: Any, finish: Any) -> None:
        if set(delta) - _KINDS or len(delta) > 1:
            self.breach(f"a delta of {sorted(delta)}, expected one known kind")
        for key in _SPELLINGS & set(delta):
            if self.reasoning not in {"", key}:
                self.breach(f"{key} in a stream that has {self.reasoning}: one spelling for each stream")
            self.reasoning = key
        if any(
            not value or not isinstance(value, list if key == "tool_calls" else str) for key, value in delta.items()
        ):
            self.breach("a field that is empty, null or of the wrong type")
        if not delta and finish is None and not logprobs:
            self.breach("an empty delta")
        calls: Any = delta.get("tool_calls") if isinstance(delta.get("tool_calls"), list) else []
        for call in calls:
            self._call(call if isinstance(call, dict) else {}, known, count=len(calls))

    def _logprobs(self, logprobs: Any, delta: dict[str, Any]) -> None:
        if not isinstance(logprobs, dict) or set(logprobs) != {"content", "refusal"}:
            self.breach("logprobs of null" if logprobs is None else "logprobs that are not content and refusal")
            return
        told = [name for name, tokens in logprobs.items() if tokens is not None]
        if len(told) != 1:
            self.breach("logprobs of content and of a refusal at once, or of neither")
        elif "tool_calls" in delta or (delta and ("refusal" in delta) != (told == ["refusal"])):
            self.breach(f"logprobs of {told[0]} on a delta of {sorted(delta)}")
        for tokens in logprobs.values():
            if tokens is not None and (not isinstance(tokens, list) or not tokens or not all(map(_is_token, tokens))):
                self.breach("logprobs that are no list of tokens with token, logprob, bytes and top_logprobs")

    def _call(self, call: dict[str, Any], known: set[int], *, count: int) -> None:
        index, function = call.get("index"), call.get("function")
        if count != 1 or not isinstance(index, int) or not isinstance(function, dict):
            self.breach("a tool call without index and function, or several in one delta")
            return
        if not isinstance(function.get("arguments"), str):
            self.breach("arguments are no string")
        if index in known:
            if set(call) != {"index", "function"} or set(function) != {"arguments"} or not function["arguments"]:
                self.breach("a later fragment says more or less than its arguments")
            return
        if index != len(known):
            self.breach(f"tool call index {index}, expected {len(known)}")
        known.add(index)
        if not call.get("id") or call.get("type") != "function" or not isinstance(function.get("name"), str):
            self.breach("a tool call's first fragment without id, type and name")
        if function.get("arguments"):
            self.breach("a tool call's first fragment with arguments")


def _is_token(token: Any) -> bool:
    """Whether it is a token with its log probability, and a list of what it might have been."""
    if not isinstance(token, dict) or not isinstance(others := token.get("top_logprobs"), list):
        return False
    alone = {name: value for name, value in token.items() if name != "top_logprobs"}
    return all(map(_is_alone, (alone, *others)))


def _is_alone(token: Any) -> bool:
    if not isinstance(token, dict) or frozenset(token) != _TOKEN_KEYS:
        return False
    of_bytes = token["bytes"]
    is_bytes = isinstance(of_bytes, list) and all(isinstance(one, int) and 0 <= one <= 255 for one in of_bytes)
    return isinstance(token["token"], str) and _is_number(token["logprob"]) and (of_bytes is None or is_bytes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
