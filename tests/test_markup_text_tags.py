"""`markup.readers.text_tags`: tags around text, taken out only where their family is named."""

from __future__ import annotations

import pytest
from markup_checks import check, one_call, read
from pieces import Said, raw, said

from headgate.markup.spans import Kind

CALL = '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "get_time", "parameters": {}}]<|END_ACTION|>'
TAGGED = [
    ("command-r", "<|START_TEXT|>It rains.<|END_TEXT|>", "It rains."),
    ("command-r", "<|START_RESPONSE|>\nIt rains.\n<|END_RESPONSE|>", "It rains."),
    ("command-r", "It rains.<|END_OF_TURN_TOKEN|>", "It rains."),
    ("granite", "<response>It rains.</response>", "It rains."),
    ("granite", "<response>\nIt rains.\n</response>\n", "It rains."),
    ("functionary", ">>>all\nIt rains.", "It rains."),
    ("functionary", "all\nIt rains.", "It rains."),
    ("deepseek-v3", "It is <｜tool▁output▁begin｜>22<｜tool▁output▁end｜> degrees.", "It is 22 degrees."),
]


@pytest.mark.parametrize(("family", "text", "expected"), TAGGED)
def test_tags_around_text_say_nothing(family: str, text: str, expected: str) -> None:
    check(text, Said("", expected), family)
    check(text, Said("", expected), family, [])
    check(text, Said("", expected), family, None)


@pytest.mark.parametrize(("family", "text", "expected"), TAGGED)
def test_they_are_text_of_a_family_that_nobody_named(family: str, text: str, expected: str) -> None:
    """No text may lose a character that its model meant."""
    del family, expected
    check(text, Said("", text), "auto")


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("granite", "Close it with </response>, then go on."),
        ("granite", "A <response> has tags."),
        ("functionary", "all right\nthen"),
        ("functionary", "all"),
        ("functionary", ">>>all is well"),
        ("command-r", "`<|START_TEXT|>` comes first."),
        ("command-r", "a <col> b </code> <co"),
    ],
)
def test_what_stands_elsewhere_or_is_no_tag_is_text(family: str, text: str) -> None:
    check(text, Said("", text), family)


# -- citations -----------------------------------------------------------------------------------------------------


def test_citations_are_taken_out_of_the_middle_of_a_text() -> None:
    """White space beside them is the text's own."""
    text = "It is <co>22 degrees</co: 0:[1,2],1:[3]> in <co: 0>Paris</co: 0>."
    check(text, Said("", "It is 22 degrees in Paris."), "command-r")


def test_citation_in_a_thought_is_taken_out_too() -> None:
    text = "<|START_THINKING|>I saw <co>rain</co: 0:[1]>.<|END_THINKING|>Yes."
    check(text, Said("I saw rain.", "Yes."), "command-r")


def test_citation_that_does_not_end_on_its_line_is_text() -> None:
    for text in ("a <co: 0\n>b", "a <co: " + "0," * 50 + ">"):
        check(text, Said("", text), "command-r")


# -- beside calls --------------------------------------------------------------------------------------------------


def test_tags_beside_a_call() -> None:
    text = f"<|START_RESPONSE|>I look.<|END_RESPONSE|>{CALL}<|END_OF_TURN_TOKEN|>"
    check(text, one_call("get_time", "{}", "I look."), "command-r")


def test_text_for_all_before_a_call() -> None:
    text = 'all\nI look.\n>>>get_weather\n{"city": "Paris"}>>>all\nSoon.'
    check(text, one_call("get_weather", '{"city": "Paris"}', "I look.Soon."), "functionary")


def test_tag_that_the_end_decides_waits_for_it() -> None:
    """White space may follow the last tag, and nothing else."""
    text = "<response>It rains.</response> \n"
    spans = read([*text], "granite")

    assert Said("", "It rains.") == said(spans)
    assert text == raw(spans)
    assert Kind.MARKUP is spans[-1].kind


def test_flood_of_white_space_behind_a_last_tag_is_not_held() -> None:
    text = "It rains.</response>" + " " * 10_000
    check(text, Said("", text), "granite")
