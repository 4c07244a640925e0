"""Which ratios between cases must hold, on any machine: a change that makes one way dearer than its neighbour fails.

The bounds are about half as much again as what was measured, so that a busy machine does not fail them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bench.micro.cases import COALESCED, SURFACES, chunk_name, whole_name


class Gate(NamedTuple):
    """A case that costs at most so many times what another costs."""

    what: str
    case: str
    against: str
    at_most: float

    def ratio(self, times_us: Mapping[str, float]) -> float:
        """What was measured."""
        return times_us[self.case] / times_us[self.against]

    def holds(self, times_us: Mapping[str, float]) -> bool:
        """Whether it is within its bound."""
        return self.ratio(times_us) <= self.at_most


def gates() -> Iterator[Gate]:
    """Every ratio that must hold."""
    for per_read in (1, COALESCED):
        chat = chunk_name("openai", "chat", per_read=per_read)
        off = chunk_name("openai", "chat", markup="off", per_read=per_read)
        shape = f"{per_read} in a read"
        yield Gate(f"markup on, against off, {shape}", chat, off, 1.3 if per_read == 1 else 1.6)
        yield Gate(f"the shortcut, against the whole way, {shape}", chat, whole_name(per_read), 0.6)
        yield Gate(f"Ollama's lines, against SSE, {shape}", chunk_name("ollama", "chat", per_read=per_read), chat, 1.5)
        for name in SURFACES:
            if name != "chat":
                case = chunk_name("openai", name, per_read=per_read)
                yield Gate(f"surface {name}, against chat, {shape}", case, chat, 1.5)
    yield Gate("request, markup on, against off", "request, short", "request, short, markup off", 2.0)
    yield Gate("request, to Ollama, against OpenAI", "request, short, to ollama", "request, short", 2.0)
    yield Gate("request, 10 tools, against none", "request, 10 tools", "request, short", 6.0)


def failing(times_us: Mapping[str, float]) -> list[Gate]:
    """The gates that do not hold."""
    return [one for one in gates() if not one.holds(times_us)]
