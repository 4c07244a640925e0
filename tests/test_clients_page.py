"""`docs/clients.md`: its table is what `tests/compliance/test_clients.py` asks, and the files that it names exist."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from typing import NamedTuple

import pytest
from clients import CLIENTS
from clients.base import Client
from test_docs import DOCS, ROOT, assert_table, row, table

PAGE = DOCS / "clients.md"
ASKED = "tests/compliance/test_clients.py"
ENGINES = {
    "llama.cpp": "L",
    "llama.cpp with harmony": "H",
    "llama.cpp, recorded": "l",
    "Ollama, recorded": "o",
    "script": "s",
}
NAMES = "|".join(re.escape(client.name) for client in CLIENTS)
ID = re.compile(rf"::(?P<test>test_\w+)\[.*?(?P<client>{NAMES}): (?P<way>[\w ]+): (?P<engine>{'|'.join(ENGINES)})[\]-]")
NEVER = "–"  # noqa: RUF001  # a dash, for a cell of which there is nothing to say


CASES = {
    "text": ["test_text"],
    "reasoning": ["test_reasoning"],
    "one call": ["test_one_call_and_its_result"],
    "two parallel calls": ["test_two_parallel_calls_and_their_results"],
    "structured output": ["test_a_structured_answer", "test_a_structured_answer_by_a_forced_call"],
    "failure in the stream": [
        "test_a_failure_in_the_stream_of_a_script",
        "test_a_failure_in_the_stream_of_a_recorded_llama_cpp",
    ],
    "cut stream": ["test_a_cut_stream_of_a_script", "test_a_cut_stream_of_a_llama_cpp_that_is_killed"],
    "HTTP error": ["test_an_http_error", "test_an_http_error_of_a_script"],
    "cancel": ["test_cancelling", "test_cancelling_a_script"],
}


class Question(NamedTuple):
    """What pytest would run once."""

    test: str
    client: str
    way: str
    engine: str


@functools.cache
def questions() -> frozenset[Question]:
    """All of them, as pytest itself collects them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", ASKED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(ASKED)]
    found = [match for line in lines if (match := ID.search(line))]
    assert done.returncode == 0, done.stdout
    assert len(lines) == len(found)
    return frozenset(Question(*match.group("test", "client", "way", "engine")) for match in found)


def cell(test: str, client: Client) -> str:
    """The engines before which this client is asked, and the ways that are left out of it."""
    letters: list[str] = []
    for engine, letter in ENGINES.items():
        left_out = [way for way in client.ways if Question(test, client.name, way, engine) not in questions()]
        if len(left_out) < len(client.ways):
            letters.append(f"{letter} but {', '.join(left_out)}" if left_out else letter)
    return ", ".join(letters) or NEVER


def test_the_table_is_what_is_asked() -> None:
    expected = [
        row(case, f"`{test}`", *(cell(test, client) for client in CLIENTS))
        for case, tests in CASES.items()
        for test in tests
    ]

    assert_table(expected, PAGE, "case")


def test_every_test_is_in_the_table() -> None:
    assert {test for tests in CASES.values() for test in tests} == {question.test for question in questions()}


def test_the_columns_are_the_clients_and_their_ways() -> None:
    text = PAGE.read_text(encoding="utf-8")
    ways = [row(f"`{client.name}`", ", ".join(client.ways)) for client in CLIENTS]

    assert row("case", "test", *(f"`{client.name}`" for client in CLIENTS)) in text
    assert ways == [line.rpartition(" | ")[0] + " |" for line in table(PAGE, "asked with")]


def test_every_engine_has_its_letter_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert [] == [engine for engine, letter in ENGINES.items() if f"- **{letter}** {engine}" not in text]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_has_its_version_on_the_page(client: Client) -> None:
    assert any(line.startswith(f"| `{client.name}`") for line in table(PAGE, "client"))


def test_every_test_that_the_page_names_exists() -> None:
    """`file::test` in any sentence, besides the table."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", PAGE.read_text(encoding="utf-8"))

    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8") if test else (ROOT / file).is_file()
