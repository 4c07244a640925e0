"""What the tests of `headgate.explain` share: streams explained, and what is said of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import headgate
from headgate.cassette import Cassette
from headgate.explain import Explainer, Record, Summary, layout, plain, summary
from headgate.messages import IdFactory

FIXTURES = Path(__file__).parent / "fixtures"


def numbered() -> IdFactory:
    """An id factory that counts."""
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def explainer(dialect: str = "auto", *, is_log: bool = False, knows_reads: bool = False, **options: Any) -> Explainer:
    """An explainer; the options are those of `headgate.decoder`."""
    decoder = headgate.decoder(dialect, verbose=True, ids=numbered(), **options)
    return Explainer(decoder, None if dialect == "auto" else dialect, is_log=is_log, knows_reads=knows_reads)


def explain(pieces: bytes | Iterable[bytes], dialect: str = "auto", **options: Any) -> list[Record]:
    """The records of one response."""
    explains = explainer(dialect, **options)
    chunks = [pieces] if isinstance(pieces, bytes) else pieces
    return [*(record for piece in chunks for record in explains.feed(piece)), *explains.close()]


def summed(pieces: bytes | Iterable[bytes], dialect: str = "auto", **options: Any) -> Summary:
    """The summary of one response."""
    explains = explainer(dialect, **options)
    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
        explains.feed(piece)
    explains.close()
    return explains.summary


def recorded(case: str) -> tuple[list[Record], Summary]:
    """What is said of a fixture, with the reads as they were recorded."""
    folder = FIXTURES / "dialects" / case
    cassette = Cassette.load({path.name: path.read_bytes() for path in folder.iterdir()})
    explains = explainer(knows_reads=True)
    records = [record for piece in cassette.pieces for record in explains.feed(piece.data, piece.at_s)]
    return [*records, *explains.close()], explains.summary


def shown(records: Iterable[Record], result: Summary | None = None) -> str:
    """The records as text, and their summary."""
    blocks = layout.blocks(records)
    return "".join(map(plain.text, [*blocks, *([summary.block(result)] if result else [])]))


def notes(record: Record) -> list[str]:
    """The notes on a record, each with its detail."""
    return [f"{note.code} {note.detail}" if note.detail else note.code for note in record.notes]


def repairs(record: Record) -> list[str]:
    """The repairs of a record, each with its detail."""
    return [f"{repair.code} {repair.detail}" if repair.detail else repair.code for repair in record.repairs]
