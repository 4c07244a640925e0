"""The summary of a stream -> one block: what it was, how it ended, what it cost, what had to be repaired."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.events import Timings
from headgate.explain import words
from headgate.explain.layout import Block, Head, Line, Segment, Style
from headgate.explain.values import Choice, Summary

_TIMINGS = (("cache_", "prompt_"), ("predicted_", "draft_"), ("load_", "total_"))


def block(summary: Summary) -> Block:
    """Lay out the summary; what is not known is left out."""
    return Block(Head(), (Line("", (Segment("Summary", Style.TITLE),)), *_lines(summary)))


def _lines(summary: Summary) -> Iterator[Line]:
    yield _line("dialect", ", ".join(word for word in (summary.dialect, summary.shape) if word) or "none that is known")
    yield _line("stream", ", ".join(_stream(summary)))
    for choice in summary.choices:
        name = f" of choice {choice.number}" if len(summary.choices) > 1 else ""
        yield _line(f"message{name}", _message(choice))
        if choice.reason:
            yield _line(f"finish{name}", words.finish(choice.reason, choice.raw_reason))
    if summary.error is not None:
        text = f"{summary.error.code}: {summary.error.message}"
        yield Line("error", (Segment(text, Style.ERROR),))
    if measured := words.measured(summary.measured):
        yield _line("measured", measured)
    yield from _cost(summary)
    yield Line("repairs", tuple(_repairs(summary)))


def _line(label: str, text: str) -> Line:
    return Line(label, (Segment(text),))


def _stream(summary: Summary) -> Iterator[str]:
    yield words.count(summary.records, "record") + (
        f" in {words.count(summary.reads, 'read')}" if summary.reads else ""
    )
    yield words.count(summary.size, "byte")
    if summary.last_s is not None:
        yield words.milliseconds(summary.last_s)


def _message(choice: Choice) -> str:
    parts = [
        f"{words.count(number, f'{kind} block')} ({choice.characters.get(kind, 0):,} characters)"
        for kind, number in choice.blocks.items()
    ]
    return ", ".join(parts) or "nothing"


def _cost(summary: Summary) -> Iterator[Line]:
    if summary.usage is None:
        return
    if told := words.usage(summary.usage):
        yield _line("usage", f"{told} (tokens)")
    for told in _timings(summary.usage.timings) if summary.usage.timings else ():
        yield _line("timings", told)


def _timings(timings: Timings) -> Iterator[str]:
    """The prompt's, the answer's, and all others, with their units."""
    told = words.timings(timings)
    for prefixes in _TIMINGS:
        if group := [f"{name} {value}" for name, value in told if name.startswith(prefixes)]:
            yield ", ".join(group)


def _repairs(summary: Summary) -> Iterator[Segment]:
    if not summary.repairs:
        yield Segment("none")
    for place, (code, times) in enumerate(summary.repairs.items()):
        yield Segment(("; " if place else "") + code, Style.REPAIR)
        yield Segment(f" {times:,} times" if times > 1 else "")
