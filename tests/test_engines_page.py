"""`docs/engines.md`: its rows are those of the fixtures and the notes, and rows of live runs are whole and say when."""

from __future__ import annotations

from datetime import date

import pytest
from engine.corpus import Template
from matrix.asking import Outcome, instead_of
from matrix.builds import FIRST, MODES, OLDER, TEMPLATES, Stand, stands
from matrix.notes import NOTES
from matrix.page import (
    COLUMNS,
    EXACT,
    NOTE,
    OF_THE_CLOCK,
    PAGE,
    REPLAYED,
    RUN,
    UNASKED,
    RunRow,
    column_of,
    note_rows,
    replayed_rows,
    run_row,
    run_rows,
)
from matrix.questions import QUESTIONS, TOO_LONG, Question
from oracle.wire import Choice
from test_docs import assert_table, row, table

from headgate.repairs import CODES

ROWS = [RunRow.read(line) for line in table(PAGE, RUN)]
LETTERS = {one.letter for one in NOTES}
LIMIT = next(one for one in QUESTIONS if one.is_cut)


def header(first: str) -> str:
    """The header of a table."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"| {first} |"))


def test_every_exchange_is_on_the_page() -> None:
    assert_table(replayed_rows(), PAGE, REPLAYED)


def test_every_note_is_on_the_page() -> None:
    assert_table(note_rows(), PAGE, NOTE)


def test_the_columns_are_the_questions() -> None:
    names = [question.name for question in QUESTIONS]

    assert row("build", "mode", "template", "told", *names, "repairs", "run on") == header(RUN)
    assert row(*"engine version model path obtained".split(), *COLUMNS, "whole", "repairs", "date") == header(REPLAYED)


def test_every_build_was_run_in_every_mode() -> None:
    """A build that is newer than those named here stands on the page as the last one."""
    builds = dict.fromkeys(one.build for one in ROWS)

    assert [*OLDER] == list(builds)[:-1]
    assert list(run_rows()) == [(one.build, one.mode.name, one.template) for one in stands(*builds)]
    assert len(ROWS) == len(run_rows())


@pytest.mark.parametrize("one", ROWS, ids=lambda one: "-".join(one.key))
def test_a_row_says_only_what_is_known(one: RunRow) -> None:
    cells = {word for cell in one.cells for word in cell.split(" / ")}

    assert len(QUESTIONS) == len(one.cells)
    assert cells <= {EXACT, UNASKED} | LETTERS
    assert one.line() in PAGE.read_text(encoding="utf-8")
    assert (one.mode, one.template) in {(mode.name, template) for mode in MODES for template in TEMPLATES}
    assert set(one.repairs) <= CODES.keys() - {OF_THE_CLOCK}
    assert one.date == date.fromisoformat(one.date).isoformat()


def test_the_newest_build_and_the_model_as_it_should_be_run_need_no_note() -> None:
    """What a user has who does nothing special: whatever stands in the way of that is a fault of ours."""
    plain = [one for one in ROWS if one.build == ROWS[-1].build and one.mode in {MODES[0].name, MODES[1].name}]

    assert len(TEMPLATES) * 2 == len(plain)
    assert {EXACT, UNASKED} == {cell for one in plain for cell in one.cells}


# -- what the matrix itself notices --------------------------------------------------------------------------------

NEWEST = Stand("2026.10.11549", MODES[0], "hermes")
FIRST_BUILD = Stand(FIRST, MODES[0], "hermes")
NAME = QUESTIONS[0]


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_model_knows_what_it_is_asked(template: Template) -> None:
    asked = [one for one in QUESTIONS if template in one.templates and one is not TOO_LONG]

    assert [] == [one.name for one in asked if not (one.answer(template).content or one.answer(template).calls)]
    with pytest.raises(LookupError, match="does not know 'error'"):
        TOO_LONG.answer(template)


@pytest.mark.parametrize(
    ("question", "choice", "instead"),
    [
        (NAME, Choice(content="My name is Neo Vim.\n", reason="stop"), ""),
        (NAME, Choice(content="My name is", reason="stop"), "content 'My name is'; finish 'stop'"),
        (
            NAME,
            Choice(content="My name is Neo Vim.", reason="length"),
            "content 'My name is Neo Vim.'; finish 'length'",
        ),
        (NAME, Choice(error={"status": 502, "message": "gone"}), "502: gone"),
        (TOO_LONG, Choice(error={"status": 400, "message": "too long"}), ""),
        (TOO_LONG, Choice(error={"status": 500, "message": "oh"}), "500: oh"),
        (TOO_LONG, Choice(content="Hello!", reason="stop"), "an answer"),
        (LIMIT, Choice(content="Once upon a time", reason="length"), ""),
        (LIMIT, Choice(content="Once upon a time", reason="stop"), "content 'Once upon a time'; finish 'stop'"),
        (LIMIT, Choice(content="Twice", reason="length"), "content 'Twice'; finish 'length'"),
    ],
)
def test_anything_but_the_answer_is_noticed(question: Question, choice: Choice, instead: str) -> None:
    assert instead == instead_of(question, "hermes", choice)


def test_what_no_note_explains_is_an_error() -> None:
    with pytest.raises(LookupError, match="text, whole: no note for 502: gone"):
        run_row(NEWEST, [Outcome("text", "whole", "502: gone", ())], "2026-11-21")


def test_a_note_that_nothing_needs_any_more_is_an_error() -> None:
    with pytest.raises(LookupError, match="nothing needs the notes a any more"):
        run_row(FIRST_BUILD, [Outcome("two calls", "whole", "", ())], "2026-11-21")


def test_a_row_tells_both_ways_apart_and_its_repairs_in_order() -> None:
    one_call = """calls 'run_command({"command": "ls"})'; finish 'tool_calls'"""
    outcomes = [
        Outcome("text", "streamed", "", ("markup_removed", OF_THE_CLOCK)),
        Outcome("two calls", "streamed", one_call, ("null_dropped",)),
        Outcome("two calls", "whole", "", ()),
    ]

    found = run_row(FIRST_BUILD, outcomes, "2026-11-21")

    names = [question.name for question in QUESTIONS]
    assert EXACT == found.cells[names.index("text")]
    assert f"a / {EXACT}" == found.cells[names.index("two calls")]
    assert UNASKED == found.cells[names.index("call")]
    assert ("null_dropped", "markup_removed") == found.repairs
    assert found == RunRow.read(found.line())


def message(**more: object) -> dict[str, object]:
    return {"error": None, "finish_reason": "stop", "tool_calls": [], "reasoning_content": None} | more


@pytest.mark.parametrize(
    ("message", "column"),
    [
        (message(), "text"),
        (message(reasoning_content="so"), "thought"),
        (message(reasoning_content="so", tool_calls=[{}]), "call"),
        (message(tool_calls=[{}, {}]), "calls"),
        (message(tool_calls=[{}], finish_reason="length"), "limit"),
        (message(reasoning_content="so", error={"code": "upstream_error"}), "error"),
    ],
)
def test_an_exchange_stands_in_one_column(message: dict[str, object], column: str) -> None:
    assert column == column_of([message])
