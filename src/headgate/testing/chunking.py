"""The ways a stream can be split, and events made comparable across them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from headgate.events import Event, ReasoningDelta, TextDelta, ToolCallDelta

_RANDOM_SPLITS = 4
_RANDOM_MAX = 200


def splits(data: bytes, lengths: Sequence[int] = (), *, seed: int = 0) -> Iterator[tuple[str, list[bytes]]]:
    """Yield named ways to split `data`: whole, byte by byte, as recorded, and at random places.

    Args:
        data: the bytes.
        lengths: the lengths of the reads as they were recorded, if they were.
        seed: makes the random splits repeatable.
    """
    yield "whole", [data]
    yield "byte by byte", [data[place : place + 1] for place in range(len(data))]
    if lengths:
        yield "as recorded", cut(data, lengths)
    for number in range(_RANDOM_SPLITS):
        dice = random.Random(seed * _RANDOM_SPLITS + number)  # noqa: S311 - repeatable splits, not secrets
        pieces = [dice.randint(1, _RANDOM_MAX) for _ in range(len(data))]
        yield f"at random, seed {seed}, number {number}", cut(data, pieces)


def cut(data: bytes, lengths: Iterable[int]) -> list[bytes]:
    """Cut `data` into pieces of these lengths; what is left over is the last piece."""
    pieces, place = [], 0
    for length in lengths:
        if place >= len(data):
            break
        pieces.append(data[place : place + length])
        place += length
    return [*pieces, data[place:]] if place < len(data) else pieces


def coalesce(events: Iterable[Event], /) -> list[Event]:
    """Merge adjacent deltas of one block, so that two splits of one stream compare equal.

    Log probabilities are concatenated; everything else stays as it is, in order.
    """
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        joined = _joined(last, event) if last is not None else None
        if joined is None:
            merged.append(event)
        else:
            merged[-1] = joined
    return merged


def _joined(last: Event, event: Event) -> Event | None:
    if isinstance(last, ToolCallDelta) and isinstance(event, ToolCallDelta):
        same = (last.index, last.choice) == (event.index, event.choice)
        return msgspec.structs.replace(last, json=last.json + event.json) if same else None
    if isinstance(last, _Texts) and isinstance(event, _Texts) and type(last) is type(event):
        same = (last.index, last.choice) == (event.index, event.choice)
        text, logprobs = last.text + event.text, last.logprobs + event.logprobs
        return msgspec.structs.replace(last, text=text, logprobs=logprobs) if same else None
    return None


_Texts = TextDelta | ReasoningDelta
