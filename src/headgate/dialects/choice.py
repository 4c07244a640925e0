"""The state of one choice while its events are written.

Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

import json

import msgspec

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


class Choice:
    """One choice: its open blocks, what was counted, and the finish word that waits for the end."""

    told: Splitter | None = None  # reads the reasoning that the engine told apart, while that goes on
    next_index = 0
    open_kind = ""
    open_index = 0
    whole_calls = 0
    finish: str | None = None
    stop_sequence: str | None = None

    def __init__(self, number: int, splitter: Splitter | None) -> None:
        self.number = number
        self.splitter = splitter
        self.held: list[Span] = []
        self.calls: dict[object, Call] = {}
        self.call_ids: dict[str, int] = {}  # each id that was given out, and how many calls asked for it
        self.logprobs: list[Logprob] = []

    def copy(self) -> Choice:
        """An independent choice in the same state."""
        twin = Choice.__new__(Choice)
        twin.__dict__ = self.__dict__.copy()
        twin.splitter = self.splitter and self.splitter.copy()
        twin.told = self.told and self.told.copy()
        twin.calls = {key: call.copy() for key, call in self.calls.items()}
        twin.call_ids, twin.held = self.call_ids.copy(), self.held.copy()
        twin.logprobs = self.logprobs.copy()
        return twin

    def hold_calls(self, spans: list[Span]) -> list[Span]:
        """Hold each call that was made of text until it is over; one that is not whole comes back as text."""
        free: list[Span] = []
        for span in spans:
            if not self.held and span.kind is not Kind.CALL:
                free.append(span)
                continue
            self.held.append(span)
            if span.kind is Kind.CALL_END:
                whole = is_json("".join(held.value for held in self.held if held.kind is Kind.ARGUMENTS) or "{}")
                raw = "".join(held.raw for held in self.held)
                free += self.held if whole else [markup_spans.repair("markup_given_back"), markup_spans.text(raw)]
                self.held = []
        return free

    def take_logprobs(self) -> tuple[Logprob, ...]:
        """The log probabilities that wait for a delta."""
        logprobs, self.logprobs = tuple(self.logprobs), []
        return logprobs

    def unique_id(self, call_id: str | None, ids: IdFactory) -> tuple[str, str]:
        """An id that no other call of this choice has, and the repair that this took (or "")."""
        repair = ""
        if not call_id:
            call_id, repair = ids("call_"), "call_id_minted"
        elif call_id in self.call_ids:
            asked, number = call_id, self.call_ids[call_id] + 1
            while (call_id := f"{asked}_{number}") in self.call_ids:
                number += 1
            self.call_ids[asked], repair = number, "call_id_changed"
        self.call_ids[call_id] = 1
        return call_id, repair
