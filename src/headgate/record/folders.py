"""Folders -> the cassettes in them, by name.

Strategy: a folder with a `meta.toml` is a cassette, and every other is searched. Nothing else is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from headgate.cassette import CHUNKS, META, REQUEST, REQUEST_RAW, RESPONSE, Cassette
from headgate.errors import UsageError

_FILES = (META, RESPONSE, CHUNKS, REQUEST, REQUEST_RAW)


def load(folders: Iterable[Path]) -> dict[str, Cassette]:
    """Load every cassette in or below some folders, by the path of its folder, in the order of their names.

    Raises:
        UsageError: for a folder that is not there or holds none, and for a file that is no part of a cassette.
        OSError: if one cannot be read.
    """
    found: dict[str, Cassette] = {}
    for folder in folders:
        paths = sorted(_cassettes(folder))
        if not paths:
            fault = "holds no cassette" if folder.is_dir() else "is no folder"
            raise UsageError(f"{folder} {fault}. A cassette is a folder with {META}, {RESPONSE} and {CHUNKS}.")
        found |= {str(path): load_one(path) for path in paths}
    return found


def load_one(folder: Path) -> Cassette:
    """Load the cassette that a folder is.

    Raises:
        UsageError: naming the file and the fault.
        OSError: if it cannot be read.
    """
    files = {name: (folder / name).read_bytes() for name in _FILES if (folder / name).exists()}
    try:
        return Cassette.load(files)
    except UsageError as error:
        raise UsageError(f"{folder}: {error}") from error


def _cassettes(folder: Path) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        if META in files:
            folders.clear()
            yield Path(path)
