"""`headgate.markup.doors`: who is asked, in which order, and where."""

from __future__ import annotations

import pytest
from pieces import splitter

from headgate.limits import DEFAULTS
from headgate.markup import families_named
from headgate.markup.doors import asked, doors
from headgate.markup.family import Families, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.scanner import Scanner

SETTINGS = Settings({"f": None}, True, True, DEFAULTS)
FRAME = Frame(openers=("<a>",))
LONG, SHORT = (CallFamily(name, (name,), FRAME.reader) for name in ("<a>[", "<a>"))
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
        settings = SETTINGS._replace(tools=tools)

        assert calls is bool(doors(Families((LONG,), named=False), settings).families)


def test_thoughts_are_looked_for_with_every_family_that_thinks() -> None:
    assert doors(families_named("hermes"), SETTINGS).thinks
    assert not doors(families_named("harmony"), SETTINGS).thinks
    assert splitter("off").plain("<think>") is None
