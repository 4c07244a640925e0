"""Events -> messages, one for each choice.

Strategy: fragments are kept in lists and joined once, on read; a message can be asked for at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from headgate.events import (
    Annotation,
    BlockEnd,
    Event,
    Extra,
    Logprob,
    MessageEnd,
    MessageStart,
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
from headgate.messages import ContentPart, Message, ReasoningPart, TextPart, ToolCall, ToolCallPart

_MOVED = "reasoning_unopened"


class Accumulator:
    """Gathers one response's events.

    Feed it events one by one, then read `message` (choice 0) or `messages` (every choice); both are
    valid at any moment, and a call whose end has not come counts as incomplete.
    """

    __slots__ = ("_choices", "_early", "_usage", "error")

    def __init__(self) -> None:
        self.error: StreamError | None = None
        """The failure that ended every choice without an end of its own."""
        self._usage: Usage | None = None
        self._choices: dict[int, _Gathered] = {}
        self._early: list[Repair] = []

    def feed(self, event: Event, /) -> None:
        """Take one event."""
        self.feed_all((event,))

    def feed_all(self, events: Iterable[Event], /) -> None:
        """Take events in order."""
        choices = self._choices
        for event in events:
            take = _TAKES.get(type(event))
            if take is None:
                self._take(event)
            elif (gathered := choices.get(event.choice)) is not None:  # type: ignore[union-attr]  # `_TAKES` knows
                take(gathered, event)
            elif isinstance(event, Repair):
                self._early.append(event)  # any other event of a choice that never began is nobody's

    def _take(self, event: Event) -> None:
        """Take an event that is no choice's, or begins one."""
        match event:
            case MessageStart():
                self._choices[event.choice] = _Gathered(event, self._early)
                self._early = []
            case Usage():
                self._usage = event
            case StreamError():
                self.error = event
            case _:
                pass  # progress adds nothing to a message

    @property
    def ended(self) -> bool:
        """Whether a message began, and every one that did has its end."""
        for gathered in self._choices.values():
            if gathered.end is None:
                return False
        return bool(self._choices)

    @property
    def message(self) -> Message:
        """The message of choice 0 (of the lowest choice there is)."""
        return self.messages[0]

    @property
    def messages(self) -> tuple[Message, ...]:
        """The message of every choice, in order of their numbers; one empty message if none began."""
        if not self._choices:
            return (Message(usage=self._usage, error=self.error, repairs=tuple(self._early)),)
        gathered = [self._choices[number] for number in sorted(self._choices)]
        return tuple([one.message(self._usage, self.error) for one in gathered])


class _Block(Struct, eq=False, gc=False):
    """One block: its start, and its fragments."""

    start: TextStart | ReasoningStart | ToolCallStart
    complete: bool = False
    moved: bool = False
    signature: str | None = None
    fragments: list[str] = []
    logprobs: list[Logprob] = []

    def part(self) -> ContentPart:
        """What the block comes to."""
        text = "".join(self.fragments)
        start, logprobs = self.start, tuple(self.logprobs)
        if isinstance(start, TextStart) and not self.moved:
            return TextPart(text, start.refusal, logprobs)
        if isinstance(start, ToolCallStart):
            return ToolCallPart(ToolCall(start.call_id, start.name, text, self.complete))
        if isinstance(start, ReasoningStart):
            return ReasoningPart(text, start.summary, self.signature, logprobs=logprobs)
        return ReasoningPart(text, logprobs=logprobs)


class _Gathered(Struct, eq=False, gc=False):
    """One choice's events so far."""

    start: MessageStart
    repairs: list[Repair]
    end: MessageEnd | None = None
    blocks: dict[int, _Block] = {}
    annotations: list[Annotation] = []
    extras: list[Extra] = []

    # A stored stream may begin in the middle; a block that began before it is not there to go on with.

    def text(self, event: TextDelta | ReasoningDelta) -> None:
        if (block := self.blocks.get(event.index)) is not None:
            block.fragments.append(event.text)
            if event.logprobs:
                block.logprobs += event.logprobs

    def arguments(self, event: ToolCallDelta) -> None:
        if (block := self.blocks.get(event.index)) is not None:
            block.fragments.append(event.json)

    def signature(self, event: ReasoningSignature) -> None:
        if (block := self.blocks.get(event.index)) is not None:
            block.signature = event.data

    def block_end(self, event: BlockEnd) -> None:
        if (block := self.blocks.get(event.index)) is not None:
            block.complete = event.complete

    def block_start(self, event: TextStart | ReasoningStart | ToolCallStart) -> None:
        self.blocks[event.index] = _Block(event)

    def annotation(self, event: Annotation) -> None:
        self.annotations.append(event)

    def extra(self, event: Extra) -> None:
        self.extras.append(event)

    def message_end(self, event: MessageEnd) -> None:
        self.end = event

    def repair(self, repair: Repair) -> None:
        self.repairs.append(repair)
        if repair.code == _MOVED and repair.index in self.blocks:
            self.blocks[repair.index].moved = True

    def message(self, usage: Usage | None, error: StreamError | None) -> Message:
        end = self.end
        return Message(
            parts=tuple([block.part() for _, block in sorted(self.blocks.items())]),
            id=self.start.id,
            model=self.start.model,
            created_s=self.start.created_s,
            choice=self.start.choice,
            finish_reason=end.reason if end else None,
            raw_reason=end.raw_reason if end else None,
            stop_sequence=end.stop_sequence if end else None,
            usage=usage,
            annotations=tuple(self.annotations),
            extras=tuple(self.extras),
            repairs=tuple(self.repairs),
            error=error if end is None else None,
        )


_TAKES: dict[type[Event], Callable[[_Gathered, Any], None]] = {  # each takes the events that it stands beside
    TextDelta: _Gathered.text,
    ReasoningDelta: _Gathered.text,
    ToolCallDelta: _Gathered.arguments,
    ReasoningSignature: _Gathered.signature,
    BlockEnd: _Gathered.block_end,
    TextStart: _Gathered.block_start,
    ReasoningStart: _Gathered.block_start,
    ToolCallStart: _Gathered.block_start,
    Annotation: _Gathered.annotation,
    Extra: _Gathered.extra,
    Repair: _Gathered.repair,
    MessageEnd: _Gathered.message_end,
}
