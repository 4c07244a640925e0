"""Every fixture folder, through everything a dialect promises (`headgate.testing.contract`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headgate.dialects import dialects
from headgate.events import to_jsonl
from headgate.testing import Fixture, check_folder, coalesce
from headgate.testing.contract import decode

FIXTURES = Path(__file__).parent / "fixtures" / "dialects"
FOLDERS = sorted(folder for name in dialects() for folder in (FIXTURES / name).glob("*") if folder.is_dir())
REWRITE = os.environ.get("HEADGATE_GOLDEN") == "rewrite"

# What later work brings; a fixture that waits for anything else is a mistake.
COMING = {"dialect:responses", "dialect:anthropic"}


def folder_id(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", FOLDERS, ids=folder_id)
def test_fixture_keeps_every_promise(folder: Path) -> None:
    """Same events at every split, the grammar, the expected message, one terminal at every cut, the surface."""
    assert [] == check_folder(dialects()[folder.parent.name], folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=folder_id)
def test_fixture_gives_its_golden_events(folder: Path) -> None:
    """`events.jsonl` is derived, and reviewed in the diff; `make golden` rewrites it."""
    fixture = Fixture.load(folder)
    golden = folder / "events.jsonl"
    events = to_jsonl(coalesce(decode(dialects()[folder.parent.name], fixture, [fixture.response])))
    if REWRITE:
        golden.write_bytes(events)

    assert golden.read_bytes() == events


@pytest.mark.parametrize("folder", FOLDERS, ids=folder_id)
def test_fixture_waits_for_a_named_capability_or_has_its_message(folder: Path) -> None:
    """A fixture without an expectation must say what it waits for; later work ends with none left."""
    fixture = Fixture.load(folder)
    waits_for = str(fixture.meta.get("waits_for", ""))

    assert (fixture.messages is None) == (waits_for in COMING)
