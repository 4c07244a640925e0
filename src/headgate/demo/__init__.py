"""The built-in demo engine: cassettes of a real llama.cpp server, so that everything can be tried without a model.

Each folder beside this file is a cassette (`headgate.cassette`). Those with `source = "recorded"` are the bytes and the
times of a real server that ran a tiny model; `help`, the answer to all other questions, was written for the demo.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from headgate.cassette import Cassette

DEMO_MODEL = "demo"
"""The model id under which the demo engine is offered."""


def cassettes() -> list[Cassette]:
    """Load the demo's cassettes, by folder name; all answer `POST /v1/chat/completions`, one as the fallback."""
    folders = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    return [Cassette.load(_read(folder)) for folder in folders if folder.joinpath("meta.toml").is_file()]


def _read(folder: Traversable) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
