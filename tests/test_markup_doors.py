"""`headgate.markup.doors`: who is asked, in which order, and where."""

from __future__ import annotations

import re
from functools import cache

import pytest
from markup_cases import FAMILIES, NAMES, cases
from msgspec.structs import replace
from pieces import splitter

from headgate.limits import DEFAULTS
from headgate.markup import families_named
from headgate.markup.doors import BEGINNING, asked, doors
from headgate.markup.family import Families, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Kind

SETTINGS = Settings({"f": None}, True, True, DEFAULTS)
FRAME = Frame(openers=("<a>",))
LONG, SHORT = (CallFamily(name, (name,), FRAME.reader) for name in ("<a>[", "<a>"))
LENGTHS = (1, 2, 3, 5, None)
INSIDE = CallFamily("inside", ("<b>",), FRAME.reader, anywhere=False)


def scanner(text: str) -> Scanner:
    found = Scanner()
    found.feed(text)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("<a>[", LONG), ("<a>{", SHORT), ("<a>", None), ("<a", None), ("", None), ("<b>", False), ("text", False)],
)
def test_the_first_who_says_yes_reads(text: str, expected: object) -> None:
    assert expected == asked((LONG, SHORT), scanner(text), 0, SETTINGS)


def test_nobody_is_asked_before_the_one_before_has_decided() -> None:
    """Else `<a>` alone would go to another family than `<a>[` in one piece does."""
    assert SHORT == asked((SHORT, LONG), scanner("<a>"), 0, SETTINGS)
    assert asked((LONG, SHORT), scanner("<a>"), 0, SETTINGS) is None


def test_white_space_is_not_asked_about() -> None:
    assert SHORT == asked((LONG, SHORT), scanner(" \n <a>{"), 3, SETTINGS)


def test_who_is_undecided_too_long_says_no() -> None:
    class Slow(CallFamily):
        def opens(self, rest: str, settings: Settings, /) -> bool | None:
            return None

    limit = DEFAULTS.markup_chars_max
    slow = Slow("slow", ("<a>",), FRAME.reader)

    assert asked((slow, SHORT), scanner("<a>".ljust(limit)), 0, SETTINGS) is None
    assert SHORT == asked((slow, SHORT), scanner("<a>".ljust(limit + 1)), 0, SETTINGS)


def test_only_some_may_begin_in_the_middle_of_a_text() -> None:
    found = doors(Families((LONG, INSIDE), named=False), SETTINGS)

    assert ((LONG, INSIDE), (LONG,), LONG.openers) == (found.families, found.anywhere, found.openers.all)
    assert not found.thinks


def test_who_is_not_wanted_is_not_asked() -> None:
    for tools, calls in (({"f": None}, True), ({}, False)):
        settings = replace(SETTINGS, tools=tools)

        assert calls is bool(doors(Families((LONG,), named=False), settings).families)


def test_thoughts_are_looked_for_with_every_family_that_thinks() -> None:
    assert doors(families_named("hermes"), SETTINGS).thinks
    assert not doors(families_named("harmony"), SETTINGS).thinks
    assert Kind.TEXT == splitter("off").plain("<think>")


@cache
def beginnings() -> dict[str, str]:
    """By its first characters, a text of the families' cases that goes on from them."""
    texts = [case.text[place:] for case in cases() for place in range(len(case.text))]
    return {text[:BEGINNING]: text for text in texts if not text[0].isspace()}


@pytest.mark.parametrize("markup", ["auto", *FAMILIES])
def test_who_may_not_begin_so_opens_nothing_that_does(markup: str) -> None:
    """So those need not be asked. The first word of each text is the name of a tool, too."""
    chosen = families_named(markup)
    found = doors(chosen, replace(SETTINGS, named=chosen.named))
    for beginning, text in beginnings().items():
        tools = dict.fromkeys([*NAMES, *re.findall(r"[\w.]+", text[:40])[:1]])
        settings = Settings(tools, True, True, DEFAULTS, chosen.named)
        for length in LENGTHS:
            others = [family for family in found.families if family not in found.at(beginning[:length])]

            assert not [family.name for family in others if family.opens(text[:length], settings) is not False]


@pytest.mark.parametrize("tools", [None, {}])
def test_so_it_is_without_tools(tools: dict[str, None] | None) -> None:
    settings = replace(SETTINGS, tools=tools)
    found = doors(families_named("auto"), settings)
    for beginning, text in beginnings().items():
        others = [family for family in found.families if family not in found.at(beginning)]

        assert not [family.name for family in others if family.opens(text, settings) is not False]


def test_nobody_is_asked_about_prose() -> None:
    prose = doors(families_named("auto"), replace(SETTINGS, tools={}))

    assert {()} == {prose.at(beginning) for beginning in ("The", "I a", "1. ", "**A", "é", "to ")}
    assert {"harmony", "muse"} == {family.name for family in prose.at("to=")}
    assert ("hermes",) == tuple(family.name for family in doors(families_named("hermes"), SETTINGS).at("<to"))[:1]


def test_what_is_kept_of_beginnings_is_bounded() -> None:
    found = doors(families_named("harmony"), SETTINGS)
    verdicts = {found.at(f"{number:x}") for number in range(70_000)} | {found.at("<|c")}

    assert {(), found.families} == verdicts
    assert len(found._by_beginning) <= 4096
