"""Tokens' log probabilities, as OpenAI-style engines and Ollama send them -> the canonical values.

Strategy: chats have one object for each token, text completions (the older API) lists that run beside each other.
Spec: https://platform.openai.com/docs/api-reference/chat/object (logprobs.content),
https://platform.openai.com/docs/api-reference/completions/object (logprobs)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import isfinite

from msgspec import UNSET, Struct, UnsetType

from headgate.events import Logprob


class TokenLogprob(Struct, gc=False):
    """One entry of `logprobs.content`."""

    token: str = ""
    logprob: float | None = None
    bytes: list[int] | UnsetType | None = UNSET
    top_logprobs: list[TokenLogprob] | UnsetType | None = UNSET

    def value(self) -> Logprob:
        """The canonical value, with every required field; an alternative has no alternatives of its own."""
        return self._alone(tuple(alternative._alone() for alternative in self.top_logprobs or ()))

    def _alone(self, alternatives: tuple[Logprob, ...] = ()) -> Logprob:
        return Logprob(self.token, _number(self.logprob), tuple(self.bytes) if self.bytes else None, alternatives)

    def is_complete(self) -> bool:
        """Whether it has every field that the contract requires."""
        return UNSET not in (self.bytes, self.top_logprobs) and self.logprob is not None and isfinite(self.logprob)


def of_text(
    tokens: Sequence[str],
    logprobs: Sequence[float | None],
    alternatives: Sequence[Mapping[str, float | None] | None],
) -> tuple[Logprob, ...]:
    """The canonical values of a text completion's lists; what is missing at the end of one is not told."""
    rows = zip_longest(tokens, logprobs[: len(tokens)], alternatives[: len(tokens)])
    return tuple(
        Logprob(token, _number(logprob), None, tuple(Logprob(*one) for one in _numbers(others or {})))
        for token, logprob, others in rows
    )


def _numbers(others: Mapping[str, float | None]) -> list[tuple[str, float]]:
    return [(token, _number(logprob)) for token, logprob in others.items()]


def _number(logprob: float | None) -> float:
    return _FLOOR if logprob is None or not isfinite(logprob) else logprob


_FLOOR = -9999.0
"""What vLLM writes where a log probability is minus infinity; OpenAI documents the same number."""
