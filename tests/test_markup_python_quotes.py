"""`markup.readers.python_quotes`: a quote ends its string only where Python may go on behind it."""

from __future__ import annotations

import pytest

from headgate.markup.readers.python_brackets import Open
from headgate.markup.readers.python_quotes import ends_string
from headgate.markup.readers.python_string import BEHIND_MAX

IN_CALL = (Open.CALL,)
IN_LIST = (Open.CALL, Open.LIST)
IN_DICT = (Open.CALL, Open.DICT)


def verdict(
    behind: str, opened: tuple[Open, ...] = IN_CALL, *, key: bool = False, broken: bool = False, named: bool = True
) -> bool | None:
    return ends_string(behind, opened, key=key, broken=broken, named=named)


@pytest.mark.parametrize(
    ("behind", "opened"),
    [
        (")]", IN_CALL),
        (")<", IN_CALL),
        (")\nSo", IN_CALL),
        (", b=1", IN_CALL),
        (",\n  **{", IN_CALL),
        (",)", IN_CALL),
        ("])\nSo", IN_LIST),
        (", 'x'", IN_LIST),
        (", True,", IN_LIST),
        (", -1", IN_LIST),
        (",]", IN_LIST),
        ("], b=1", IN_LIST),
        ("}, b=1", IN_DICT),
        (", 'k'", IN_DICT),
        (" 'more'", IN_CALL),
    ],
)
def test_a_quote_before_the_rest_of_a_call_ends_its_string(behind: str, opened: tuple[Open, ...]) -> None:
    assert verdict(behind, opened) is True


@pytest.mark.parametrize(
    ("behind", "opened"),
    [
        ("s fine", IN_CALL),
        (") said", IN_LIST),
        (", and so", IN_CALL),
        (", b==1", IN_CALL),
        (", 'x'", IN_CALL),
        (", and so", IN_LIST),
        ("]", IN_CALL),
        (": 1", IN_LIST),
        ("), then", IN_LIST),
    ],
)
def test_a_quote_before_anything_else_is_text(behind: str, opened: tuple[Open, ...]) -> None:
    assert verdict(behind, opened) is False


@pytest.mark.parametrize(
    ("behind", "opened"),
    [
        ("", IN_CALL),
        (" ", IN_CALL),
        (")", IN_CALL),
        (", b", IN_CALL),
        (", *", IN_CALL),
        (", ", IN_LIST),
        (", Tru", IN_LIST),
    ],
)
def test_a_quote_waits_until_enough_follows(behind: str, opened: tuple[Open, ...]) -> None:
    assert verdict(behind, opened) is None


def test_a_quote_does_not_wait_for_ever() -> None:
    for behind in (" " * BEHIND_MAX, "," + " " * (BEHIND_MAX - 1)):
        assert verdict(behind) is True


def test_a_colon_follows_a_key_only() -> None:
    assert verdict(": 1", IN_DICT, key=True) is True
    assert verdict(": 1", IN_DICT, key=False) is False


def test_another_value_follows_while_arguments_may_be_positional() -> None:
    assert verdict(", 'x'", named=False) is True
    assert verdict(", 'x'", named=True) is False


def test_a_string_in_which_quotes_stood_is_not_joined_with_the_next() -> None:
    """The next quote is one more that was not escaped."""
    assert verdict(" 'x'", broken=False) is True
    assert verdict(" 'x'", broken=True) is False
