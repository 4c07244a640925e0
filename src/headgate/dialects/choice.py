"""The state of one choice while its events are written.

Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

import copy
import json

import msgspec
from msgspec import Struct

from headgate.events import Logprob
from headgate.markup import spans as markup_spans
from headgate.markup.spans import Kind, Span
from headgate.markup.splitter import Splitter
from headgate.messages import IdFactory

_decode = msgspec.json.Decoder().decode


def is_json(text: str) -> bool:
    """Whether a text is one JSON value; half surrogate pairs and huge numbers are JSON too (RFC 8259)."""
    try:
        _decode(text)
    except (ValueError, RecursionError):
        return _is_json_to_the_letter(text)
    return True


def _is_json_to_the_letter(text: str) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_int=float, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


class Call:
    """An open tool call: its block, and its arguments' fragments, joined once at its end."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.fragments: list[str] = []
        self.size = 0

    def copy(self) -> Call:
        """An independent call in the same state."""
        twin = Call(self.index)
        twin.fragments, twin.size = self.fragments.copy(), self.size
        return twin

    def is_whole(self) -> bool:
        """Whether the arguments are one JSON value."""
        return is_json("".join(self.fragments))


class Choice(Struct, eq=False):
    """One choice: its open blocks, what was counted, and the finish word that waits for the end.

    What few responses have is None until one does, for each has one of these to its end.
    """

    number: int
    splitter: Splitter | None
    told: Splitter | None = None  # reads the reasoning that the engine told apart, while that goes on
    next_index: int = 0
    open_kind: str = ""
    open_index: int = 0
    whole_calls: int = 0
    finish: str | None = None
    stop_sequence: str | None = None
    calls: dict[object, Call] = {}
    logprobs: list[Logprob] | None = None  # those that wait for a delta
    _held: list[Span] | None = None
    _call_ids: dict[str, int] | None = None  # each id that was given out, and how many calls asked for it

    def copy(self) -> Choice:
        """An independent choice in the same state."""
        copied = copy.copy(self)
        copied.splitter = self.splitter and self.splitter.copy()
        copied.told = self.told and self.told.copy()
        copied.calls = {key: call.copy() for key, call in self.calls.items()}
        copied.logprobs = self.logprobs and self.logprobs.copy()
        copied._held = self._held and self._held.copy()
        copied._call_ids = self._call_ids and self._call_ids.copy()
        return copied

    def hold_calls(self, spans: list[Span]) -> list[Span]:
        """Hold each call that was made of text until it is over; one that is not whole comes back as text."""
        free: list[Span] = []
        for span in spans:
            if not self._held and span.kind is not Kind.CALL:
                free.append(span)
                continue
            held = self._held = self._held or []
            held.append(span)
            if span.kind is Kind.CALL_END:
                whole = is_json("".join(one.value for one in held if one.kind is Kind.ARGUMENTS) or "{}")
                raw = "".join(one.raw for one in held)
                free += held if whole else [markup_spans.repair("markup_given_back"), markup_spans.text(raw)]
                self._held = None
        return free

    def hold_logprobs(self, logprobs: tuple[Logprob, ...]) -> None:
        """Log probabilities came; they wait for a delta."""
        self.logprobs = self.logprobs or []
        self.logprobs += logprobs

    def take_logprobs(self) -> tuple[Logprob, ...]:
        """The log probabilities that wait for a delta."""
        logprobs, self.logprobs = tuple(self.logprobs or ()), None
        return logprobs

    def unique_id(self, call_id: str | None, ids: IdFactory) -> tuple[str, str]:
        """An id that no other call of this choice has, and the repair that this took (or "")."""
        repair, given = "", self._call_ids
        if given is None:
            given = self._call_ids = {}
        if not call_id:
            call_id, repair = ids("call_"), "call_id_minted"
        elif call_id in given:
            asked, number = call_id, given[call_id] + 1
            while (call_id := f"{asked}_{number}") in given:
                number += 1
            given[asked], repair = number, "call_id_changed"
        given[call_id] = 1
        return call_id, repair
