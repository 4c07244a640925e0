"""`markup.readers.typed`: bare text becomes JSON of a type that its parameter may have, and none of it gets lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.markup.readers.schema import Types, Wanted
from headgate.markup.readers.typed import ANY, CONTAINERS, STRING, as_json, may_be_other, may_be_string

NAMES = ["string", "integer", "number", "boolean", "null", "object", "array", "any"]


def read(text: str, *types: str, values: tuple[Any, ...] = ()) -> str:
    return as_json(text, Wanted(frozenset(types), values))


@pytest.mark.parametrize(
    "text", ["", "123", "true", "null", " a ", '"quoted"', '{"a": 1}', "[1]", 'say "hi"\n\t\\', "é👋"]
)
def test_a_string_stays_the_string_it_is(text: str) -> None:
    assert text == json.loads(read(text, "string"))
    assert text == json.loads(read(text)), "and so does what nothing is known of"


@pytest.mark.parametrize(
    ("text", "types", "expected"),
    [
        ("3", "integer", "3"),
        (" 3\n", "integer", "3"),
        ("+3", "integer", "3"),
        ("-0", "integer", "-0"),
        ("007", "integer", "7"),
        ("3.0", "integer", "3"),
        ("3.5", "integer", '"3.5"'),
        ("three", "integer", '"three"'),
        ("12345678901234567890123", "integer", "12345678901234567890123"),
        ("0.1", "number", "0.1"),
        (".5", "number", "0.5"),
        ("5.", "number", "5"),
        ("-1E+3", "number", "-1E+3"),
        ("0.10000000000000000001", "number", "0.10000000000000000001"),
        ("1e999", "number", "1e999"),
        ("NaN", "number", '"NaN"'),
        ("Infinity", "number", '"Infinity"'),
        (".", "number", '"."'),
        ("1" * 5000, "number", '"' + "1" * 5000 + '"'),
        ("TRUE", "boolean", "true"),
        ("yes", "boolean", "true"),
        ("0", "boolean", "false"),
        ("maybe", "boolean", '"maybe"'),
        ("null", "integer", "null"),
        ("None", "object", "null"),
        ("nullable", "integer", '"nullable"'),
        ('{"a": [1, 2.50]}', "object", '{"a": [1, 2.50]}'),
        ('["a"]', "array", '["a"]'),
        ('["a"]', "object", '["a"]'),
        ("{not json", "object", '"{not json"'),
        ("plain", "object", '"plain"'),
        ('"3"', "integer", "3"),
        ('"{\\"a\\": 1}"', "object", '{"a": 1}'),
    ],
)
def test_one_type_is_read_leniently(text: str, types: str, expected: str) -> None:
    assert expected == read(text, types)


@pytest.mark.parametrize(
    ("text", "types", "expected"),
    [
        ("3", ("integer", "null"), "3"),
        ("null", ("integer", "null"), "null"),
        ("null", ("string", "null"), "null"),
        ("Paris", ("string", "null"), '"Paris"'),
        ("3", ("string", "integer"), "3"),
        ('"3"', ("string", "integer"), '"3"'),
        ("3.5", ("string", "integer"), '"3.5"'),
        ("yes", ("string", "boolean"), '"yes"'),
        ("true", ("string", "boolean"), "true"),
        ('{"a": 1}', ("string", "object"), '{"a": 1}'),
        ("{a", ("string", "object"), '"{a"'),
        ("1", ("number", "integer"), "1"),
        ("1.5", ("number", "integer"), "1.5"),
    ],
)
def test_the_most_particular_type_wins(text: str, types: tuple[str, ...], expected: str) -> None:
    assert expected == read(text, *types)


def test_a_listed_value_wins_over_its_type() -> None:
    assert '"1"' == read("1", "integer", "string", values=("1", 2))
    assert "2" == read("2", "integer", "string", values=("1", 2))
    assert '"null"' == read("null", "null", "string", values=("null", None))
    assert "1.0" == read("1.0", "integer", "number", values=(1.0, "one")), "the number that is listed, not the integer"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': True, 'b': (1, None)}", '{"a": true, "b": [1, null]}'),
        ("['it\\'s', \"x\"]", '["it\'s", "x"]'),
        ('["two\nlines"]', '["two\\nlines"]'),
        ('[\\"a\\", \\"b\\"]', '["a", "b"]'),
        ("{'a': open('x')}", None),
        ("[1, 2", None),
        ("[1] and more", None),
        ('{"a": NaN}', None),
    ],
)
def test_a_container_may_be_written_in_pythons_notation(text: str, expected: str | None) -> None:
    assert json.loads(expected or json.dumps(text)) == json.loads(read(text, "object", "array"))


@pytest.mark.parametrize(
    ("text", "any_value", "container"),
    [
        ("1", "1", '"1"'),
        ("true", "true", '"true"'),
        ("null", "null", '"null"'),
        ('"a"', '"a"', '"a"'),
        ("[1]", "[1]", "[1]"),
        ("Paris", '"Paris"', '"Paris"'),
        ("007", '"007"', '"007"'),
        ("1e5", "1e5", '"1e5"'),
    ],
)
def test_without_a_schema_the_template_decides(text: str, any_value: str, container: str) -> None:
    """Some templates write strings bare and everything else as JSON; some write numbers bare, as strings are."""
    assert any_value == as_json(text, Wanted(ANY))
    assert container == as_json(text, Wanted(CONTAINERS))
    assert json.dumps(text) == as_json(text, Wanted(STRING))


TYPES = st.frozensets(st.sampled_from(NAMES), max_size=4)
PIECES = st.sampled_from([*'{}[]()",:\\ \n-+.eE019', '"a"', "true", "null", "None", "NaN", "'", "\ud800", "é", "a"])
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=12)
LISTED = st.lists(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.sampled_from(["1", "a"]), max_size=2
)


@given(TEXTS, TYPES, LISTED)
@example("[" * 100_000, frozenset({"array"}), [])
@example("-" * 100_000, frozenset({"number"}), [])
@example("(" * 100_000, ANY, [])
@example("1" * 100_000, ANY, [])
def test_every_text_becomes_json(text: str, types: Types, values: list[Any]) -> None:
    found = as_json(text, Wanted(types, tuple(values)))

    json.loads(found, parse_constant=pytest.fail)
    if not types:
        assert text == json.loads(found)


@given(TEXTS, TYPES.filter(may_be_string))
def test_what_can_only_be_a_string_is_one_however_it_goes_on(text: str, types: Types) -> None:
    """So that its beginning may go out before its end is known."""
    for place in range(len(text) + 1):
        if not may_be_other(text[:place], types):
            assert text == json.loads(as_json(text, Wanted(types)))
            assert not any(may_be_other(text[:longer], types) for longer in range(place, len(text) + 1))
