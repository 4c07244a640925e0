"""The fixture folders, and what makes one complete. `tests/fixtures/README.md` describes them for people."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures"
REQUIRED = {
    "engine": str,
    "version": str,
    "model": str,
    "date": str,
    "path": str,
    "status": int,
    "content_type": str,
    "shows": str,
    "source": str,
}
OPTIONAL = {"waits_for": str, "derailed": bool}
SOURCES = ("recorded", "seed", "constructed")
WAITS = "dialect:"
OTHERS_FILES = {"upstream_request.json", "events.jsonl"}
"""Written by Headgate itself, from what lies here."""


@dataclass(frozen=True)
class Case:
    """One fixture folder: one recorded exchange."""

    folder: Path

    def __str__(self) -> str:
        """The folder's place, as it is named in comments and messages."""
        return self.folder.relative_to(FIXTURES).as_posix()

    @cached_property
    def meta(self) -> dict[str, Any]:
        """What `meta.toml` says."""
        return tomllib.loads((self.folder / "meta.toml").read_text(encoding="utf-8"))

    @cached_property
    def request(self) -> dict[str, Any]:
        """What was sent to the engine; empty if it was no JSON object."""
        file = self.folder / "request.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    @cached_property
    def body(self) -> bytes:
        """What the engine answered."""
        return (self.folder / "response.raw").read_bytes()

    @cached_property
    def messages(self) -> list[dict[str, Any]] | None:
        """What `message.json` expects; None if it is not there."""
        file = self.folder / "message.json"
        return list(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None

    @property
    def dialect(self) -> str:
        """The wire format; `endpoints` for what is not a chat."""
        place = self.folder.relative_to(FIXTURES).parts
        return place[1] if place[0] == "dialects" else place[0]

    @property
    def is_chat(self) -> bool:
        """Whether it comes to messages; what the engine answers on its other paths does not."""
        return self.dialect != "endpoints"

    @property
    def engine(self) -> str:
        """The program that answered."""
        return str(self.meta["engine"])

    @property
    def version(self) -> str:
        """Its version; of llama.cpp, the xllamacpp wheel's."""
        return str(self.meta["version"])

    @property
    def path(self) -> str:
        """The path of the request; a method other than POST stands before it."""
        return str(self.meta["path"])

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return int(self.meta["status"])

    @property
    def source(self) -> str:
        """Where the bytes come from."""
        return str(self.meta["source"])

    @property
    def server(self) -> str:
        """How the engine was set up: the second word of the folder's name, the version left out."""
        return self.folder.name.replace(f"-{self.version}.", ".").split(".")[1]


def cases() -> Iterator[Case]:
    """Every folder that holds a `meta.toml`, in order."""
    for meta in sorted(FIXTURES.glob("dialects/*/*/meta.toml")) + sorted(FIXTURES.glob("endpoints/*/*/meta.toml")):
        yield Case(meta.parent)


def faults(case: Case) -> list[str]:
    """What is missing or wrong in a folder, as sentences; none if it is complete."""
    return [*_meta_faults(case.meta), *_file_faults(case), *_chunk_faults(case)]


def _meta_faults(meta: dict[str, Any]) -> Iterator[str]:
    known = REQUIRED | OPTIONAL
    for key in REQUIRED.keys() - meta.keys():
        yield f"meta.toml lacks {key}"
    for key, value in meta.items():
        if key not in known:
            yield f"meta.toml has an unknown key: {key}"
        elif not isinstance(value, known[key]):
            yield f"meta.toml: {key} is not a {known[key].__name__}"
    if meta.get("source") not in SOURCES:
        yield f"meta.toml: source is none of {', '.join(SOURCES)}"
    if "waits_for" in meta and not str(meta["waits_for"]).startswith(WAITS):
        yield f"meta.toml: waits_for does not begin with {WAITS}"
    if not str(meta.get("shows")).endswith("."):
        yield "meta.toml: shows is not a sentence"
    try:
        date.fromisoformat(str(meta.get("date")))
    except ValueError:
        yield "meta.toml: date is not like 2026-11-20"


def _file_faults(case: Case) -> Iterator[str]:
    names = {file.name for file in case.folder.iterdir()}
    wanted = {"meta.toml", "response.raw", "chunks.txt"}
    if not case.path.startswith("GET "):
        wanted.add("request.raw" if "request.raw" in names else "request.json")
    if case.is_chat and "waits_for" not in case.meta:
        wanted.add("message.json")
    for name in wanted - names:
        yield f"{name} is missing"
    for name in names - wanted - OTHERS_FILES:
        yield f"{name} does not belong here"


def _chunk_faults(case: Case) -> Iterator[str]:
    """`chunks.txt` has a line for each read: milliseconds since the request, and length."""
    reads = [line.split(" ") for line in (case.folder / "chunks.txt").read_text(encoding="ascii").splitlines()]
    times = [float(milliseconds) for milliseconds, _ in reads]
    if times != sorted(times):
        yield "chunks.txt goes back in time"
    total = sum(int(length) for _, length in reads)
    if total != len(case.body):
        yield f"chunks.txt sums to {total} bytes, response.raw has {len(case.body)}"
