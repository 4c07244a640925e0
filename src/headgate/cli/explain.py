"""`headgate explain`: a stream as a person would annotate it, record by record."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from headgate.cassette import Cassette, Piece
from headgate.cli._reading import (
    FAILED_STATUS,
    LOG,
    add_options,
    asked_model,
    is_timed,
    pieces,
    put,
    quietly,
    reader,
    recording,
    source,
)
from headgate.explain import Explainer, Folder, Record, ansi, html, layout, plain, summary
from headgate.explain.layout import Block
from headgate.library import encoder
from headgate.surfaces import surfaces
from headgate.surfaces.base import Encoder

_BODY, _CHUNKS = "response.raw", "chunks.txt"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "explain",
        help="annotate a stream: what each record says, what became of it, and why",
        description="Shows a recorded or piped stream record by record, with the events and the repairs that each "
        "caused, and sums it up. Exit status 1 says that the stream ended in an error.",
    )
    add_options(verb, "the stream, or the folder of a recording; - or nothing for standard input")
    verb.add_argument("--to", choices=sorted(surfaces()), help="show what a client of this API is sent for each record")
    verb.add_argument("--raw", action="store_true", help="show each record's own bytes, too")
    verb.add_argument("--all", action="store_true", help="show every record, and fold no long runs")
    verb.add_argument("--html", action="store_true", help="write a page that needs nothing else")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain one stream; what is decided leaves as it arrives."""
    folder = _recording(arguments.file)
    if folder is not None:
        return _explain_recording(folder, arguments)
    explainer = _explainer(arguments)
    with source(arguments.file) as stream:
        batches = _batches(explainer, ((None, data) for data in pieces(stream)))
        return quietly(lambda: _write(batches, explainer, _page(arguments, timed=False), arguments))


class _Page(NamedTuple):
    """How to write: the title and what else the head says, what opens and closes the page, and a block."""

    title: Block
    begin: str
    end: str
    text: Callable[[Block], str]


def _recording(name: str) -> Path | None:
    """The folder of a recording: named itself, or by the body in it."""
    path = Path(name)
    if name == "-" or path.is_dir():
        return None if name == "-" else path
    return path.parent if path.name == _BODY and (path.parent / _CHUNKS).is_file() else None


def _explain_recording(folder: Path, arguments: argparse.Namespace) -> int:
    cassette = recording(folder)
    timed = is_timed(cassette)
    explainer = _explainer(arguments, cassette)
    if cassette.meta.status >= 400:
        last_s = cassette.pieces[-1].at_s if timed else None
        batches = iter([explainer.refusal(cassette.response, cassette.meta.status, last_s)])
    else:
        batches = _batches(explainer, (_read(piece, timed=timed) for piece in cassette.pieces))
    page = _page(arguments, *_heading(cassette), timed=timed)
    return quietly(lambda: _write(batches, explainer, page, arguments))


def _explainer(arguments: argparse.Namespace, cassette: Cassette | None = None) -> Explainer:
    # Numbered ids and no time, so that the same stream is always explained in the same words.
    numbers = itertools.count(1)
    request = cassette.request if cassette else b""
    decoder = reader(arguments, request=request, verbose=True, ids=lambda prefix: f"{prefix}{next(numbers)}")
    model = asked_model(cassette) if cassette else None
    dialect = None if arguments.dialect in {"auto", LOG} else arguments.dialect
    return Explainer(
        decoder,
        dialect,
        is_log=arguments.dialect == LOG,
        knows_reads=cassette is not None,
        asked_model=model,
        encoder=_encoder(arguments.to, model) if arguments.to else None,
    )


def _encoder(surface: str, model: str | None) -> Encoder:
    return encoder(surface, model=model or "unknown", include_usage=True, ids=lambda prefix: f"{prefix}1", now_s=0)


def _read(piece: Piece, *, timed: bool) -> tuple[float | None, bytes]:
    return (piece.at_s if timed else None), piece.data


def _batches(explainer: Explainer, reads: Iterable[tuple[float | None, bytes]]) -> Iterator[list[Record]]:
    for at_s, data in reads:
        yield explainer.feed(data, at_s)
    yield explainer.close()


def _heading(cassette: Cassette) -> tuple[str, ...]:
    meta = cassette.meta
    engine = " ".join(word for word in (meta.engine, meta.version) if word)
    known = (engine, meta.model, meta.date, f"{cassette.method} {cassette.path}", f"status {meta.status}")
    return (", ".join(word for word in known if word), *([meta.shows] if meta.shows else []))


def _page(arguments: argparse.Namespace, *heading: str, timed: bool) -> _Page:
    name = "standard input" if arguments.file == "-" else arguments.file
    title = layout.title(name, *heading)
    if arguments.html:
        return _Page(title, html.begin(name), html.END, partial(html.text, timed=timed))
    return _Page(title, "", "", partial(ansi.text if _wants_colours() else plain.text, timed=timed))


def _wants_colours() -> bool:
    """As https://no-color.org has it: a terminal that can show them, and nobody who said no."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(batches: Iterator[list[Record]], explainer: Explainer, page: _Page, arguments: argparse.Namespace) -> int:
    _put(page, [page.title], page.begin)
    folder = Folder()
    for records in batches:
        items = records if arguments.all else folder.feed(records)
        _put(page, layout.blocks(items, raw=arguments.raw))
    _put(page, layout.blocks(folder.close(), raw=arguments.raw))
    result = explainer.summary
    _put(page, [summary.block(result)])
    put(page.end.encode())
    return FAILED_STATUS * (result.error is not None)


def _put(page: _Page, blocks: list[Block], before: str = "") -> None:
    put((before + "".join(map(page.text, blocks))).encode())
