"""The built-in demo: a tiny model for a real llama.cpp, and cassettes of one where that is not installed.

`tiny.gguf` was made for this, by the programs in tests/engine, and knows some questions and answers by heart. Each
folder beside this file is a cassette (`headgate.cassette`). Those with `source = "recorded"` are the bytes and the
times of a real server that ran the model; `help`, the answer to all other questions, was written for the demo.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from headgate.cassette import Cassette

DEMO_MODEL = "demo"
"""The model id under which the demo engine is offered."""
RECORDINGS_MODEL = "recordings"
"""The model id under which the cassettes are offered beside it."""


def tiny_model() -> Path:
    """The file of the tiny model. Headgate must lie in a folder, as pip installs it."""
    return Path(str(files(__name__).joinpath("tiny.gguf")))


def cassettes() -> list[Cassette]:
    """Load the demo's cassettes, by folder name; all answer `POST /v1/chat/completions`, one as the fallback."""
    folders = sorted(files(__name__).iterdir(), key=lambda entry: entry.name)
    return [Cassette.load(_read(folder)) for folder in folders if folder.joinpath("meta.toml").is_file()]


def _read(folder: Traversable) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
