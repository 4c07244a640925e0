"""The public names: adding one is a decision, removing one breaks somebody."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import headgate

PUBLIC = {
    "Accumulator",
    "ConfigError",
    "HeadgateError",
    "Limits",
    "Message",
    "PeerError",
    "RequestError",
    "ToolCall",
    "UpstreamError",
    "UsageError",
    "__version__",
    "astream",
    "collect",
    "collect_all",
    "decoder",
    "encoder",
    "stream",
    "translator",
}

# What a program that only decodes must not pay for. (importlib.metadata, which finds plug-ins, brings socket.)
HEAVY = "asyncio httptools logging ssl subprocess uvicorn uvloop"


def test_public_names_are_these() -> None:
    assert sorted(PUBLIC) == sorted(headgate.__all__)


def test_public_names_exist() -> None:
    assert [] == [name for name in headgate.__all__ if not hasattr(headgate, name)]


def test_version_is_the_installed_one() -> None:
    assert version("headgate") == headgate.__version__


def test_importing_the_library_brings_no_io() -> None:
    """The sans-IO promise at run time: whatever the layer test cannot see, the interpreter does."""
    code = f"import sys, headgate; print(*sorted(set({HEAVY.split()!r}) & set(sys.modules)))"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "\n" == result.stdout
