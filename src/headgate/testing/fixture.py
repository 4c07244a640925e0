"""A fixture folder (`tests/fixtures/README.md`) as values."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple


class Fixture(NamedTuple):
    """One recorded exchange, and what it must come to.

    `messages` is None where the expectation waits for a capability that `meta["waits_for"]` names.
    """

    folder: Path
    meta: dict[str, Any]
    request: dict[str, Any]
    response: bytes
    lengths: tuple[int, ...]
    messages: list[dict[str, Any]] | None

    @property
    def status(self) -> int:
        """The HTTP status of the reply."""
        return int(self.meta.get("status", 200))

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that the request declared and did not forbid."""
        return [] if self.request.get("tool_choice") == "none" else self.request.get("tools") or []

    @staticmethod
    def load(folder: Path) -> Fixture:
        """Read a folder."""
        request, message = folder / "request.json", folder / "message.json"
        chunks = (folder / "chunks.txt").read_text().split("\n") if (folder / "chunks.txt").exists() else []
        body = json.loads(request.read_text("utf-8")) if request.exists() else {}
        return Fixture(
            folder=folder,
            meta=tomllib.loads((folder / "meta.toml").read_text("utf-8")),
            request=body if isinstance(body, dict) else {},
            response=(folder / "response.raw").read_bytes(),
            lengths=tuple(int(line.split()[1]) for line in chunks if line.strip()),
            messages=json.loads(message.read_text("utf-8")) if message.exists() else None,
        )
