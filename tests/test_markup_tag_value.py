"""`markup.readers.tag_value`: a value goes out as it comes if it can only be a string, and whole if it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.markup.readers.schema import Types, Wanted
from headgate.markup.readers.tag_value import Value
from headgate.markup.readers.typed import as_json

NAMES = ["string", "integer", "number", "boolean", "null", "object", "array", "any"]
TYPES = st.frozensets(st.sampled_from(NAMES), max_size=3)
TEXTS = st.lists(
    st.sampled_from([*'{}[]",:\\ \n-.e01ntf', "true", "null", '"a"', "\ud83d", "\ude00", "é"]), max_size=10
)


def value(*types: str, limit: int = 1000) -> Value:
    return Value(Wanted(frozenset(types)), limit)


def pieces_of(reads: Value, pieces: Iterable[str]) -> list[str]:
    return [*(reads.feed(piece) for piece in pieces), reads.close()]


@given(TEXTS.map("".join), TYPES, st.lists(st.integers(0, 30), max_size=4))
def test_a_value_is_the_same_at_every_split(text: str, types: Types, places: list[int]) -> None:
    expected = as_json(text, Wanted(types))

    assert expected == "".join(pieces_of(Value(Wanted(types), 1000), [text]))
    assert expected == "".join(pieces_of(Value(Wanted(types), 1000), text))
    assert expected == "".join(pieces_of(Value(Wanted(types), 1000), cut_at(text, places)))


def test_a_string_goes_out_as_it_comes() -> None:
    assert ['"say ', '\\"hi\\"', "", '"'] == pieces_of(value("string"), ["say ", '"hi"', ""])


def test_a_string_that_may_be_null_goes_out_once_it_is_not() -> None:
    assert ["", "", '"nullable', '"'] == pieces_of(value("string", "null"), ["n", "ull", "able"])
    assert ["", "null"] == pieces_of(value("string", "null"), ["null"])


def test_anything_else_goes_out_whole() -> None:
    assert ["", "", '{"a": 1}'] == pieces_of(value("object"), ['{"a"', ": 1}"])
    assert ["", "3"] == pieces_of(value("integer"), ["3\n"])


def test_a_value_that_is_longer_than_the_limit_is_a_string() -> None:
    """What is held must be bounded, and what is said must not be lost."""
    text = '{"a": "0123456789"}'
    for pieces in cuts(text):
        assert json.dumps(text) == "".join(pieces_of(value("object", limit=10), pieces))


@pytest.mark.parametrize(
    ("types", "text", "expected"),
    [
        (("string",), "San Fr", '"San Fr'),
        (("string",), "", ""),
        (("integer",), "4", "4"),
        (("integer",), " 4 ", "4"),
        (("integer",), "", ""),
        (("boolean",), "tru", "tru"),
        (("object",), '{"a": [1', '{"a": [1'),
        (("object",), '{"a": "}', '{"a": "}'),
        (("object",), '{"a": 1}', '"{\\"a\\": 1}'),
        (("object",), '"{}', '"\\"{}'),
        (("array", "string"), "[1", '"[1'),
        (("string", "null"), "nul", '"nul'),
    ],
)
def test_a_cut_value_closes_nothing_that_it_did_not_open(types: tuple[str, ...], text: str, expected: str) -> None:
    """Nobody may run a call that is only half there, so what is left must not come to whole JSON."""
    for pieces in cuts(text):
        reads = value(*types)
        found = "".join(reads.feed(piece) for piece in pieces) + reads.cut()

        assert expected == found, pieces


def test_a_value_with_elements_waits_for_its_end() -> None:
    elements = {"<a>1</a>": '{"a": 1}'}
    made = [Value(Wanted(frozenset({"string"})), 1000, "<", elements.get) for _ in range(3)]

    assert ["", "", '{"a": 1}'] == pieces_of(made[0], ["<a>", "1</a>"])
    assert ["", '"<b>"'] == pieces_of(made[1], ["<b>"])
    assert ['"text', "<a>", '"'] == pieces_of(made[2], ["text", "<a>"])


def test_a_copy_goes_on_alone() -> None:
    reads = value("object")
    reads.feed('{"a"')
    twin = reads.copy()
    reads.feed(": 1}")
    twin.feed(": 2}")

    assert ['{"a": 1}', '{"a": 2}'] == [reads.close(), twin.close()]
