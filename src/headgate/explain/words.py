"""Values -> the words and numbers of an annotation. What comes from the other side is quoted and cut here."""

from __future__ import annotations

import json

from headgate.events import (
    BlockEnd,
    Event,
    Extra,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningDelta,
    StreamError,
    TextDelta,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.explain.values import Effect
from headgate.stopwatch import MEASURED

QUOTED_CHARS = 72
_ERROR_CHARS = 400

_UNITS = {"n": "tokens", "accepted": "tokens", "ms": "ms", "second": "tokens/s"}
"""The unit of a timing, by the last word of its name."""


def quoted(text: str, most: int = QUOTED_CHARS) -> str:
    """A text in quotes, its control characters escaped as in JSON, cut at `most` characters."""
    shown = json.dumps(text[:most], ensure_ascii=False)
    return shown if len(text) <= most else shown + "…"


def count(number: int, noun: str) -> str:
    """A number of things, as in "1 read" and "1,204 reads"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def milliseconds(seconds: float) -> str:
    """A time, as in "1,253.79 ms"."""
    return f"{seconds * 1000:,.2f} ms"


def number(value: float) -> str:
    """A number with at most three decimals."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def effect(effect: Effect) -> str:
    """An event in a few words, with its tag first."""
    event = effect.event
    words = _words(event, effect)
    choice = getattr(event, "choice", 0)
    return f"{tag(event)}{words}{f' (choice {choice})' if choice else ''}"


def tag(event: Event) -> str:
    """An event's tag, such as `text.delta`."""
    return str(event.__struct_config__.tag)


def _words(event: Event, effect: Effect) -> str:
    match event:
        case TextDelta() | ReasoningDelta() | ToolCallDelta():
            most = f", {effect.characters:,} characters" if effect.characters > QUOTED_CHARS else ""
            return f" {quoted(effect.text)}{most}" if effect.text else " with log probabilities alone"
        case MessageStart():
            named = (("model", event.model), ("id", event.id), ("vendor", event.vendor))
            told = ", ".join(f"{name} {quoted(value)}" for name, value in named if value)
            return f": {told}" if told else ""
        case ToolCallStart():
            return f" {quoted(event.name)}, id {quoted(event.call_id)}"
        case BlockEnd():
            return "" if event.complete else ", incomplete"
        case Usage():
            return f": {usage(event)}" if usage(event) else ""
        case Progress():
            return f": {event.processed:,} of {count(event.total, 'prompt token')}"
        case Extra():
            return f" {quoted(event.path)}"
        case MessageEnd():
            return f": {finish(event.reason, event.raw_reason)}"
        case StreamError():
            return f" {event.code}: {event.message[:_ERROR_CHARS]}"
        case _:
            return ""


def finish(reason: str, raw_reason: str | None) -> str:
    """A finish reason, and the engine's word where it is another."""
    return reason if raw_reason in {None, reason} else f"{reason} (the engine said {quoted(raw_reason or '')})"


def usage(usage: Usage) -> str:
    """What a response cost; only what was told."""
    told = (
        (usage.input_tokens, "input"),
        (usage.cached_tokens, "of them cached"),
        (usage.cache_write_tokens, "written to the cache"),
        (usage.output_tokens, "output"),
        (usage.reasoning_tokens, "of them reasoning"),
    )
    return ", ".join(f"{tokens:,} {what}" for tokens, what in told if tokens is not None)


def timings(timings: Timings) -> list[tuple[str, str]]:
    """Every timing that the engine told: its name, and its value with the unit."""
    told = [(name, getattr(timings, name)) for name in timings.__struct_fields__ if name not in MEASURED]
    return [(name, f"{number(value)} {_unit(name)}") for name, value in told if value is not None]


def measured(timings: Timings) -> str:
    """When the first words came, and how fast the others, as the recording's clock has it."""
    first = (("reasoning", timings.first_reasoning_ms), ("content", timings.first_content_ms))
    told = [f"first {what} after {milliseconds(at_ms / 1000)}" for what, at_ms in first if at_ms is not None]
    speed = timings.measured_per_second
    return ", ".join([*told, *([f"then {number(speed)} tokens/s"] if speed is not None else [])])


def _unit(name: str) -> str:
    return "ms per token" if name.endswith("per_token_ms") else _UNITS[name.rpartition("_")[2]]
