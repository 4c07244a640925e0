"""Decoded pieces of a response -> events in the grammar; the only producer of it.

Strategy: a decoder says what came (text, reasoning, fragments of calls, a finish word) and the writer
opens, numbers and closes the blocks (`blocks.py`), so that no decoder can emit a malformed stream. Text
runs through the markup splitter on its way (`rescue.py`).
Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.dialects.choice import Choice
from headgate.dialects.finish import decide
from headgate.dialects.rescue import Rescue
from headgate.dialects.usage import in_all
from headgate.errors import stream_error
from headgate.events import (
    Extra,
    Logprob,
    MessageEnd,
    MessageStart,
    Progress,
    StreamError,
    TextDelta,
    TextStart,
    Usage,
)
from headgate.markup.spans import Kind
from headgate.twins import twin

if TYPE_CHECKING:
    from headgate.dialects.base import Reading


class BlockWriter(Rescue):
    """Writes one response's events. `take()` returns what has been written since the last time."""

    __slots__ = ("_failing", "_usage")

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self._failing = False
        self._usage: dict[int, Usage] | None = None  # by choice

    def copy(self) -> BlockWriter:
        """An independent writer in the same state, with nothing to take."""
        copied = twin(self)
        copied._events = []
        copied._choices = {number: choice.copy() for number, choice in self._choices.items()}
        copied._usage = self._usage and self._usage.copy()
        return copied

    @property
    def finished(self) -> bool:
        """Whether at least one choice began and each has its finish reason."""
        for choice in self._choices.values():
            if choice.finish is None:
                return False
        return bool(self._choices)

    @property
    def started(self) -> bool:
        """Whether any choice began."""
        return bool(self._choices)

    # -- what came from the engine ------------------------------------------------------------------

    def start(
        self,
        number: int = 0,
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
        choice = None if self.done else self._choices.get(number) or self._choice(number)
        if choice is None:
            return
        if choice.told is not None and text:
            self._interrupt_told(choice)
        if logprobs:
            choice.hold_logprobs(logprobs)
        if choice.splitter is None or choice.splitter.plain(text) is Kind.TEXT:
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
        if choice.told is None:
            self._interrupt(choice)
            choice.told = self._splitter(told=True)
        if logprobs:
            choice.hold_logprobs(logprobs)
        if choice.told is None or choice.told.plain(text):
            self._reasoning(choice, text)
        else:
            self._spans(choice, choice.told.feed(text), told=True)

    def refusal(self, text: str, number: int = 0, logprobs: tuple[Logprob, ...] = ()) -> None:
        """Text with which the model declines; it holds no markup. Empty text only brings its log probabilities."""
        choice = self._choice(number)
        if choice is None or not (text or logprobs):
            return
        self._interrupt(choice)
        if choice.open_kind != "refusal":
            self._open(choice, "refusal", TextStart(choice.next_index, refusal=True, choice=choice.number))
        if choice.open_kind == "refusal":
            self._emit(TextDelta(choice.open_index, text, logprobs, choice.number))

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
        choice = None if self.done else self._choices.get(number) or self._choice(number)
        if choice is not None and (word or choice.finish is None):
            choice.finish, choice.stop_sequence = word or "", stop_sequence

    def usage(self, usage: Usage, number: int = 0) -> None:
        """Usage as one choice reports it; a later report replaces an earlier one of the same choice."""
        if self._usage is None:
            self._usage = {}
        self._usage[number] = usage

    def progress(self, processed: int, total: int, cached: int | None = None) -> None:
        """How far the engine has read the prompt."""
        self._emit(Progress(processed, total, cached))

    def keep(self, path: str, json: str, number: int = 0) -> None:
        """A raw value that no event has a word for."""
        choice = self._choice(number)
        if choice is not None:
            self._emit(Extra(path, json, None, number))

    # -- the ends -----------------------------------------------------------------------------------

    def end(self) -> None:
        """The response is over, as the engine said: close everything and emit each choice's end."""
        if self.done:
            return
        for choice in self._choices.values():
            self._close_blocks(choice)
        self._tell_usage()
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
        self._tell_usage()
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
        self._tell_usage()
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
        choice = self._choices.get(number)
        if choice is None:
            self.start(number)
            choice = self._choices.get(number)
        return choice

    def _close_blocks(self, choice: Choice, *, cut: bool = False) -> None:
        if choice.told is not None:
            self._spans(choice, choice.told.interrupt() if cut else choice.told.close(), told=True)
        if choice.splitter is not None and (held := choice.splitter.interrupt() if cut else choice.splitter.close()):
            self._spans(choice, held, cut=cut)
        if choice.logprobs and not self.done:
            if choice.open_kind not in {"text", "reasoning"}:
                self._open(choice, "text", TextStart(choice.next_index, choice=choice.number))
            self._logprobs_alone(choice)
        if choice.open_kind:
            self._close_block(choice)
        for key in tuple(choice.calls):
            # A stream that broke leaves open calls cut, even when their arguments look whole by now.
            self._end_call(choice, key, cut=cut)

    def _tell_usage(self) -> None:
        if self._usage is None:
            return
        reports = [*self._usage.values()]
        if len(reports) > 1:
            self.repair("usage_summed")
        self._emit(in_all(reports))
