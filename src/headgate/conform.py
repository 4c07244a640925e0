"""The stream contract as code: the events' grammar, and each surface's bytes.

Strategy: a checker collects every breach as a sentence, so that a report shows all of them. Production
streams conform by construction; these run on every golden, on the live gateway in the tests, and wherever
somebody wants to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headgate.conform_anthropic import check_anthropic
from headgate.conform_chat import check_chat
from headgate.conform_completions import check_completions
from headgate.conform_ollama import check_ollama, check_ollama_generate
from headgate.errors import CODES as ERROR_CODES
from headgate.errors import UsageError
from headgate.events import (
    Annotation,
    BlockEnd,
    Event,
    Extra,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningDelta,
    ReasoningSignature,
    ReasoningStart,
    Repair,
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.repairs import CODES

_Breach = Callable[[str], None]
_CHECKERS = {
    "anthropic": check_anthropic,
    "chat": check_chat,
    "completions": check_completions,
    "ollama": check_ollama,
    "ollama_generate": check_ollama_generate,
}


def check_events(events: Iterable[Event], /, *, whole: bool = True) -> list[str]:
    """Return every breach of the grammar in `docs/events.md`; an empty list means that it holds.

    Args:
        events: one response's events in order.
        whole: whether the response is over, so that its terminal must be there.
    """
    grammar = _Grammar()
    for number, event in enumerate(events):
        grammar.event(number, event)
    if whole:
        grammar.close()
    return grammar.breaches


def check_stream(data: bytes, surface: str = "chat") -> list[str]:
    """Return every breach of a surface's contract in the bytes of one streamed response.

    Raises:
        UsageError: if there is no checker for this surface.
    """
    if surface not in _CHECKERS:
        raise UsageError(f"expected a surface among {sorted(_CHECKERS)}, got {surface!r}")
    return _CHECKERS[surface](data)


_Start = TextStart | ReasoningStart | ToolCallStart
_Delta = TextDelta | ReasoningDelta | ReasoningSignature | ToolCallDelta | Annotation
_DELTA_OF: dict[type[_Delta], str] = {
    TextDelta: "text",
    ReasoningDelta: "reasoning",
    ReasoningSignature: "reasoning",
    ToolCallDelta: "tool_call",
    Annotation: "text",
}
_KIND_OF: dict[type[_Start], str] = {TextStart: "text", ReasoningStart: "reasoning", ToolCallStart: "tool_call"}


class _Open:
    """One choice: its open blocks by index, and whether it is over."""

    def __init__(self) -> None:
        self.blocks: dict[int, str] = {}
        self.next_index = 0
        self.call_ids: set[str] = set()
        self.ended = False


class _Grammar:
    """Follows one response."""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.choices: dict[int, _Open] = {}
        self.failed = False

    def event(self, number: int, event: Event) -> None:
        def breach(sentence: str) -> None:
            self.breaches.append(f"event {number} ({type(event).__struct_config__.tag}): {sentence}")

        if self.failed:
            breach("follows an error")
        elif isinstance(event, StreamError):
            self.failed = True
            if event.code not in ERROR_CODES:
                breach(f"unknown error {event.code!r}")
            if self.choices and all(choice.ended for choice in self.choices.values()):
                breach("comes after every choice has ended")
        elif isinstance(event, MessageStart):
            if event.choice in self.choices:
                breach("starts a choice twice")
            self.choices[event.choice] = _Open()
        elif isinstance(event, Usage | Progress):
            if self.choices and all(choice.ended for choice in self.choices.values()):
                breach("comes after the end")
        elif isinstance(event, Repair) and event.choice not in self.choices:
            if event.code not in CODES:
                breach(f"unknown repair {event.code!r}")
        else:
            self._in_choice(event, breach)

    def _in_choice(self, event: Event, breach: _Breach) -> None:
        choice = self.choices.get(getattr(event, "choice", 0))
        if choice is None:
            breach("belongs to a choice that has not started")
        elif choice.ended:
            breach("follows the end of its choice")
        elif isinstance(event, _Start):
            self._start(choice, event, breach)
        elif isinstance(event, _Delta):
            self._delta(choice, event, breach)
        elif isinstance(event, BlockEnd):
            if choice.blocks.pop(event.index, None) is None:
                breach(f"ends block {event.index}, which is not open")
        elif isinstance(event, MessageEnd):
            choice.ended = True
            if choice.blocks:
                breach(f"comes while blocks {sorted(choice.blocks)} are open")
        elif isinstance(event, Repair) and event.code not in CODES:
            breach(f"unknown repair {event.code!r}")
        elif not isinstance(event, Repair | Extra):
            breach("is no event of a choice")

    def _start(self, choice: _Open, event: _Start, breach: _Breach) -> None:
        index = event.index
        if index != choice.next_index:
            breach(f"has index {index}, expected {choice.next_index}")
        choice.next_index = index + 1
        kind = _KIND_OF[type(event)]
        if kind != "tool_call" and any(open_kind != "tool_call" for open_kind in choice.blocks.values()):
            breach("opens while another text or reasoning block is open")
        choice.blocks[index] = kind
        if isinstance(event, ToolCallStart):
            if not event.call_id or event.call_id in choice.call_ids:
                breach(f"has the call id {event.call_id!r}, which is empty or taken")
            choice.call_ids.add(event.call_id)

    def _delta(self, choice: _Open, event: _Delta, breach: _Breach) -> None:
        index = event.index
        if choice.blocks.get(index) != _DELTA_OF[type(event)]:
            breach(f"names block {index}, which is no open {_DELTA_OF[type(event)]} block")
        if isinstance(event, TextDelta | ReasoningDelta) and not event.text and not event.logprobs:
            breach("is empty")
        if isinstance(event, ToolCallDelta) and not event.json:
            breach("is empty")

    def close(self) -> None:
        """The response is over."""
        open_choices = [number for number, choice in self.choices.items() if not choice.ended]
        if open_choices and not self.failed:
            self.breaches.append(f"the end: choices {open_choices} have no end")
        if not self.choices and not self.failed:
            self.breaches.append("the end: nothing started and nothing failed")
