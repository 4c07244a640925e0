"""The contract kit: everything a dialect promises, checked on one fixture folder.

    from headgate.testing import check_folder
    assert check_folder(my_dialect, folder) == []

Pytest-free on purpose: it returns the breaches as sentences, and any test runner can show them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headgate.accumulate import Accumulator
from headgate.conform import check_events, check_stream
from headgate.dialects.base import Decoder, Dialect, Reading
from headgate.events import Event, MessageEnd, MessageStart, StreamError
from headgate.library import encoder
from headgate.markup import families_named
from headgate.messages import declared_tools
from headgate.testing.chunking import coalesce, splits
from headgate.testing.fixture import Fixture

_EVERY_BYTE_MAX = 64 * 1024
_ANY = "*"


def check_folder(dialect: Dialect, folder: Path) -> list[str]:
    """Return every breach that this fixture shows: an empty list means that all promises hold.

    Checked are: the same events at every split, the events' grammar, the expected message, exactly one
    terminal per choice wherever the stream is cut, and the chat surface's contract on what leaves.
    """
    fixture = Fixture.load(folder)
    return [f"{folder.name}: {breach}" for breach in _breaches(dialect, fixture)]


def decode(dialect: Dialect, fixture: Fixture, pieces: Iterable[bytes]) -> list[Event]:
    """Decode a fixture's response as the gateway would, an HTTP error included."""
    if fixture.status >= 400:
        return [dialect.error(fixture.status, b"".join(pieces))]
    decoder = fresh_decoder(dialect, fixture)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def fresh_decoder(dialect: Dialect, fixture: Fixture) -> Decoder:
    """A decoder that knows the fixture's request, with ids that are the same every time."""
    numbers = itertools.count(1)

    def next_id(prefix: str) -> str:
        return f"{prefix}{next(numbers)}"

    return dialect.decoder(Reading(ids=next_id, families=families_named("auto"), tools=declared_tools(fixture.tools)))


def _breaches(dialect: Dialect, fixture: Fixture) -> list[str]:
    whole = decode(dialect, fixture, [fixture.response])
    if breaches := check_events(whole):
        return breaches  # what is malformed can be neither gathered nor written
    for name, pieces in splits(fixture.response, fixture.lengths):
        if coalesce(decode(dialect, fixture, pieces)) != coalesce(whole):
            breaches.append(f"split {name}: other events than in one piece")
    if fixture.messages is not None:
        breaches += compare(messages_of(whole), fixture.messages)
    if fixture.status < 400:
        breaches += _check_surface(whole) + _check_cuts(dialect, fixture)
    return breaches


def messages_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The records of all choices."""
    gathered = Accumulator()
    gathered.feed_all(events)
    return [message.to_record() for message in gathered.messages]


def compare(got: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[str]:
    """Compare messages field by field; "*" in an expectation stands for any string."""
    if len(got) != len(expected):
        return [f"{len(got)} messages, expected {len(expected)}"]
    return [
        f"message {number}: {field} is {have.get(field)!r}, expected {want[field]!r}"
        for number, (have, want) in enumerate(zip(got, expected, strict=True))
        for field in want
        if not _matches(have.get(field), want[field])
    ]


def _matches(got: Any, expected: Any) -> bool:
    if expected == _ANY:
        return isinstance(got, str)
    if isinstance(expected, dict) and isinstance(got, dict):
        return got.keys() == expected.keys() and all(_matches(got[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(got, list):
        return len(got) == len(expected) and all(map(_matches, got, expected))
    return bool(got == expected)


def _check_surface(events: list[Event]) -> list[str]:
    breaches: list[str] = []
    for include_usage in (False, True):
        writer = encoder("chat", model="asked", include_usage=include_usage, include_timings=True, now_s=1)
        data = writer.feed(events) + writer.close()
        one_by_one = encoder("chat", model="asked", include_usage=include_usage, ids=lambda prefix: prefix, now_s=1)
        for event in events:
            one_by_one.feed([event])
        breaches += [f"chat surface: {breach}" for breach in check_stream(data, "chat")]
        if one_by_one.done != writer.done:
            breaches.append("chat surface: event by event it does not end where it ends in one list")
    return breaches


def _check_cuts(dialect: Dialect, fixture: Fixture) -> list[str]:
    """Feed a byte at a time and close a copy after each: never an exception, always one terminal per choice."""
    decoder = fresh_decoder(dialect, fixture)
    data = fixture.response
    places = range(len(data)) if len(data) <= _EVERY_BYTE_MAX else _around_records(data)
    frames: list[Event] = []
    breaches: list[str] = []
    last = 0
    for place in places:
        frames += [event for event in decoder.feed(data[last : place + 1]) if isinstance(event, _FRAMES)]
        last = place + 1
        if not _ends_once([*frames, *decoder.copy().close()]):
            breaches.append(f"cut after byte {place + 1}: not exactly one terminal for each choice")
    return breaches[:3]


_FRAMES = MessageStart | MessageEnd | StreamError


def _around_records(data: bytes) -> list[int]:
    ends = [place for place, byte in enumerate(data) if byte == ord("\n")]
    near = {place + offset for place in ends for offset in (-2, -1, 0, 1)}
    return sorted(place for place in near if 0 <= place < len(data))


def _ends_once(events: list[Event]) -> bool:
    events = [event for event in events if isinstance(event, _FRAMES)]
    starts = {event.choice for event in events if isinstance(event, MessageStart)}
    ends = [event.choice for event in events if isinstance(event, MessageEnd)]
    failed = sum(isinstance(event, StreamError) for event in events)
    if failed > 1 or len(ends) != len(set(ends)):
        return False
    return set(ends) == starts and bool(ends) if not failed else set(ends) < starts or not starts
