"""`markup.readers.gemma_arguments`: Gemma's notation means the same at every split, with the mistakes models make."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.markup.readers.gemma_arguments import GemmaArguments
from headgate.markup.readers.python_brackets import DEPTH_MAX
from headgate.markup.readers.schema import Schema
from headgate.markup.scanner import Scanner

Q = '<|"|>'
CLOSERS = ("<tool_call|>", "<turn|>")
BEHIND = "<tool_call|>"
TYPED = Schema(
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "metric": {"type": "boolean"},
            "extra": {"type": ["object", "null"]},
        },
    }
)


def arguments(schema: Schema = TYPED, held_max: int = 1000) -> GemmaArguments:
    return GemmaArguments(Q, CLOSERS, schema, held_max)


def read(pieces: Iterable[str], reads: GemmaArguments) -> tuple[str, str]:
    """The JSON of the arguments, and the text behind them; checks that every character was taken once."""
    scanner = Scanner()
    text = taken = said = ""
    for piece in pieces:
        text += piece
        scanner.feed(piece)
        reading = reads.read(scanner)
        taken += reading.source + reading.behind
        said += reading.json
    if not (reads.done or reads.wrong):
        reads.finish()
        reading = reads.read(scanner)
        taken += reading.source + reading.behind
        said += reading.json
    rest = scanner.peek(len(scanner))
    assert text == taken + rest
    return said, rest


def check(text: str, expected: Any, schema: Schema = TYPED) -> None:
    """The arguments mean this, at every split, and end where they end."""
    for pieces in cuts(text + "}" + BEHIND):
        said, rest = read(pieces, reads := arguments(schema))

        assert reads.done, pieces
        assert rest == BEHIND, pieces
        assert expected == json.loads(said), pieces


def written(value: Any) -> str:
    """A value as the chat template of Gemma 4 writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return f"{Q}{value}{Q}" if isinstance(value, str) else json.dumps(value)


TEXTS = st.text(st.sampled_from([*"ab\"'\\\n ,:={}[]<|>", "é", "😀"]), max_size=12).filter(
    lambda text: Q not in text + Q[:-1] and BEHIND not in text and "<turn|>" not in text
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**12), 10**12), TEXTS)
KEYS = st.sampled_from(["a", "b_2", "c-d", "e f", "größe"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(KEYS, VALUES, max_size=3), st.lists(st.integers(0, 60), max_size=4))
def test_what_the_template_writes_is_read_back(values: dict[str, Any], places: list[int]) -> None:
    text = written(values)[1:] + BEHIND

    for pieces in ([text], list(text), cut_at(text, places)):
        said, rest = read(pieces, reads := arguments())

        assert reads.done
        assert rest == BEHIND
        assert values == json.loads(said)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", {}),
        (" ", {}),
        (f"city:{Q}Paris{Q},days:3", {"city": "Paris", "days": 3}),
        (f" city : {Q}Paris{Q} , days : 3 ", {"city": "Paris", "days": 3}),
        (f"city:{Q}{Q}", {"city": ""}),
        ("city:Paris", {"city": "Paris"}),
        ("city:Paris, France,days:3", {"city": "Paris, France", "days": 3}),
        (f"city:Paris{Q},days:3", {"city": "Paris", "days": 3}),
        (f"{Q}city{Q}:{Q}Paris{Q}", {"city": "Paris"}),
        ('"city":"Paris"', {"city": "Paris"}),
        ('"ci\\"ty":"Par\\u0069s"', {'ci"ty': "Paris"}),
        ("city:'it's'", {"city": "it's"}),
        (f"days:{Q}3{Q}", {"days": 3}),
        (f"metric:{Q}true{Q}", {"metric": True}),
        (f"extra:{Q}null{Q}", {"extra": None}),
        (f'extra:{Q}{{"a": 1}}{Q}', {"extra": {"a": 1}}),
        (f"city:{Q}3{Q}", {"city": "3"}),
        ("days:3,,metric:true,", {"days": 3, "metric": True}),
        ("other:None", {"other": None}),
        ("other:-1.50", {"other": -1.5}),
        (f"other:[1,{Q}a{Q},[],{{}}]", {"other": [1, "a", [], {}]}),
        (f"city:{Q}a }}<b> ]{Q}", {"city": "a }<b> ]"}),
        (f"city:{Q}Paris", {"city": "Paris"}),
        (f"other:{{a:[{Q}Paris]}}", {"other": {"a": ["Paris"]}}),
    ],
)
def test_each_form_has_its_json(source: str, expected: Any) -> None:
    check(source, expected)


def test_a_string_is_typed_by_the_schema_only() -> None:
    check(f"days:{Q}3{Q}", {"days": "3"}, Schema())


@pytest.mark.parametrize("source", ["a", ":1", "[1]", "a:[1}", f"a:{Q}b{Q}]", f"{Q}a{Q}=1", "a:{b}"])
def test_what_has_no_json_is_no_call(source: str) -> None:
    for pieces in cuts(source + "}" + BEHIND):
        read(pieces, reads := arguments())

        assert reads.wrong, pieces


def test_a_string_goes_out_as_it_comes() -> None:
    reads, scanner = arguments(), Scanner()
    said = []
    for piece in (f"city:{Q}one ", "two <", "b>", Q):
        scanner.feed(piece)
        said.append(reads.read(scanner).json)

    assert ['{"city": "one ', "two ", "<b>", '"'] == said


def test_a_closer_at_the_end_ends_the_string_that_was_left_open() -> None:
    for pieces in cuts(f"other:[{Q}Paris<tool_call|>\n"):
        said, rest = read(pieces, reads := arguments())

        assert reads.done, pieces
        assert rest == "", pieces
        assert {"other": ["Paris"]} == json.loads(said)


def test_a_closer_before_more_of_the_string_is_text() -> None:
    check(f"city:{Q}<tool_call|> ends it{Q}", {"city": "<tool_call|> ends it"})


def test_values_are_nested_to_a_limit() -> None:
    said, _ = read(["a:" + "[" * DEPTH_MAX + "]" * DEPTH_MAX + "}"], reads := arguments())

    assert reads.done
    assert '{"a": ' + "[" * DEPTH_MAX + "]" * DEPTH_MAX + "}" == said

    read(["a:" + "[" * (DEPTH_MAX + 1)], reads := arguments())

    assert reads.wrong


@pytest.mark.parametrize("value", ["x" * 20, f"{Q}{'x' * 20}{Q}"])
def test_what_is_held_has_a_limit(value: str) -> None:
    for pieces in cuts(f"days:{value}}}"):
        read(pieces, reads := arguments(held_max=20))
        assert reads.done, pieces

        read(pieces, reads := arguments(held_max=19))
        assert reads.wrong, pieces


@given(st.dictionaries(KEYS, VALUES, max_size=3), st.integers(0, 40))
def test_a_copy_goes_on_alone(values: dict[str, Any], place: int) -> None:
    text = written(values)[1:] + BEHIND
    reads, scanner = arguments(), Scanner()
    scanner.feed(text[:place])
    before = reads.read(scanner).json
    twin, twin_scanner = reads.copy(), scanner.copy()

    ends = []
    for one, its in ((reads, scanner), (twin, twin_scanner)):
        its.feed(text[place:])
        ends.append(before + ("" if one.done else one.read(its).json))

    assert ends[0] == ends[1]
    assert values == json.loads(ends[0])
