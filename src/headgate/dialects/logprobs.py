"""A token's log probability, as OpenAI-style engines and Ollama send it -> the canonical value.

Spec: https://platform.openai.com/docs/api-reference/chat/object (logprobs.content)
"""

from __future__ import annotations

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
        logprob = _FLOOR if self.logprob is None or not isfinite(self.logprob) else self.logprob
        return Logprob(self.token, logprob, tuple(self.bytes) if self.bytes else None, alternatives)

    def is_complete(self) -> bool:
        """Whether it has every field that the contract requires."""
        return UNSET not in (self.bytes, self.top_logprobs) and self.logprob is not None and isfinite(self.logprob)


_FLOOR = -9999.0
"""What vLLM writes where a log probability is minus infinity; OpenAI documents the same number."""
