"""`markup.families.granite_prose`: the sentences that Granite 3.2 thinks between, where the family is named."""

from __future__ import annotations

import pytest
from markup_cases import splitter_of
from markup_checks import check, one_call
from pieces import Said, raw, said

HERE = [
    ("Here is my thought process:", "Here is my response:"),
    ("Here's my thought process:", "Here's my response:"),
    ("Here is my thought process:", "Here's my response:"),
]
every_spelling = pytest.mark.parametrize(("opener", "closer"), HERE)


@every_spelling
def test_sentences_hold_a_thought(opener: str, closer: str) -> None:
    check(f"{opener} It rains. {closer} Take a coat.", Said("It rains.", "Take a coat."), "granite")
    check(f"\n{opener}\n\nIt rains.\n\n{closer}\nTake a coat.", Said("It rains.", "Take a coat."), "granite")


@every_spelling
def test_thought_without_an_answer_is_a_thought(opener: str, closer: str) -> None:
    check(f"{opener} It rains. {closer[:10]}", Said(f"It rains. {closer[:10]}"), "granite")
    check(f"{opener} It rains.", Said("It rains."), "granite")


def test_call_behind_the_thought() -> None:
    text = f'{HERE[0][0]} The time. {HERE[0][1]} <|tool_call|>[{{"name": "get_time", "arguments": {{}}}}]'
    check(text, one_call("get_time", "{}", reasoning="The time."), "granite")


@pytest.mark.parametrize(
    "text",
    [
        "Here is my thought failure",
        "Here is my thought process",
        "Here is my response: it rains.",
        "He said: Here is my thought process: it rains.",
        "`Here is my thought process:` begins it.",
    ],
)
def test_other_prose_stays(text: str) -> None:
    check(text, Said("", text), "granite")


@every_spelling
def test_only_the_named_family_takes_prose_for_tags(opener: str, closer: str) -> None:
    text = f"{opener} It rains. {closer} Take a coat."
    check(text, Said("", text), "auto")


def test_second_sentence_inside_code_ends_nothing() -> None:
    thought = "It ends `Here is my response:` like that."
    check(f"{HERE[0][0]} {thought} {HERE[0][1]} Yes.", Said(thought, "Yes."), "granite")


def test_thought_comes_as_it_is_written() -> None:
    reads = splitter_of("granite")

    assert Said("It rains") == said(reads.feed(f"{HERE[0][0]} It rains"))
    assert " and" == raw(reads.feed(" and Here is"))
    assert " Here is not" == raw(reads.feed(" not"))
