"""The environment of the clients that bring many packages; `make clients` makes it."""

from __future__ import annotations

import os
from pathlib import Path

BIN = Path(os.environ.get("HEADGATE_CLIENTS", Path(__file__).parents[2] / "build" / "clients")) / "bin"


def is_there() -> bool:
    """Whether it was made."""
    return (BIN / "llm").exists()
