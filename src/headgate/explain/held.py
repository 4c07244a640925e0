"""Text that a record brought and that came out later: what was held back, and which tag was split over records.

Strategy: per choice, the characters that came in less those that went out. What is over is held; markup that takes
what was held is a tag that came in several records. A call's arguments may be written anew, so its end clears the
account: a split may then be missed, but none is made up.
"""

from __future__ import annotations

from collections.abc import Iterable

from headgate.events import BlockEnd, Event, ReasoningDelta, Repair, TextDelta, ToolCallDelta, ToolCallStart

_TAKEN = frozenset({"markup_removed", "call_from_text"})
_Went = TextDelta | ReasoningDelta | ToolCallDelta | Repair


class _Account:
    """One choice's text that is not out yet."""

    def __init__(self) -> None:
        self.held = 0
        self.since = 0
        self.calls: set[int] = set()


class Held:
    """Follows one response, record by record."""

    def __init__(self) -> None:
        self._accounts: dict[int, _Account] = {}

    def record(self, number: int, said: Iterable[tuple[int, int]], events: Iterable[Event]) -> list[tuple[str, str]]:
        """Take a record's characters by choice, and the events it caused. Returns notes as (code, detail)."""
        by_choice: dict[int, list[Event]] = {}
        for event in events:
            by_choice.setdefault(getattr(event, "choice", 0), []).append(event)
        notes = [self._choice(number, choice, count, by_choice.get(choice, [])) for choice, count in said]
        return [note for note in dict.fromkeys(notes) if note is not None]

    def _choice(self, number: int, choice: int, said: int, events: list[Event]) -> tuple[str, str] | None:
        account = self._accounts.setdefault(choice, _Account())
        before, since = account.held, account.since
        went = [event for event in events if isinstance(event, _Went) and _text(event)]
        account.held += said - sum(len(_text(event)) for event in went)
        if _ends_call(account, events) or account.held < 0:
            account.held = 0
        if account.held <= said:
            account.since = number
        if before and went and isinstance(went[0], Repair) and sum(len(_text(event).strip()) for event in went) > said:
            return "tag_split", f"{since} to {number}"
        return ("text_held", "") if said and account.held >= said else None


def _text(event: _Went) -> str:
    """The text that an event accounts for."""
    match event:
        case TextDelta() | ReasoningDelta():
            return event.text
        case ToolCallDelta():
            return event.json
        case Repair():
            return event.detail if event.code in _TAKEN else ""


def _ends_call(account: _Account, events: list[Event]) -> bool:
    ended = False
    for event in events:
        if isinstance(event, ToolCallStart):
            account.calls.add(event.index)
        elif isinstance(event, BlockEnd) and event.index in account.calls:
            account.calls.remove(event.index)
            ended = True
    return ended
