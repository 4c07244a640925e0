"""Events -> messages, one for each choice.

Strategy: fragments are kept in lists and joined once, on read; a message can be asked for at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from headgate.events import (
    Annotation,
    BlockEnd,
    Event,
    Extra,
    Logprob,
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
from headgate.messages import ContentPart, Message, ReasoningPart, TextPart, ToolCall, ToolCallPart

_MOVED = "reasoning_unopened"


class Accumulator:
    """Gathers one response's events.

    Feed it events one by one, then read `message` (choice 0) or `messages` (every choice); both are
    valid at any moment, and a call whose end has not come counts as incomplete.
    """

    error: StreamError | None = None
    """The failure that ended every choice without an end of its own."""

    _usage: Usage | None = None

    def __init__(self) -> None:
        self._choices: dict[int, _Gathered] = {}
        self._early: list[Repair] = []

    def feed(self, event: Event, /) -> None:
        """Take one event."""
        match event:
            case Usage():
                self._usage = event
            case StreamError():
                self.error = event
            case MessageStart():
                self._choices[event.choice] = _Gathered(event, self._early)
                self._early = []
            case Progress():
                pass  # it adds nothing to a message
            case _:
                gathered = self._choices.get(event.choice)
                if gathered is not None:
                    _TAKES[type(event)](gathered, event)
                elif isinstance(event, Repair):
                    self._early.append(event)  # any other event of a choice that never began is nobody's

    def feed_all(self, events: Iterable[Event], /) -> None:
        """Take events in order."""
        for event in events:
            self.feed(event)

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
        return tuple(self._choices[number].message(self._usage, self.error) for number in sorted(self._choices))


class _Block:
    """One block: its start, and its fragments."""

    complete = False
    moved = False
    signature: str | None = None

    def __init__(self, start: TextStart | ReasoningStart | ToolCallStart) -> None:
        self.start = start
        self.fragments: list[str] = []
        self.logprobs: list[Logprob] = []

    def part(self) -> ContentPart:
        text = "".join(self.fragments)
        start, logprobs = self.start, tuple(self.logprobs)
        if isinstance(start, ToolCallStart):
            return ToolCallPart(ToolCall(start.call_id, start.name, text, self.complete))
        if isinstance(start, ReasoningStart):
            return ReasoningPart(text, start.summary, self.signature, logprobs=logprobs)
        return ReasoningPart(text, logprobs=logprobs) if self.moved else TextPart(text, start.refusal, logprobs)


class _Gathered:
    """One choice's events so far."""

    end: MessageEnd | None = None

    def __init__(self, start: MessageStart, repairs: list[Repair]) -> None:
        self.start = start
        self.blocks: dict[int, _Block] = {}
        self.annotations: list[Annotation] = []
        self.extras: list[Extra] = []
        self.repairs = repairs

    # A stored stream may begin in the middle; a block that began before it is not there to go on with.

    def text(self, event: TextDelta | ReasoningDelta) -> None:
        if (block := self.blocks.get(event.index)) is not None:
            block.fragments.append(event.text)
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
            parts=tuple(block.part() for _, block in sorted(self.blocks.items())),
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
