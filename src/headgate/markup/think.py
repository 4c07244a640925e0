"""Reasoning between a plain opener and closer (`<think>…</think>` and its kin) -> reasoning spans.

Strategy: an opener counts at the start of a message or after a closed block; the first closer of its
pair ends the thought. White space next to the tags belongs to the tags.
Spec: the chat templates of the models named beside each pair (vLLM reasoning/*.py, llama.cpp
common/chat.cpp and Ollama thinking/parser.go read the same pairs).
"""

from __future__ import annotations

from headgate.markup import spans
from headgate.markup.family import Settings
from headgate.markup.scanner import Scanner, Tags
from headgate.markup.spans import Span

PAIRS: dict[str, str] = {
    "<think>": "</think>",  # Qwen3, QwQ, GLM-4.5, DeepSeek R1, Kimi-K2-Thinking, MiniMax-M2, Nemotron, Olmo3, …
    "[THINK]": "[/THINK]",  # Magistral, Ministral 3
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "◁think▷": "◁/think▷",  # Kimi-VL, Kimi k1.5
    "<mm:think>": "</mm:think>",  # MiniMax-M3
    "<longcat_think>": "</longcat_think>",  # LongCat
    "<|channel>thought": "<channel|>",  # Gemma 4; the channel's name is part of the opener
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command R7B, Command A
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<ifm|think>": "</ifm|think>",  # K2-Horizon; the opener names the effort
    "<ifm|think_fast>": "</ifm|think_fast>",
    "<ifm|think_faster>": "</ifm|think_faster>",
    "<|open|>think<|sep|>": "<|close|>think<|sep|>",  # Kimi-K3
    "<|plamo:begin_think:plamo|>": "<|plamo:end_think:plamo|>",  # Plamo 3
}

_CLOSERS = {opener: Tags([closer]) for opener, closer in PAIRS.items()}
_OPENERS = Tags(PAIRS)
_OPENER_MAX = max(map(len, PAIRS))
ANY_CLOSER = Tags(PAIRS.values())


class Think:
    """The family: its openers, and a reader for the thought behind one."""

    name = "think"
    openers = tuple(PAIRS)
    unmistakable = True

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest`, at a place where a block may begin, opens a thought; None while it may still."""
        if not settings.parse_reasoning:
            return False
        return _opener_of(rest) is not None or (None if _OPENERS.may_start(rest) else False)

    def reader(self, scanner: Scanner, settings: Settings, out: list[Span], /) -> Thought:
        """Take the opener, and return the reader of the thought."""
        opener = _opener_of(scanner.peek(_OPENER_MAX))
        out.append(spans.markup(scanner.take(len(opener or ""))))
        return Thought(opener)


FAMILY = Think()


def _opener_of(rest: str) -> str | None:
    return next((opener for opener in _OPENERS.all if rest.startswith(opener)), None)


class Thought:
    """Reads one thought, from after its opener to its closer.

    Args:
        opener: the opener that was seen; None when the thought was opened in the prompt, so that any
            closer ends it and a repeated opener at its start is part of the tags.
    """

    def __init__(self, opener: str | None) -> None:
        self._closers = ANY_CLOSER if opener is None else _CLOSERS[opener]
        self._may_repeat_opener = opener is None
        self._at_start = True

    def feed(self, scanner: Scanner, out: list[Span], /) -> bool:
        """Read on. Returns whether the thought is over."""
        if self._at_start and not self._begin(scanner, out):
            return False
        thought, space, tag = scanner.until(self._closers, trim=True)
        if thought:
            out.append(spans.reasoning(thought))
        if tag is None:
            return False
        out += [spans.markup(space + tag), spans.BLOCK_END]
        return True

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the thought: what was held is reasoning, cut tags and white space included."""
        out.append(spans.reasoning(scanner.take_all()))
        return False

    def copy(self) -> Thought:
        """An independent reader in the same state."""
        twin = Thought.__new__(Thought)
        twin.__dict__.update(self.__dict__)
        return twin

    def _begin(self, scanner: Scanner, out: list[Span]) -> bool:
        if space := scanner.take_space():
            out.append(spans.markup(space))
        if not len(scanner):
            return False
        if self._may_repeat_opener:
            rest = scanner.peek(_OPENER_MAX)
            opener = _opener_of(rest)
            if opener is None and _OPENERS.may_start(rest):
                return False
            self._may_repeat_opener = False
            if opener is not None:
                self._closers = _CLOSERS[opener]
                out.append(spans.markup(scanner.take(len(opener))))
                return self._begin(scanner, out)
        self._at_start = False
        return True
