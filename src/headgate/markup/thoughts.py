"""Reasoning between an opener and a closer -> reasoning spans: the tags, a family of them, and the reader of a thought.

Strategy: an opener counts at the start of a message or after a closed block; the first closer of its
pair ends the thought. White space next to the tags belongs to the tags.
Spec: the chat templates of the models named beside each pair (vLLM reasoning/*.py, llama.cpp
common/chat.cpp and Ollama thinking/parser.go read the same pairs).
"""

from __future__ import annotations

from collections.abc import Mapping

from headgate.markup import spans
from headgate.markup.family import Control, Family, Settings
from headgate.markup.run import Run
from headgate.markup.scanner import NO_TAGS, Scanner, Tags, both, tags
from headgate.markup.spans import Kind, Span
from headgate.twins import twin

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
    "<|think:start|>": "<|think:end|>",  # Solar Open 2
    "<think:opensource>": "</think:opensource>",  # Hunyuan 3 and 4; each checkpoint's tags have a suffix of their own,
    "<think:6124c78e>": "</think:6124c78e>",  # and those of the first preview had none
}

MORE_CLOSERS: dict[str, tuple[str, ...]] = {
    "<ifm|think_fast>": ("</ifm|think>",),  # a small K2-Horizon closes every effort alike
    "<ifm|think_faster>": ("</ifm|think>",),
}
_NEVER_OPENED = ("[BEGIN FINAL RESPONSE]",)  # Apriel; its opener, an ordinary sentence, stands in the prompt
ANY_CLOSER = tags(*PAIRS.values(), *_NEVER_OPENED)
_ANY_END = ("<|end_message|>", "<|im_end|>\n<|im_start|>assistant\n")  # Inkling, HyperCLOVA X: of any block,
_PROMPTED = both(ANY_CLOSER, tags(*_ANY_END))  # so that it must be known to be a thought


class Pairs:
    """Openers, and the closers of each.

    Args:
        closers: by opener; the first of them that comes ends the thought.
    """

    def __init__(self, closers: Mapping[str, tuple[str, ...]]) -> None:
        self.closers = {opener: tags(*found) for opener, found in closers.items()}
        self.openers = tags(*closers)
        self.longest = max(map(len, closers))

    def opener_of(self, rest: str) -> str | None:
        """The opener that `rest` begins with."""
        return next((opener for opener in self.openers.all if rest.startswith(opener)), None)


_PLAIN = Pairs({opener: (closer, *MORE_CLOSERS.get(opener, ())) for opener, closer in PAIRS.items()})


class Think:
    """The family: its openers, and a reader for the thought behind one.

    Args:
        name: `think`, or the family that thinks between other tags, too, where it is named.
        pairs: the tags.
    """

    anywhere = False
    unmistakable = True
    thinks = False
    when_named: tuple[Family, ...] = ()

    def __init__(self, name: str = "think", pairs: Pairs = _PLAIN) -> None:
        self.name = name
        self.openers = pairs.openers.all
        self._pairs = pairs

    def wanted(self, settings: Settings, /) -> bool:
        """Whether reasoning is to be taken out of text."""
        return settings.parse_reasoning

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest`, at a place where a block may begin, opens a thought; None while it may still."""
        del settings
        return None if self._pairs.openers.may_start(rest) else self._pairs.opener_of(rest) is not None

    def reader(self, settings: Settings, /) -> Thought:
        """A reader of one thought."""
        del settings
        return Thought(self._pairs)


class Thought:
    """Reads one thought to its closer, its opener included.

    The opener may stand in the text, or in the prompt: then any closer ends the thought.

    Args:
        pairs: the tags of an opener that stands in the text.
        endless: the engine itself told the thought apart, so that no tag begins or ends it.
    """

    __slots__ = ("_at_start", "_calls", "_closers", "_may_open", "_pairs", "_run")

    def __init__(self, pairs: Pairs = _PLAIN, *, endless: bool = False) -> None:
        self._pairs = pairs
        self._calls = NO_TAGS
        self._closers = NO_TAGS if endless else _PROMPTED
        self._run = Run(Kind.REASONING, self._closers, self._closers)
        self._may_open = self._at_start = not endless

    def watch(self, calls: Tags) -> None:
        """Stop at these tags too: one may open a tool call, which the splitter decides."""
        self._calls = calls
        self._run.stop_at(both(self._closers, calls), self._closers)

    @property
    def run(self) -> Run | None:
        """The run of its reasoning, once that has begun."""
        return None if self._at_start else self._run

    def say(self, text: str, out: list[Span]) -> None:
        """Take text into the thought."""
        self._run.say(text, out)

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on. At what may open a call, the scanner stands at the white space before it."""
        if self._at_start and not self._begin(scanner, out):
            return Control.MORE
        found = self._run.to_tag(scanner, out)
        if found is None:
            return Control.MORE
        space, tag = found
        if tag not in self._closers.all:
            scanner.position -= len(space) + len(tag)
            return Control.ASK
        out += [spans.markup(space + tag), spans.BLOCK_END]
        return Control.OVER

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the thought: what was held is reasoning, cut tags and white space included."""
        out.append(spans.reasoning(scanner.take_all()))
        return False

    def copy(self) -> Thought:
        """An independent reader in the same state."""
        copied = twin(self)
        copied._run = self._run.copy()
        return copied

    def _begin(self, scanner: Scanner, out: list[Span]) -> bool:
        """Take the opener and the white space beside it; whether the thought itself has begun."""
        if space := scanner.take_space():
            out.append(spans.markup(space))
        if not len(scanner):
            return False
        if self._may_open:
            rest = scanner.peek(self._pairs.longest)
            if self._pairs.openers.may_start(rest):
                return False
            opener = self._pairs.opener_of(rest)
            self._may_open = False
            if opener is not None:
                self._closers = self._pairs.closers[opener]
                self.watch(self._calls)
                out.append(spans.markup(scanner.take(len(opener))))
                return self._begin(scanner, out)
        self._at_start = False
        return True
