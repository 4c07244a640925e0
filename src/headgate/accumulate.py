"""Events -> messages, one for each choice.

Strategy: fragments are kept in lists and joined once, on read; a message can be asked for at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable

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
_Part = TextDelta | ReasoningDelta | ToolCallDelta | BlockEnd | ReasoningSignature


class Accumulator:
    """Gathers one response's events.

    Feed it events one by one, then read `message` (choice 0) or `messages` (every choice); both are
    valid at any moment, and a call whose end has not come counts as incomplete.
    """

    def __init__(self) -> None:
        self._choices: dict[int, _Gathered] = {}
        self._usage: Usage | None = None
        self._error: StreamError | None = None
        self._early: list[Repair] = []

    def feed(self, event: Event, /) -> None:
        """Take one event."""
        match event:
            case Usage():
                self._usage = event
            case StreamError():
                self._error = event
            case MessageStart():
                self._choices[event.choice] = _Gathered(event, self._early)
                self._early = []
            case Repair() if event.choice not in self._choices:
                self._early.append(event)
            case _ if (gathered := self._choices.get(getattr(event, "choice", -1))) is not None:
                gathered.feed(event)
            case _:
                pass  # progress, and events of choices that never began, add nothing to a message

    def feed_all(self, events: Iterable[Event], /) -> None:
        """Take events in order."""
        for event in events:
            self.feed(event)

    @property
    def message(self) -> Message:
        """The message of choice 0 (of the lowest choice there is)."""
        return self.messages[0]

    @property
    def messages(self) -> tuple[Message, ...]:
        """The message of every choice, in order of their numbers; one empty message if none began."""
        if not self._choices:
            return (Message(usage=self._usage, error=self._error, repairs=tuple(self._early)),)
        return tuple(self._choices[number].message(self._usage, self._error) for number in sorted(self._choices))


class _Block:
    """One block: its start, and its fragments."""

    def __init__(self, start: TextStart | ReasoningStart | ToolCallStart) -> None:
        self.start = start
        self.fragments: list[str] = []
        self.complete = False
        self.moved = False
        self.signature: str | None = None

    @property
    def is_thought(self) -> bool:
        return self.moved or isinstance(self.start, ReasoningStart)

    def part(self) -> ContentPart:
        text = "".join(self.fragments)
        start = self.start
        if isinstance(start, ToolCallStart):
            return ToolCallPart(ToolCall(start.call_id, start.name, text, self.complete))
        if isinstance(start, ReasoningStart):
            return ReasoningPart(text, start.summary, self.signature)
        return ReasoningPart(text) if self.moved else TextPart(text, start.refusal)


class _Gathered:
    """One choice's events so far."""

    def __init__(self, start: MessageStart, repairs: list[Repair]) -> None:
        self.start = start
        self.end: MessageEnd | None = None
        self.blocks: dict[int, _Block] = {}
        self.logprobs: list[tuple[_Block, Logprob]] = []
        self.annotations: list[Annotation] = []
        self.extras: list[Extra] = []
        self.repairs = repairs

    def feed(self, event: Event) -> None:
        match event:
            case TextDelta() | ReasoningDelta() | ToolCallDelta() | BlockEnd() | ReasoningSignature():
                # A stored stream may begin in the middle; what began before it is not there to go on with.
                if (block := self.blocks.get(event.index)) is not None:
                    self._continue(block, event)
            case TextStart() | ReasoningStart() | ToolCallStart():
                self.blocks[event.index] = _Block(event)
            case Repair():
                self._repair(event)
            case Annotation():
                self.annotations.append(event)
            case Extra():
                self.extras.append(event)
            case MessageEnd():
                self.end = event
            case _:
                pass  # response-wide events never come here

    def _continue(self, block: _Block, event: _Part) -> None:
        match event:
            case TextDelta() | ReasoningDelta():
                block.fragments.append(event.text)
                self.logprobs += [(block, one) for one in event.logprobs]
            case ToolCallDelta():
                block.fragments.append(event.json)
            case BlockEnd():
                block.complete = event.complete
            case ReasoningSignature():
                block.signature = event.data

    def _repair(self, repair: Repair) -> None:
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
            logprobs=tuple(one for _, one in self.logprobs),
            answer_logprobs=tuple(one for block, one in self.logprobs if not block.is_thought),
            annotations=tuple(self.annotations),
            extras=tuple(self.extras),
            repairs=tuple(self.repairs),
            error=error if end is None else None,
        )
