"""A record's events -> its effects: deltas of one block joined, and only their beginning kept."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.events import Event, ReasoningDelta, TextDelta, ToolCallDelta
from headgate.explain.values import Effect

PREVIEW_CHARS = 200
Delta = TextDelta | ReasoningDelta | ToolCallDelta


def effects_of(events: Iterable[Event]) -> tuple[Effect, ...]:
    """Return the effects in the order of the events."""
    effects: list[Effect] = []
    for event in events:
        text = delta_text(event) if isinstance(event, Delta) else ""
        last = effects[-1] if effects else None
        if last is not None and _continues(last.event, event):
            preview = last.text if len(last.text) >= PREVIEW_CHARS else (last.text + text)[:PREVIEW_CHARS]
            effects[-1] = Effect(last.event, preview, last.characters + len(text))
        else:
            effects.append(Effect(event, text[:PREVIEW_CHARS], len(text)))
    return tuple(effects)


def delta_text(event: Delta) -> str:
    """A delta's text, or a call's fragment of JSON."""
    return event.json if isinstance(event, ToolCallDelta) else event.text


def _continues(last: Event, event: Event) -> bool:
    if not isinstance(event, Delta) or not isinstance(last, Delta) or type(last) is not type(event):
        return False
    return (last.index, last.choice) == (event.index, event.choice)
