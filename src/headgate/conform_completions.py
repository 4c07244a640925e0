"""The contract of a `/v1/completions` stream, as code: bytes -> breaches.

Strategy: what all streams of chunks promise is `conform_chunks.py`'s; here is what a text's choice may hold.
Spec: https://platform.openai.com/docs/api-reference/completions/object
"""

from __future__ import annotations

from typing import Any

from headgate.conform_chunks import REASONS, ChunkCheck

_CHOICE_KEYS = {"text", "index", "logprobs", "finish_reason"}
_LISTS = {"tokens", "token_logprobs", "top_logprobs", "text_offset"}


def check_completions(data: bytes) -> list[str]:
    """Return every breach in the bytes of one streamed response."""
    return _Check().check(data)


class _Check(ChunkCheck):
    kind = "text_completion"

    def __init__(self) -> None:
        super().__init__()
        self.offsets: dict[int, int] = {}

    def choice(self, choice: dict[str, Any]) -> None:
        if set(choice) != _CHOICE_KEYS:
            self.breach(f"a choice of {sorted(choice)}, expected {sorted(_CHOICE_KEYS)}")
            return
        index, text, logprobs, finish = (choice[name] for name in ("index", "text", "logprobs", "finish_reason"))
        if not isinstance(index, int) or not isinstance(text, str):
            self.breach("a choice whose index is no integer, or whose text is no string")
            return
        self.begin(index)
        if logprobs is not None:
            self._logprobs(logprobs, index)
        if not text and not logprobs and finish is None:
            self.breach("says nothing")
        if finish is not None:
            self.finish(index)
            if not isinstance(finish, str) or finish not in REASONS - {"tool_calls"} or text or logprobs:
                self.breach(f"finish {finish!r} is unknown, or not alone")

    def _logprobs(self, logprobs: Any, index: int) -> None:
        if not isinstance(logprobs, dict) or set(logprobs) != _LISTS:
            self.breach("logprobs that are not the four lists")
            return
        tokens, numbers, offsets = (logprobs[name] for name in ("tokens", "token_logprobs", "text_offset"))
        others = logprobs["top_logprobs"]
        lists = [tokens, numbers, offsets, *([] if others is None else [others])]
        if not tokens or not all(isinstance(one, list) and len(one) == len(tokens) for one in lists):
            self.breach("logprobs whose lists are empty, or not of one length")
            return
        if not all(map(_is_text, tokens)) or not all(map(_is_number, numbers)) or not all(map(_is_told, others or ())):
            self.breach("a token that is no text, or a log probability that is no number")
            return
        for token, offset in zip(tokens, offsets, strict=True):
            expected = self.offsets.get(index, 0)
            if offset != expected:
                self.breach(f"text_offset {offset!r}, expected {expected}")
            self.offsets[index] = expected + len(token)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_told(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))
