"""The state of one choice while its events are written.

Spec: ours (`docs/events.md`).
"""

from __future__ import annotations

import msgspec

from headgate.events import Logprob
from headgate.markup.splitter import Splitter
from headgate.messages import IdFactory

_decode = msgspec.json.Decoder().decode


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
        try:
            _decode("".join(self.fragments))
        except (ValueError, RecursionError):
            return False
        return True


class Choice:
    """One choice: its open blocks, what was counted, and the finish word that waits for the end."""

    def __init__(self, number: int, splitter: Splitter | None) -> None:
        self.number = number
        self.splitter = splitter
        self.next_index = 0
        self.open_kind = ""
        self.open_index = 0
        self.calls: dict[object, Call] = {}
        self.call_ids: set[str] = set()
        self.whole_calls = 0
        self.cut_calls = 0
        self.logprobs: tuple[Logprob, ...] = ()
        self.finish: str | None = None
        self.stop_sequence: str | None = None

    def copy(self) -> Choice:
        """An independent choice in the same state."""
        twin = Choice.__new__(Choice)
        twin.__dict__.update(self.__dict__)
        twin.splitter = self.splitter.copy() if self.splitter else None
        twin.calls = {key: call.copy() for key, call in self.calls.items()}
        twin.call_ids = self.call_ids.copy()
        return twin

    def take_logprobs(self) -> tuple[Logprob, ...]:
        """The log probabilities that wait for a delta."""
        logprobs, self.logprobs = self.logprobs, ()
        return logprobs

    def unique_id(self, call_id: str | None, ids: IdFactory) -> tuple[str, str]:
        """An id that no other call of this choice has, and the repair that this took (or "")."""
        repair = ""
        if not call_id:
            call_id, repair = ids("call_"), "call_id_minted"
        elif call_id in self.call_ids:
            number = 2
            while f"{call_id}_{number}" in self.call_ids:
                number += 1
            call_id, repair = f"{call_id}_{number}", "call_id_changed"
        self.call_ids.add(call_id)
        return call_id, repair
