"""Where the thought ends and what the user sees begins."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.events import Event, ReasoningStart, Repair, TextStart

_CHANNELS = re.compile(r"analysis|commentary|final")


class _Choice:
    """Which channel the markup named last, and which the thought was in."""

    def __init__(self) -> None:
        self.channel = ""
        self.thought: str | None = None


class Border:
    """Follows one response, record by record."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def record(self, events: Iterable[Event]) -> list[tuple[str, str]]:
        """Take the events that one record caused. Returns notes as (code, detail)."""
        return [note for event in events if (note := self._event(event)) is not None]

    def _event(self, event: Event) -> tuple[str, str] | None:
        match event:
            case Repair(code="markup_removed"):
                found = _CHANNELS.findall(event.detail)
                choice = self._of(event.choice)
                choice.channel = found[-1] if found else choice.channel
            case ReasoningStart():
                choice = self._of(event.choice)
                choice.thought, choice.channel = choice.channel or "the thought", ""
            case TextStart():
                choice = self._of(event.choice)
                thought, choice.thought = choice.thought, None
                if thought is not None:
                    return "border", f"{thought} and {choice.channel or 'the answer'}"
            case _:
                pass  # other events are on one side of it
        return None

    def _of(self, number: int) -> _Choice:
        return self._choices.setdefault(number, _Choice())
