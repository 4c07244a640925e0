"""`Here is my thought process: … Here is my response: …` -> reasoning spans (Granite 3.2).

Strategy: the sentences are plain prose, so they count only where the caller names the family, the first of them at a
place where a block may begin, and the second behind it, outside code.
Spec: the chat template of ibm-granite/granite-3.2-8b-instruct; vLLM reasoning/granite_reasoning_parser.py.
"""

from __future__ import annotations

from headgate.markup import spans
from headgate.markup.family import Control, Family, Settings
from headgate.markup.readers.calls import begins
from headgate.markup.run import Run
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Kind, Span

_OPENERS = tags("Here is my thought process:", "Here's my thought process:")
_CLOSERS = tags("Here is my response:", "Here's my response:")


class ProseThoughts:
    """The family of such thoughts.

    Args:
        name: the name of the family that they go with.
    """

    openers = _OPENERS.all
    anywhere = False
    unmistakable = False
    thinks = False
    when_named: tuple[Family, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def wanted(self, settings: Settings, /) -> bool:
        """Whether reasoning is to be taken out of text."""
        return settings.parse_reasoning

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with the first sentence; None while it may still."""
        del settings
        return begins(rest, self.openers)

    def reader(self, settings: Settings, /) -> ProseThought:
        """A reader of one thought."""
        del settings
        return ProseThought()


class ProseThought:
    """Reads one thought to the sentence that ends it."""

    def __init__(self) -> None:
        self._run = Run(Kind.REASONING, _CLOSERS)
        self._opened = self._begun = False

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on."""
        if not self._begun and not self._begin(scanner, out):
            return Control.MORE
        found = self._run.to_tag(scanner, out)
        if found is None:
            return Control.MORE
        out += [spans.markup("".join(found)), spans.BLOCK_END]
        return Control.OVER

    def _begin(self, scanner: Scanner, out: list[Span]) -> bool:
        """Take the first sentence and the white space behind it; whether the thought has begun."""
        opener = "" if self._opened else next(opener for opener in _OPENERS.all if scanner.starts(opener))
        self._opened = True
        taken = scanner.take(len(opener)) + scanner.take_space()
        if taken:
            out.append(spans.markup(taken))
        self._begun = bool(len(scanner))
        return self._begun

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends inside the thought: what was held is reasoning."""
        out.append(spans.reasoning(scanner.take_all()))
        return False

    def copy(self) -> ProseThought:
        """An independent reader in the same state."""
        twin = ProseThought.__new__(ProseThought)
        twin.__dict__.update(self.__dict__)
        twin._run = self._run.copy()
        return twin
