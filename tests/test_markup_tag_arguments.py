"""`markup.readers.tag_arguments`: parameters, one after the other, come to one JSON object."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.markup.readers.function_tags import function_tags
from headgate.markup.readers.schema import Schema
from headgate.markup.readers.tag_arguments import Arguments
from headgate.markup.readers.tag_heads import Head

SCHEMA = {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "filters": {"type": "object"}}}


def arguments(schema: Any = SCHEMA, limit: int = 1000) -> Arguments:
    return Arguments(function_tags("calls", lone=True), Schema(schema), limit)


def given(reads: Arguments, *parameters: tuple[str, str]) -> list[str]:
    """What each parameter decides, and the end."""
    found: list[str] = []
    for key, text in parameters:
        found += [reads.begin(Head(0, key)), reads.feed(text)]
        reads.end()
    return [*found, reads.close()]


def test_each_value_is_closed_by_what_follows_it() -> None:
    assert ['{"city": ', '"Paris', '", "days": ', "", "3}"] == given(arguments(), ("city", "Paris"), ("days", "3"))


def test_no_parameter_is_an_empty_object() -> None:
    assert ["{}"] == given(arguments())


def test_a_quoted_name_means_the_declared_parameter() -> None:
    assert '{"city": "Paris"}' == "".join(given(arguments(), ('"city"', "Paris")))
    assert '{"\\"other\\"": "x"}' == "".join(given(arguments(), ('"other"', "x")))


@pytest.mark.parametrize("name", ["arguments", "parameters", "input"])
def test_a_lone_object_in_no_parameter_is_all_arguments(name: str) -> None:
    assert ["", "", '{"city": "Paris"}'] == given(arguments(), (name, '{"city": "Paris"}'))


def test_an_object_that_is_not_alone_stays_where_it_is() -> None:
    parameters = (("input", '{"a": 1}'), ("city", "Paris"))

    assert '{"input": {"a": 1}, "city": "Paris"}' == "".join(given(arguments(), *parameters))
    assert '{"city": "Paris", "input": "{\\"a\\": 1}"}' == "".join(given(arguments(), *reversed(parameters)))


def test_what_is_no_object_stays_where_it_is() -> None:
    assert '{"input": "text"}' == "".join(given(arguments(), ("input", "text")))
    assert '{"input": [1]}' == "".join(given(arguments(), ("input", "[1]")))


@pytest.mark.parametrize("schema", [None, {"properties": {"input": {"type": "object"}}}], ids=["unknown", "declared"])
def test_a_parameter_that_there_may_be_is_a_parameter(schema: Any) -> None:
    found = "".join(given(arguments(schema), ("input", '{"a": 1}')))

    assert found.startswith('{"input": ')


def test_all_arguments_that_are_longer_than_the_limit_are_a_string() -> None:
    reads = arguments(limit=5)
    reads.begin(Head(0, "input"))

    assert ["", '{"input": "{\\"a\\": ', '\\"b\\"}'] == [reads.feed(piece) for piece in ('{"a"', ": ", '"b"}')]
    reads.end()
    assert '"}' == reads.close()


def test_a_cut_leaves_what_was_decided() -> None:
    assert '"Par' == begun("city").cut("Par")
    assert "3" == begun("days").cut("3")
    assert '{"input": {"a": [1,' == begun("input").cut('{"a": [1,')
    assert "" == begun("city").cut("")


def begun(key: str) -> Arguments:
    reads = arguments()
    reads.begin(Head(0, key))
    return reads


def test_a_cut_behind_a_value_keeps_it() -> None:
    for key, text, expected in (("city", "Paris", '"Paris"'), ("input", '{"a": 1}', '{"input": {"a": 1}')):
        reads = begun(key)
        said = reads.feed(text)
        reads.end()

        assert expected == said + reads.cut("")


def test_only_a_declared_parameter_that_is_missing_may_begin() -> None:
    reads = begun("city")

    assert [False, True, True, False] == [reads.may_begin(key) for key in ("city", "days", "'days'", "zip")]
    assert arguments(None).may_begin("zip")


def test_a_copy_goes_on_alone() -> None:
    reads = begun("filters")
    reads.feed('{"a": ')
    twin = reads.copy()
    for one, text in ((reads, "1}"), (twin, "2}")):
        one.feed(text)
        one.end()

    assert ['{"a": 1}}', '{"a": 2}}'] == [reads.close(), twin.close()]
