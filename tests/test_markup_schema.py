"""`markup.readers.schema`: which types a tool's schema allows, however it says so."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.markup.readers.schema import Schema, Wanted

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}


def types(schema: Any) -> set[str]:
    return set(Schema(schema).wanted.types)


@pytest.mark.parametrize(
    "schema",
    [CITY, json.dumps(CITY), json.dumps(CITY).encode(), msgspec.Raw(json.dumps(CITY).encode())],
    ids=["decoded", "text", "bytes", "raw"],
)
def test_a_schema_may_be_decoded_or_not(schema: Any) -> None:
    """A request's tools are kept as the bytes that came."""
    assert ("city", "days") == Schema(schema).names
    assert Wanted(frozenset({"integer"})) == Schema(schema).member("days").wanted


@pytest.mark.parametrize("schema", [None, True, 7, [], "no JSON", b"[" * 100_000, b"\xff", {"type": 3}, {"$ref": 1}])
def test_nothing_is_known_where_there_is_no_schema(schema: Any) -> None:
    assert Wanted() == Schema(schema).wanted
    assert Wanted() == Schema(schema).member("city").wanted
    assert Schema(schema).declares("city") is None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"string"}),
        ({"type": ["integer", "null"]}, {"integer", "null"}),
        ({"type": "Int"}, {"integer"}),
        ({"type": "dict"}, {"object"}),
        ({"type": "binary"}, {"boolean"}),
        ({"type": "unheard-of"}, set()),
        ({"type": "string", "nullable": True}, {"string", "null"}),
        ({"nullable": True}, set()),
        ({"properties": {"a": {}}}, {"object"}),
        ({"items": {}}, {"array"}),
        ({"prefixItems": [{}]}, {"array"}),
        ({"description": "anything"}, set()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"integer", "null"}),
        ({"oneOf": [{"type": "string"}, {"anyOf": [{"type": "boolean"}]}]}, {"string", "boolean"}),
        ({"allOf": [{"type": "number"}, {"description": "a share"}]}, {"number"}),
        ({"anyOf": "no list"}, set()),
        ({"enum": ["a", 1, 2.5, True, None, [], {}]}, {*"string integer number boolean null array object".split()}),
        ({"const": 3}, {"integer"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_schema_allows_what_any_of_its_parts_allows(schema: Any, expected: set[str]) -> None:
    assert expected == types(schema)


def test_a_reference_leads_into_the_same_document() -> None:
    schema = {
        "$defs": {"day of the/week~": {"type": "integer"}, "again": {"$ref": "#/$defs/day of the~1week~0"}},
        "properties": {
            "day": {"$ref": "#/$defs/again"},
            "whole": {"$ref": "#"},
            "lost": {"$ref": "#/$defs/nowhere/deeper"},
            "elsewhere": {"$ref": "https://example.com/day.json"},
        },
    }
    whole = Schema(schema)

    assert {"integer"} == whole.member("day").wanted.types
    assert {"integer"} == whole.member("whole").member("whole").member("day").wanted.types
    assert Wanted() == whole.member("lost").wanted == whole.member("elsewhere").wanted


def test_references_in_a_circle_end() -> None:
    schema = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}}

    assert {"null"} == types(schema | {"$ref": "#/$defs/a"})


def test_alternatives_of_alternatives_end_too() -> None:
    """Each level doubles the last one, so that without a bound reading it takes forever."""
    defs: dict[str, Any] = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(64)}

    assert set() == types({"$defs": defs, "$ref": "#/$defs/l0"})


def test_only_listed_values_count_where_every_part_lists_them() -> None:
    assert (1, "a") == Schema({"enum": [1, "a"]}).wanted.values
    assert ("a", None) == Schema({"anyOf": [{"const": "a"}, {"enum": [None]}]}).wanted.values
    assert () == Schema({"anyOf": [{"const": "a"}, {"type": "integer"}]}).wanted.values


def test_members_of_every_part_are_members() -> None:
    schema = Schema({"anyOf": [CITY, {"properties": {"city": {"type": "null"}, "zip": {"type": "integer"}}}]})

    assert ("city", "days", "zip") == schema.names
    assert {"string", "null"} == schema.member("city").wanted.types


def test_other_members_have_the_schema_of_additional_ones() -> None:
    schema = Schema({"properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "number"}})

    assert {"null"} == schema.member("a").wanted.types
    assert {"number"} == schema.member("b").wanted.types
    assert Wanted() == Schema({"additionalProperties": False}).member("b").wanted


def test_declares_tells_unknown_from_absent() -> None:
    assert True is Schema(CITY).declares("city")
    assert False is Schema(CITY).declares("zip")
    assert Schema({"type": "object", "properties": {}}).declares("zip") is None


@pytest.mark.parametrize(
    "schema",
    [
        {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        {"items": [{"type": "string"}], "additionalItems": {"type": "integer"}},
    ],
    ids=["draft 2020-12", "before"],
)
def test_elements_of_a_list_may_differ_by_place(schema: Any) -> None:
    assert [{"string"}, {"integer"}] == [Schema(schema).element(place).wanted.types for place in (0, 1)]


def test_elements_without_a_place_are_alike() -> None:
    assert {"boolean"} == Schema({"items": {"type": "boolean"}}).element(7).wanted.types


WORDS = st.sampled_from(["type", "properties", "items", "prefixItems", "anyOf", "enum", "const", "$ref", "string", "#"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=3),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inside, max_size=4),
)


@given(ANYTHING, st.text(max_size=3))
def test_no_schema_is_an_error(schema: Any, key: str) -> None:
    """A tool's schema comes from a client."""
    found = Schema(schema)
    for part in (found, found.member(key), found.element(0), found.member("items").element(1)):
        assert isinstance(part.wanted.types, frozenset)
        assert part.declares(key) in {None, True, False}
        assert all(isinstance(name, str) for name in part.names)
