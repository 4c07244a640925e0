"""`markup.readers.python_scalar`: Python's numbers and constants in JSON, and what is neither."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.markup.readers.python_scalar import is_number, scalar

DIGITS = st.lists(st.from_regex(r"[0-9]{1,4}", fullmatch=True), min_size=1, max_size=3).map("_".join)
INTEGERS = st.from_regex(
    r"[+-]?(0|[1-9][0-9]{0,20}|0[xX]_?[0-9a-fA-F]{1,9}|0[oO][0-7]{1,9}|0[bB][01]{1,9})", fullmatch=True
)
FLOATS = st.builds(
    "{}{}.{}{}".format, st.sampled_from(["", "+", "-"]), DIGITS, DIGITS, st.sampled_from(["", "e5", "E-3", "e+10"])
)


@given(INTEGERS)
def test_integers_are_those_of_python(source: str) -> None:
    assert ast.literal_eval(source) == json.loads(scalar(source) or "")


@given(FLOATS)
def test_floats_are_those_of_python(source: str) -> None:
    assert ast.literal_eval(source) == json.loads(scalar(source) or "")


@given(st.text(st.sampled_from("+-.eE_ 0123xXabo"), max_size=8))
def test_whatever_is_taken_for_a_number_is_one_in_json(source: str) -> None:
    if is_number(source):
        said = scalar(source)
        assert said is None or isinstance(json.loads(said), int | float)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("True", "true"),
        ("true", "true"),
        ("False", "false"),
        ("false", "false"),
        ("None", "null"),
        ("null", "null"),
        ("nil", "null"),
        ("-0", "-0"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("- 5", "-5"),
        ("0x_ff", "255"),
        ("1e400", None),
        ("0." + "0" * 400 + "1", "0." + "0" * 400 + "1"),
        ("", None),
        ("...", None),
        ("\u2026", None),
    ],
)
def test_each_form_has_its_json(source: str, expected: str | None) -> None:
    assert expected == scalar(source)


@pytest.mark.parametrize("source", ["Paris", "a.b", "f(1)", "1 + 2", "1__0", "_1", "\u0663", "TRUE", "1j", "nan", "0x"])
def test_what_is_no_literal_is_a_string_unless_it_must_be_one(source: str) -> None:
    assert source == json.loads(scalar(source) or "")
    assert scalar(source, strict=True) is None
