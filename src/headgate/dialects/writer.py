"""Decoded pieces of a response -> events in the grammar; the only producer of it.

Strategy: a decoder says what came (text, reasoning, fragments of calls, a finish word) and the writer
opens, numbers and closes the blocks, so that no decoder can emit a malformed stream. Text runs through
the markup splitter here, because a structured block must flush held text first: otherwise a held `<`
would surface after a later tool call.
Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.dialects.choice import Call, Choice
from headgate.dialects.finish import decide
from headgate.errors import stream_error
from headgate.events import (
    BlockEnd,
    Event,
    Extra,
    Logprob,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningDelta,
    ReasoningStart,
    Repair,
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.markup.family import Settings
from headgate.markup.spans import Kind, Span
from headgate.markup.splitter import Splitter

if TYPE_CHECKING:
    from headgate.dialects.base import Reading


class BlockWriter:
    """Writes one response's events. `take()` returns what has been written since the last time."""

    def __init__(self, reading: Reading) -> None:
        self.done = False
        self._failing = False
        self._reading = reading
        self._events: list[Event] = []
        self._choices: dict[int, Choice] = {}
        self._usage: dict[int, Usage] = {}
        self._told: set[str] = set()

    def take(self) -> list[Event]:
        """Return the events written since the last `take`."""
        events, self._events = self._events, []
        return events

    def copy(self) -> BlockWriter:
        """An independent writer in the same state, with nothing to take."""
        twin = BlockWriter.__new__(BlockWriter)
        twin.__dict__.update(self.__dict__)
        twin._events = []
        twin._choices = {number: choice.copy() for number, choice in self._choices.items()}
        twin._usage, twin._told = self._usage.copy(), self._told.copy()
        return twin

    @property
    def finished(self) -> bool:
        """Whether at least one choice began and each has its finish reason."""
        return bool(self._choices) and all(choice.finish is not None for choice in self._choices.values())

    @property
    def started(self) -> bool:
        """Whether any choice began."""
        return bool(self._choices)

    # -- what came from the engine ------------------------------------------------------------------

    def start(
        self,
        number: int = 0,
        *,
        id: str | None = None,  # noqa: A002 - the field's name everywhere
        model: str | None = None,
        created_s: int | None = None,
        vendor: str | None = None,
    ) -> None:
        """Begin a choice, unless it has begun."""
        if number in self._choices or self.done:
            return
        if len(self._choices) >= self._reading.limits.choices_max:
            self._too_many("choices", self._reading.limits.choices_max)
            return
        self._choices[number] = Choice(number, self._splitter())
        self._events.append(MessageStart(id, model, created_s, vendor, number))

    def text(self, text: str, number: int = 0, logprobs: tuple[Logprob, ...] = ()) -> None:
        """Text of the message; it may hold markup. Empty text only brings its log probabilities."""
        choice = self._choice(number)
        if choice is None:
            return
        choice.logprobs += logprobs
        if choice.splitter is None:
            self._text(choice, text)
        elif text:
            self._spans(choice, choice.splitter.feed(text))
        if logprobs and not text:
            self._logprobs_alone(choice)

    def reasoning(self, text: str, number: int = 0, logprobs: tuple[Logprob, ...] = ()) -> None:
        """Reasoning that the engine itself told apart."""
        choice = self._choice(number)
        if choice is None or not text:
            return
        self._interrupt(choice)
        choice.logprobs += logprobs
        self._reasoning(choice, text)

    def refusal(self, text: str, number: int = 0) -> None:
        """Text with which the model declines."""
        choice = self._choice(number)
        if choice is None or not text:
            return
        self._interrupt(choice)
        if choice.open_kind != "refusal":
            self._open(choice, "refusal", TextStart(choice.next_index, refusal=True, choice=choice.number))
        if choice.open_kind == "refusal":
            self._emit(TextDelta(choice.open_index, text, (), choice.number))

    def call_start(self, key: object, name: str, call_id: str | None, number: int = 0) -> None:
        """A tool call begins; `key` is the decoder's own handle for it."""
        choice = self._choice(number)
        if choice is None:
            return
        self._interrupt(choice)
        self._call_start(choice, key, name, call_id)

    def call_arguments(self, key: object, json: str, number: int = 0) -> None:
        """More of a call's arguments."""
        choice = self._choice(number)
        if choice is not None and json:
            self._interrupt(choice, keep_block=True)
            if not self.done:
                self._call_arguments(choice, choice.calls[key], json)

    def call_end(self, key: object, number: int = 0) -> None:
        """A call is over, for engines that send calls whole; others close with the response."""
        choice = self._choice(number)
        if choice is not None and key in choice.calls:
            self._end_call(choice, key)

    def finish(self, word: str | None, number: int = 0, stop_sequence: str | None = None) -> None:
        """The engine's finish word. It is remembered; usage and timings may still follow it.

        None is an end without a word; it never takes the place of one with a word.
        """
        choice = self._choice(number)
        if choice is not None and (word or choice.finish is None):
            choice.finish, choice.stop_sequence = word or "", stop_sequence

    def usage(self, usage: Usage, number: int = 0) -> None:
        """Usage as one choice reports it; a later report replaces an earlier one of the same choice."""
        self._usage[number] = usage

    def progress(self, processed: int, total: int, cached: int | None = None) -> None:
        """How far the engine has read the prompt."""
        self._emit(Progress(processed, total, cached))

    def keep(self, path: str, json: str, number: int = 0) -> None:
        """A raw value that no event has a word for."""
        choice = self._choice(number)
        if choice is not None:
            self._emit(Extra(path, json, None, number))

    def repair(self, code: str, detail: str = "", number: int = 0) -> None:
        """Report a repair of a quirk, once per response."""
        if code not in self._told:
            self._told.add(code)
            self._emit(Repair(code, detail, None, number))

    # -- the ends -----------------------------------------------------------------------------------

    def end(self) -> None:
        """The response is over, as the engine said: close everything and emit each choice's end."""
        if self.done:
            return
        for choice in self._choices.values():
            self._close_blocks(choice)
        if self._usage:
            self._emit(self._usage_in_all())
        for choice in self._choices.values():
            self._end(choice)
        self.done = True

    def fail(self, error: StreamError) -> None:
        """The response failed: choices that were finished end, then the error ends all others."""
        if self.done or self._failing:
            return
        self._failing = True  # closing the blocks writes what was held, and may run into the same limit
        for choice in self._choices.values():
            self._close_blocks(choice, cut=choice.finish is None)
        if self._usage:
            self._emit(self._usage_in_all())
        if not self.finished:
            for choice in self._choices.values():
                if choice.finish is not None:
                    self._end(choice)
        self._emit(error)
        self.done = True

    def cancel(self) -> None:
        """The client went away: close everything as cancelled."""
        if self.done:
            return
        for choice in self._choices.values():
            self._close_blocks(choice, cut=True)
        if self._usage:
            self._emit(self._usage_in_all())
        for choice in self._choices.values():
            self._emit(MessageEnd("cancelled", choice.finish or None, None, choice.number))
        if not self._choices:
            self._emit(stream_error("cancelled", "the client went away before the engine's reply began."))
        self.done = True

    def _end(self, choice: Choice) -> None:
        if choice.finish is None:
            self._emit(stream_error("upstream_truncated", "a choice of the response has no finish reason."))
            self.done = True
            return
        outcome = decide(choice.finish, calls=choice.whole_calls)
        if outcome.error is not None:
            self._emit(outcome.error)
            self.done = True
            return
        if outcome.repair:
            self.repair(outcome.repair, choice.finish, choice.number)
        self._emit(MessageEnd(outcome.reason, choice.finish or None, choice.stop_sequence, choice.number))

    # -- blocks -------------------------------------------------------------------------------------

    def _choice(self, number: int) -> Choice | None:
        if self.done:
            return None
        if number not in self._choices:
            self.start(number)
        return self._choices.get(number)

    def _spans(self, choice: Choice, spans: list[Span]) -> None:
        for kind, _, value in choice.hold_calls(spans) if self._reading.whole_calls else spans:
            match kind:
                case Kind.TEXT:
                    self._text(choice, value)
                case Kind.REASONING:
                    self._from_text(choice, "reasoning")
                    self._reasoning(choice, value)
                case Kind.MARKUP:
                    self.repair("markup_removed", "", choice.number)
                case Kind.BLOCK_END:
                    self._close_block(choice)
                case Kind.CALL:
                    self._rescued(choice, "call_from_text", choice.next_index)
                    self._call_start(choice, _MARKUP_CALL, value, None)
                case Kind.ARGUMENTS if _MARKUP_CALL in choice.calls:
                    self._call_arguments(choice, choice.calls[_MARKUP_CALL], value)
                case Kind.CALL_END if _MARKUP_CALL in choice.calls:
                    self._end_call(choice, _MARKUP_CALL)
                case Kind.REPAIR:
                    self._rescued(choice, value, choice.open_index if choice.open_kind == "text" else None)
                case Kind.ARGUMENTS | Kind.CALL_END:
                    pass  # there was no room left to start the call, and the response is failing
            if self.done:
                return

    def _from_text(self, choice: Choice, kind: str) -> None:
        if choice.open_kind != kind:
            self._rescued(choice, "reasoning_from_text", choice.next_index)

    def _rescued(self, choice: Choice, code: str, index: int | None) -> None:
        self._emit(Repair(code, "", index, choice.number))

    def _text(self, choice: Choice, text: str) -> None:
        if not text:
            return
        if choice.open_kind != "text":
            self._open(choice, "text", TextStart(choice.next_index, choice=choice.number))
        if choice.open_kind == "text":
            self._emit(TextDelta(choice.open_index, text, choice.take_logprobs(), choice.number))

    def _reasoning(self, choice: Choice, text: str) -> None:
        if choice.open_kind != "reasoning":
            self._open(choice, "reasoning", ReasoningStart(choice.next_index, choice=choice.number))
        if choice.open_kind == "reasoning":
            self._emit(ReasoningDelta(choice.open_index, text, choice.take_logprobs(), choice.number))

    def _logprobs_alone(self, choice: Choice) -> None:
        # They belong to tokens that gave no text (a stop token, half a character): an empty delta of the
        # block that is open, or else they wait for the next one.
        if choice.logprobs and choice.open_kind == "text":
            self._emit(TextDelta(choice.open_index, "", choice.take_logprobs(), choice.number))
        elif choice.logprobs and choice.open_kind == "reasoning":
            self._emit(ReasoningDelta(choice.open_index, "", choice.take_logprobs(), choice.number))

    def _open(self, choice: Choice, kind: str, start: TextStart | ReasoningStart) -> None:
        """Open a block; where there is no room left, none is open afterwards."""
        self._close_block(choice)
        if self._has_room(choice):
            choice.open_kind, choice.open_index = kind, choice.next_index
            choice.next_index += 1
            self._emit(start)

    def _close_block(self, choice: Choice) -> None:
        if choice.open_kind:
            self._emit(BlockEnd(choice.open_index, choice=choice.number))
            choice.open_kind = ""

    def _interrupt(self, choice: Choice, *, keep_block: bool = False) -> None:
        if choice.splitter is not None and not (keep_block and not choice.splitter.holds):
            self._spans(choice, choice.splitter.interrupt())

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

    def _close_blocks(self, choice: Choice, *, cut: bool = False) -> None:
        if choice.splitter is not None:
            self._spans(choice, choice.splitter.close())
        if choice.logprobs and not self.done:
            if choice.open_kind not in {"text", "reasoning"}:
                self._open(choice, "text", TextStart(choice.next_index, choice=choice.number))
            self._logprobs_alone(choice)
        self._close_block(choice)
        for key in tuple(choice.calls):
            # A stream that broke leaves open calls cut, even when their arguments look whole by now.
            self._end_call(choice, key, cut=cut)

    def _usage_in_all(self) -> Usage:
        reports = list(self._usage.values())
        if len(reports) == 1:
            return reports[0]
        self.repair("usage_summed")
        outputs = [report.output_tokens for report in reports if report.output_tokens is not None]
        thoughts = [report.reasoning_tokens for report in reports if report.reasoning_tokens is not None]
        first = reports[0]
        return Usage(
            input_tokens=first.input_tokens,
            output_tokens=sum(outputs) if outputs else None,
            cached_tokens=first.cached_tokens,
            cache_write_tokens=first.cache_write_tokens,
            reasoning_tokens=sum(thoughts) if thoughts else None,
            timings=next((report.timings for report in reversed(reports) if report.timings), None),
        )

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

    def _splitter(self) -> Splitter | None:
        reading = self._reading
        if not reading.families:
            return None
        settings = Settings(reading.tools, reading.parse_reasoning, reading.parse_tools, reading.limits)
        return Splitter(reading.families, settings, starts_in_reasoning=reading.starts_in_reasoning)


_MARKUP_CALL = object()
"""The key of the call that the splitter has open; markup opens one at a time."""
