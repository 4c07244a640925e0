"""The repairs and the quirks they answer: each is explained, each is shown by a case, and `docs/repairs.md` says so.

`make golden` rewrites the tables of the page from `headgate.repairs`, `tests/quirks.toml` and the fixtures.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec
import pytest
from test_docs import DOCS, ROOT, assert_table, row

import headgate
from headgate.dialects import dialects
from headgate.discovery import Engine
from headgate.events import Event, Repair, from_jsonl
from headgate.repairs import BREAKS, CODES
from headgate.surfaces import surfaces
from headgate.surfaces.base import Writing

TESTS = Path(__file__).parent
CASES = TESTS / "fixtures" / "dialects"
PAGE = DOCS / "repairs.md"
SHOWN_MAX = 3

# What is owed by a dialect and a surface: when both are there, the row must name what shows it.
OWED = {"the Responses dialect and surface": "responses", "the Anthropic dialect and surface": "anthropic"}


class Quirk(msgspec.Struct, forbid_unknown_fields=True):
    """A row of `quirks.toml`."""

    number: int
    what: str
    engines: str
    repairs: list[str] = []
    fixtures: list[str] = []
    tests: list[str] = []
    owes: str = ""


class Excuse(msgspec.Struct, forbid_unknown_fields=True):
    """Who will bring a repair that nothing makes yet."""

    owes: str


class Rows(msgspec.Struct, forbid_unknown_fields=True):
    """`quirks.toml`."""

    quirk: list[Quirk]
    without_fixture: dict[str, Excuse]


ROWS = msgspec.convert(tomllib.loads((TESTS / "quirks.toml").read_text("utf-8")), Rows)
QUIRKS, WITHOUT_FIXTURE = ROWS.quirk, ROWS.without_fixture


@cache
def cases() -> dict[str, frozenset[str]]:
    """Every fixture with events, and its repairs. The clearest come first: built for a quirk, then from the notes."""
    found = {path.parent.relative_to(CASES).as_posix(): path.read_bytes() for path in CASES.glob("*/*/events.jsonl")}
    ranked = sorted(found, key=lambda name: (_rank(name), name))
    return {name: frozenset(repairs_in(from_jsonl(found[name]))) for name in ranked}


def _rank(name: str) -> int:
    case = name.partition("/")[2]
    return 0 if case.startswith("quirk-") else 1 if case.startswith("seed-") else 2


def repairs_in(events: Iterable[Event]) -> list[str]:
    """The codes of the repairs among events."""
    return [event.code for event in events if isinstance(event, Repair)]


def shown_by(code: str) -> list[str]:
    """The fixtures that show a repair; those of the quirks that it answers come first."""
    chosen = [name for quirk in QUIRKS if code in quirk.repairs for name in quirk.fixtures]
    return [name for name in dict.fromkeys([*chosen, *cases()]) if code in cases().get(name, ())]


def link(name: str) -> str:
    """A link to a fixture."""
    return f"[{name}](../tests/fixtures/dialects/{name})"


def links(names: list[str]) -> str:
    """Links to the first fixtures of many."""
    more = ", and others" if len(names) > SHOWN_MAX else ""
    return ", ".join(map(link, names[:SHOWN_MAX])) + more


def line_of(test: str) -> int | None:
    """The line on which a test stands, named as pytest does; None if there is none."""
    file, _, name = test.partition("::")
    path = ROOT / file
    if not path.is_file():
        return None
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = (
        node.lineno for node in ast.parse(path.read_bytes()).body if isinstance(node, functions) and node.name == name
    )
    return next(found, None)


def test_every_repair_says_what_breaks_without_it() -> None:
    """A new code needs a sentence in `BREAKS` too."""
    assert list(CODES) == list(BREAKS)


def test_every_repair_is_on_the_page_as_it_is() -> None:
    expected = [
        row(f"`{code}`", sentence, BREAKS[code], links(shown_by(code)) or f"owed by {WITHOUT_FIXTURE[code].owes}")
        for code, sentence in CODES.items()
    ]

    assert_table(expected, PAGE, "repair")


def test_every_quirk_is_on_the_page_as_it_is() -> None:
    expected = [row(str(quirk.number), quirk.what, quirk.engines, answer(quirk), shown(quirk)) for quirk in QUIRKS]

    assert_table(expected, PAGE, "quirk")


def answer(quirk: Quirk) -> str:
    """What is done about a quirk, and what is not done yet."""
    repairs = ", ".join(f"`{code}`" for code in quirk.repairs)
    done = repairs or ("nothing to repair" if not quirk.owes else "")
    return "; ".join(part for part in (done, f"to come: {quirk.owes}" if quirk.owes else "") if part)


def shown(quirk: Quirk) -> str:
    """What shows that."""
    tests = [
        f"`{test.partition('::')[2]}` in [{test.partition('::')[0]}](../{test.partition('::')[0]})"
        for test in quirk.tests
    ]
    return ", ".join([*map(link, quirk.fixtures), *tests])


@pytest.mark.parametrize("code", CODES)
def test_a_repair_has_a_case_that_shows_it(code: str) -> None:
    """A repair that no bytes need would be a guess; one that nothing makes yet must say who will."""
    assert bool(shown_by(code)) is not (code in WITHOUT_FIXTURE)


@pytest.mark.parametrize("code", WITHOUT_FIXTURE)
def test_a_repair_without_a_case_is_made_nowhere(code: str) -> None:
    sources = [path for path in (ROOT / "src").rglob("*.py") if path.name != "repairs.py"]

    assert [] == [path.name for path in sources if f'"{code}"' in path.read_text("utf-8")]


def test_quirks_have_the_numbers_of_their_fixtures() -> None:
    numbers = [quirk.number for quirk in QUIRKS]
    named = {int(name.split("quirk-")[1][:2]) for name in cases() if "/quirk-" in name}

    assert list(range(1, 41)) == numbers
    assert named <= set(numbers)


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: str(quirk.number))
def test_what_a_quirk_names_exists_and_shows_it(quirk: Quirk) -> None:
    """Every fixture and test is there, and the fixtures need every repair that the quirk is answered with."""
    fixtures, tests = quirk.fixtures, quirk.tests
    needed = {code for name in fixtures for code in cases().get(name, ())}

    assert [] == [name for name in fixtures if name not in cases()]
    assert [] == [test for test in tests if line_of(test) is None]
    assert [] == [code for code in quirk.repairs if code not in needed]
    assert fixtures or tests or quirk.owes


@pytest.mark.parametrize("capability", OWED)
def test_what_a_dialect_and_a_surface_owe_is_not_there_yet(capability: str) -> None:
    """Whoever brings them names in `quirks.toml` what shows it, and takes the capability out of `OWED`."""
    owing = [quirk.number for quirk in QUIRKS if quirk.owes == capability]

    assert owing
    assert OWED[capability] not in dialects() or OWED[capability] not in surfaces()


def test_every_repair_answers_a_quirk() -> None:
    answered = {code for quirk in QUIRKS for code in quirk.repairs}

    assert [] == [code for code in CODES if code not in answered and code not in WITHOUT_FIXTURE]


@pytest.mark.parametrize(
    ("test", "exists"),
    [
        ("tests/test_repairs.py::test_every_repair_answers_a_quirk", True),
        ("tests/test_repairs.py::test_nothing_of_the_kind", False),
        ("tests/test_nothing.py::test_every_repair_answers_a_quirk", False),
        ("tests/test_repairs.py", False),
    ],
)
def test_a_test_that_is_not_there_is_noticed(test: str, *, exists: bool) -> None:
    assert exists is (line_of(test) is not None)


# -- quirks that are answered by what Headgate does, and not by a repair -----------------------------------------


def test_sglang_is_asked_on_the_path_that_sends_everything() -> None:
    """Its `/api/chat` keeps the last words to itself; nobody could tell from the bytes."""
    assert "openai" == Engine("sglang", "http://127.0.0.1:30000").dialect


def test_no_event_without_data_is_ever_written() -> None:
    """Clients parse the data of every event; one without any ends them."""
    writes = headgate.translator("openai", model="m", now_s=1)
    response = (CASES / "openai" / "quirk-34-data-without-a-payload" / "response.raw").read_bytes()
    written = writes.feed(response) + writes.close()
    waits = surfaces()["chat"].keepalive(Writing("i", 1, "m"))

    assert re.fullmatch(rb"(?:data: [{\[][^\n]+\n\n)+", written)
    assert re.fullmatch(rb":[^\n]*\n\n", waits)
