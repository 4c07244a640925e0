"""A choice's text and reasoning, with what markup stands in them -> blocks.

Strategy: what the splitter finds becomes blocks as if the engine had told them apart, each with a repair. A block
that the engine itself told apart decides first what is held: otherwise a held `<` would surface after a later call.
Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

from headgate.dialects.blocks import Blocks
from headgate.dialects.choice import Choice
from headgate.events import ReasoningDelta, TextDelta
from headgate.markup.family import Settings
from headgate.markup.plain import ANY_FLOW, Flow
from headgate.markup.spans import Kind, Span
from headgate.markup.splitter import Splitter


class Rescue(Blocks):
    """Writes blocks out of text that may hold markup."""

    __slots__ = ()

    def flow(self, delta: TextDelta | ReasoningDelta) -> Flow | None:
        """The text that goes on with deltas like this; None if none does."""
        choice = self._goes_on(delta)
        if choice is None:
            return None
        splitter = choice.told or choice.splitter
        return ANY_FLOW if splitter is None else splitter.flow(_KINDS[type(delta)])

    def _goes_on(self, delta: TextDelta | ReasoningDelta) -> Choice | None:
        """The choice of a delta whose block is open, and that has nothing to add to it."""
        choice = self._choices.get(delta.choice)
        if self.done or choice is None or choice.logprobs or choice.open_index != delta.index:
            return None
        return choice if choice.open_kind == _KINDS[type(delta)].value else None

    def _spans(self, choice: Choice, spans: list[Span], *, told: bool = False, cut: bool = False) -> None:
        found_by = "call_from_text"
        for kind, raw, value, call_id in choice.hold_calls(spans) if self._reading.whole_calls else spans:
            match kind:
                case Kind.TEXT:
                    self._text(choice, value)
                case Kind.REASONING:
                    if choice.open_kind != "reasoning" and not told:
                        self._rescued(choice, "reasoning_from_text", choice.next_index)
                    self._reasoning(choice, value)
                case Kind.MARKUP:
                    self.repair("markup_removed", raw if self._reading.verbose else "", choice.number)
                case Kind.BLOCK_END:
                    self._close_block(choice)
                case Kind.CALL:
                    self._rescued(choice, found_by, choice.next_index, raw if self._reading.verbose else "")
                    self._call_start(choice, _MARKUP_CALL, value, call_id or None)
                case Kind.ARGUMENTS if value and _MARKUP_CALL in choice.calls:
                    self._call_arguments(choice, choice.calls[_MARKUP_CALL], value)
                case Kind.CALL_END if _MARKUP_CALL in choice.calls:
                    self._end_call(choice, _MARKUP_CALL, cut=cut)
                case Kind.REPAIR if value == _BARE:
                    found_by = value  # of the calls that follow: nothing but their place told them
                case Kind.REPAIR:
                    self._rescued(choice, value, choice.open_index if choice.open_kind == "text" else None)
                case Kind.ARGUMENTS | Kind.CALL_END:
                    pass  # it says nothing, or there was no room left to start the call, and the response is failing
            if self.done:
                return

    def _interrupt_told(self, choice: Choice) -> None:
        """Something else follows reasoning that the engine told apart: what it held was reasoning."""
        told, choice.told = choice.told, None
        if told is not None:
            self._spans(choice, told.interrupt(), told=True)

    def _interrupt(self, choice: Choice, *, keep_block: bool = False) -> None:
        self._interrupt_told(choice)
        if choice.splitter is not None and not (keep_block and not choice.splitter.holds):
            self._spans(choice, choice.splitter.interrupt())

    def _splitter(self, *, told: bool = False) -> Splitter | None:
        reading = self._reading
        if not reading.families.chosen:
            return None
        settings = Settings(
            reading.tools, reading.parse_reasoning, reading.parse_tools, reading.limits, reading.families.named
        )
        return Splitter(reading.families, settings, starts_in_reasoning=reading.starts_in_reasoning, told=told)


_KINDS = {TextDelta: Kind.TEXT, ReasoningDelta: Kind.REASONING}
_BARE = "call_from_bare_json"
_MARKUP_CALL = object()
"""The key of the call that the splitter has open; markup opens one at a time."""
