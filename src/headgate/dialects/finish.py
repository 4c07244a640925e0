"""The engine's finish word and what the message holds -> the canonical finish.

Strategy: length and content_filter win, since they say that something is missing; then tool_calls, if
there is at least one whole call; then the engine's own word.
Spec: https://platform.openai.com/docs/api-reference/chat/object (finish_reason), and the engines' words
in `docs/events.md`.
"""

from __future__ import annotations

from typing import NamedTuple

from headgate.errors import stream_error
from headgate.events import FinishReason, StreamError

_WORDS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "word": "stop",  # llama-server: a stop sequence
    "end_turn": "stop",
    "load": "stop",  # Ollama: the model was only loaded
    "unload": "stop",  # Ollama: the model was only unloaded
    "length": "length",
    "max_tokens": "length",
    "limit": "length",  # llama-server
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_CONTRACT = frozenset({"stop", "length", "tool_calls", "content_filter"})
_ABORTED = frozenset({"abort", "error"})


class Outcome(NamedTuple):
    """How a choice ends: a reason and the repair that it took (or ""), or an error."""

    reason: FinishReason
    repair: str = ""
    error: StreamError | None = None


def decide(word: str, *, calls: int) -> Outcome:
    """Decide a choice's end.

    Args:
        word: the engine's own word; empty where it said that it finished, but not why.
        calls: how many tool calls are whole; those that were cut off decide nothing.
    """
    return (not calls and _USUAL.get(word)) or _decide(word, calls)


def _decide(word: str, calls: int) -> Outcome:
    if word in _ABORTED:
        message = f"the engine ended the generation itself (finish reason {word!r}). See its log; a retry may help."
        return Outcome("unknown", error=stream_error("upstream_aborted", message))
    reason = _WORDS.get(word, "unknown" if word else "stop")
    if reason in {"length", "content_filter"}:
        return Outcome(reason, _mapped(word))
    if calls:
        return Outcome("tool_calls", _mapped(word) if reason == "tool_calls" else "finish_derived")
    if reason == "tool_calls":
        return Outcome("stop", "finish_derived")
    return Outcome(reason, _mapped(word))


def _mapped(word: str) -> str:
    return "" if not word or word in _CONTRACT else "finish_mapped"


_USUAL = {word: _decide(word, 0) for word in ("stop", "length")}
"""How nearly every response ends."""
