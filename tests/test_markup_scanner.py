"""`headgate.markup.scanner`: the only hold-back there is holds back exactly what may still be a tag."""

from __future__ import annotations

import pytest

from headgate.markup.scanner import SPACE_MAX, Scanner, Tags

TAGS = Tags(["</a>", "</ab>", "<|x|>", "é"])


def fed(text: str) -> Scanner:
    scanner = Scanner()
    scanner.feed(text)
    return scanner


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x</a>y", (1, "</a>")),
        ("x</ab>y", (1, "</ab>")),
        ("</a", None),
        ("<|x|></a>", (0, "<|x|>")),
        ("<</a>", (1, "</a>")),
        ("xé", (1, "é")),
        ("", None),
    ],
)
def test_the_first_tag_is_found_and_the_longest_at_its_place(text: str, expected: tuple[int, str] | None) -> None:
    assert expected == TAGS.find(text, 0)


def test_a_tag_before_the_position_is_not_found() -> None:
    assert TAGS.find("</a>", 1) is None


def test_a_tag_that_is_the_start_of_another_gives_way_to_it() -> None:
    """Alternation takes the first that fits, so the longer one must be tried first."""
    assert (0, "<think_fast>") == Tags(["<think", "<think_fast>"]).find("<think_fast>", 0)


@pytest.mark.parametrize(
    ("text", "held"),
    [("", 0), ("x", 0), ("x<", 1), ("x</", 2), ("x</a", 3), ("x</ab", 4), ("x</ac", 0), ("<|", 2), ("<<", 1), ("é", 0)],
)
def test_only_what_may_become_a_tag_is_held(text: str, held: int) -> None:
    assert held == TAGS.held(text, 0)


def test_nothing_before_the_position_is_held() -> None:
    """What was taken is gone: a `<` that went out as text does not open a tag with what follows."""
    assert (1, 0) == (TAGS.held("x<", 1), TAGS.held("x<", 2))


@pytest.mark.parametrize(("text", "may"), [("", True), ("<", True), ("</a", True), ("</a>", False), ("x", False)])
def test_a_proper_beginning_may_start_a_tag(text: str, *, may: bool) -> None:
    assert may is TAGS.may_start(text)


def test_taking_moves_on_and_feeding_forgets_what_was_taken() -> None:
    scanner = fed("abcdef")

    assert ("ab", "cde", 4) == (scanner.take(2), scanner.peek(3), len(scanner))
    scanner.feed("gh")
    assert ("cdefgh", 0) == (scanner.text, scanner.position)
    assert ("cdefgh", "", 0) == (scanner.take_all(), scanner.peek(5), len(scanner))


def test_white_space_is_taken_up_to_the_first_other_character() -> None:
    scanner = fed(" \n\t\u00a0\u2003x ")

    assert (" \n\t\u00a0\u2003", "", "x ") == (scanner.take_space(), scanner.take_space(), scanner.take_all())


def test_text_is_taken_up_to_the_tag_and_the_tag_with_it() -> None:
    scanner = fed("one </a>two</ab>three<|")

    assert ("one ", "", "</a>") == scanner.until(TAGS)
    assert ("two", "", "</ab>") == scanner.until(TAGS)
    assert ("three", "", None) == scanner.until(TAGS)
    assert ("", "", None) == scanner.until(TAGS)
    assert "<|" == scanner.take_all()


def test_white_space_before_a_tag_is_told_apart_and_held_while_a_tag_may_follow() -> None:
    scanner = fed("one \n")

    assert ("one", "", None) == scanner.until(TAGS, trim=True)
    scanner.feed("<")
    assert ("", "", None) == scanner.until(TAGS, trim=True)
    scanner.feed("/a>")
    assert ("", " \n", "</a>") == scanner.until(TAGS, trim=True)


def test_white_space_before_what_is_no_tag_is_text() -> None:
    scanner = fed("one \n<")
    scanner.until(TAGS, trim=True)
    scanner.feed("b")

    assert (" \n<b", "", None) == scanner.until(TAGS, trim=True)


@pytest.mark.parametrize("size", [SPACE_MAX, SPACE_MAX + 1])
def test_at_most_so_much_white_space_is_held(size: int) -> None:
    """A flood of line ends must neither be hoarded nor make a difference between whole and piecewise."""
    whole = fed("x" + " " * size + "</a>")
    pieces = Scanner()
    text = ""
    for character in "x" + " " * size:
        pieces.feed(character)
        text += pieces.until(TAGS, trim=True)[0]
    pieces.feed("</a>")
    last, space, tag = pieces.until(TAGS, trim=True)

    assert ("x" + " " * (size - SPACE_MAX), " " * SPACE_MAX, "</a>") == whole.until(TAGS, trim=True)
    assert ("x" + " " * (size - SPACE_MAX), " " * SPACE_MAX, "</a>") == (text + last, space, tag)


def test_a_copy_goes_its_own_way() -> None:
    scanner = fed("abc")
    scanner.take(1)
    twin = scanner.copy()
    twin.take_all()

    assert ("bc", "") == (scanner.take_all(), twin.take_all())
