"""The package from outside: its names, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
from test_layers import MODULES

from headgate import config

PUBLIC = (
    "HOST PORT ClientConfig Config EmbeddedConfig Extra UpstreamConfig check_door read_toml request_headers unique "
    "upstream_from_flag"
).split()
PARTS = [name for name in MODULES if name == "headgate.config" or name.startswith("headgate.config.")]


def printed(code: str) -> str:
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_public_names_are_these() -> None:
    assert sorted(PUBLIC) == sorted(config.__all__)
    assert [] == [name for name in PUBLIC if not hasattr(config, name)]


def test_no_public_name_hides_a_module() -> None:
    """`from headgate.config.show import show` must find the module, whatever the package exports."""
    assert [] == [name for name in PARTS if import_module(name).__name__ != name]


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_imported_first(part: str) -> None:
    """A circle of imports shows only to whoever enters it at the wrong place."""
    assert "good\n" == printed(f"import {part}; print('good')")


def test_the_library_does_without_it() -> None:
    """A program that only decodes must not pay for a gateway's configuration."""
    code = "import sys, headgate; print([name for name in sys.modules if name.startswith('headgate.config')])"

    assert "[]\n" == printed(code)
