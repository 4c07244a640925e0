"""The blocks of a response: opened, numbered and closed in the grammar.

Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.dialects.choice import Call, Choice
from headgate.errors import stream_error
from headgate.events import (
    BlockEnd,
    Event,
    ReasoningDelta,
    ReasoningStart,
    Repair,
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
)

if TYPE_CHECKING:
    from headgate.dialects.base import Reading


class Blocks:
    """Writes the blocks of one response's choices: the grammar's rules, whatever the order of the calls.

    A block is open only until the response is done, so that what goes into one need not ask for that.
    """

    __slots__ = ("_choices", "_events", "_reading", "_told", "done")

    def __init__(self, reading: Reading) -> None:
        self.done = False
        self._reading = reading
        self._events: list[Event] = []
        self._choices: dict[int, Choice] = {}
        self._told: tuple[str, ...] = ()  # the repairs' codes; there are few, and most responses need one or none

    def take(self) -> list[Event]:
        """Return the events written since the last `take`."""
        events, self._events = self._events, []
        return events

    def fail(self, error: StreamError) -> None:
        """The response failed."""
        raise NotImplementedError

    def repair(self, code: str, detail: str = "", number: int = 0) -> None:
        """Report a repair of a quirk, once per response (or, to a reader who wants to hear each, each time)."""
        if code in self._told or self.done:
            return
        if not self._reading.verbose:
            self._told += (code,)
        self._events.append(Repair(code, detail, None, number))

    def _rescued(self, choice: Choice, code: str, index: int | None, detail: str = "") -> None:
        self._emit(Repair(code, detail, index, choice.number))

    def _text(self, choice: Choice, text: str) -> None:
        if not text:
            return
        if choice.open_kind != "text":
            self._open(choice, "text", TextStart(choice.next_index, False, choice.number))
        if choice.open_kind == "text":
            logprobs = choice.take_logprobs() if choice.logprobs else ()
            self._events.append(TextDelta(choice.open_index, text, logprobs, choice.number))

    def _reasoning(self, choice: Choice, text: str) -> None:
        if choice.open_kind != "reasoning":
            self._open(choice, "reasoning", ReasoningStart(choice.next_index, False, choice.number))
        if choice.open_kind == "reasoning":
            logprobs = choice.take_logprobs() if choice.logprobs else ()
            self._events.append(ReasoningDelta(choice.open_index, text, logprobs, choice.number))

    def _logprobs_alone(self, choice: Choice) -> None:
        # They belong to tokens that gave no text (a stop token, half a character): an empty delta of the
        # block that is open, or else they wait for the next one.
        if choice.logprobs and choice.open_kind == "text":
            self._emit(TextDelta(choice.open_index, "", choice.take_logprobs(), choice.number))
        elif choice.logprobs and choice.open_kind == "reasoning":
            self._emit(ReasoningDelta(choice.open_index, "", choice.take_logprobs(), choice.number))

    def _open(self, choice: Choice, kind: str, start: TextStart | ReasoningStart) -> None:
        """Open a block; where there is no room left, none is open afterwards."""
        if choice.open_kind:
            self._close_block(choice)
        if self._has_room(choice):
            choice.open_kind, choice.open_index = kind, choice.next_index
            choice.next_index += 1
            self._events.append(start)

    def _close_block(self, choice: Choice) -> None:
        if choice.open_kind:
            self._emit(BlockEnd(choice.open_index, True, choice.number))
            choice.open_kind = ""

    def _call_start(self, choice: Choice, key: object, name: str, call_id: str | None) -> None:
        self._close_block(choice)
        if not self._has_room(choice):
            return
        call_id, repair = choice.unique_id(call_id, self._reading.ids)
        if repair:
            self.repair(repair, call_id, choice.number)
        call = choice.calls[key] = Call(choice.next_index)
        choice.next_index += 1
        self._emit(ToolCallStart(call.index, call_id, name, choice.number))

    def _call_arguments(self, choice: Choice, call: Call, json: str) -> None:
        call.fragments.append(json)
        call.size += len(json)
        if call.size > self._reading.limits.arguments_chars_max:
            self._too_many("characters of arguments", self._reading.limits.arguments_chars_max)
            return
        self._emit(ToolCallDelta(call.index, json, choice.number))

    def _end_call(self, choice: Choice, key: object, *, cut: bool = False) -> None:
        call = choice.calls.pop(key)
        if not call.fragments and not cut:
            self.repair("arguments_defaulted", "", choice.number)
            self._call_arguments(choice, call, "{}")
        complete = not cut and call.is_whole()
        choice.whole_calls += complete
        self._emit(BlockEnd(call.index, complete, choice.number))

    def _has_room(self, choice: Choice) -> bool:
        if choice.next_index < self._reading.limits.blocks_max:
            return not self.done
        self._too_many("blocks", self._reading.limits.blocks_max)
        return False

    def _too_many(self, what: str, most: int) -> None:
        self.fail(stream_error("too_many_choices", f"expected at most {most:,} {what} in a response, got more."))

    def _emit(self, event: Event) -> None:
        if not self.done:
            self._events.append(event)
