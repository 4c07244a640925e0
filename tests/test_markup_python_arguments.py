"""`markup.readers.python_arguments`: a call's arguments mean what Python says, at every split, and go out early."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.markup.readers.converted import Reading
from headgate.markup.readers.python_arguments import PythonArguments
from headgate.markup.readers.python_brackets import DEPTH_MAX
from headgate.markup.scanner import Scanner

NAMES = ("city", "days")
"""The parameters that a tool declares, in their order."""


def read(pieces: Iterable[str], arguments: PythonArguments) -> tuple[str, str]:
    """The JSON of the arguments, and the text behind them; checks that every character was taken once."""
    scanner = Scanner()
    readings: list[Reading] = []
    text = ""
    for piece in pieces:
        text += piece
        scanner.feed(piece)
        readings.append(arguments.read(scanner))
    if not (arguments.done or arguments.wrong):
        arguments.finish()
        readings.append(arguments.read(scanner))
    taken = "".join(reading.source + reading.behind for reading in readings)
    rest = scanner.peek(len(scanner))
    assert text == taken + rest
    return "".join(reading.json for reading in readings), rest


def arguments(*, names: Iterable[str] = (), strict: bool = False) -> PythonArguments:
    return PythonArguments(tuple(names), 1024, strict=strict)


def check(text: str, expected: Any, *, names: Iterable[str] = (), strict: bool = False) -> None:
    """The arguments mean this, at every split, and end where they end."""
    for pieces in cuts(text + ")\n"):
        reads = arguments(names=names, strict=strict)
        said, rest = read(pieces, reads)

        assert reads.done, pieces
        assert "\n" == rest, pieces
        assert expected == json.loads(said), pieces


def check_wrong(text: str, *, names: Iterable[str] = (), strict: bool = False) -> None:
    """The arguments make no sense, and no split makes any of them."""
    for pieces in cuts(text + ")\n"):
        reads = arguments(names=names, strict=strict)
        read(pieces, reads)

        assert reads.wrong, pieces
        assert not reads.done, pieces


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.sampled_from([*"ab'\"\\\n\t,:=()[]{}", "\x00", "é", "😀", "\u2028"]), max_size=12)
KEYS = st.one_of(TEXTS, st.integers(-5, 5), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)
KEYWORDS = st.dictionaries(st.sampled_from(["a", "b2", "_c", "kind", "café"]), VALUES, max_size=3)


def as_json(value: Any) -> Any:
    """What a Python literal is in JSON: of keys that become the same the last one counts."""
    return json.loads(json.dumps(value))


@given(KEYWORDS, st.lists(st.integers(0, 60), max_size=4))
def test_literals_mean_what_they_mean_in_python(values: dict[str, Any], places: list[int]) -> None:
    source = ", ".join(f"{name}={value!r}" for name, value in values.items())
    text = source + ")"

    for pieces in ([text], list(text), cut_at(text, places)):
        reads = arguments(names=NAMES)
        said, rest = read(pieces, reads)

        assert reads.done
        assert "" == rest
        assert {name: as_json(value) for name, value in values.items()} == json.loads(said)


QUOTES = st.sampled_from(["'", '"', "'''", '"""'])
PARTS = st.sampled_from(
    [
        "a",
        " ",
        "\\n",
        "\\\\",
        "\\'",
        '\\"',
        "\\x41",
        "\\u00e9",
        "\\U0001F600",
        "\\101",
        "\\N{BULLET}",
        "\\\n",
        "\\0",
        "#",
    ]
)


@given(st.lists(PARTS, max_size=6).map("".join), QUOTES, st.sampled_from(["", "r", "R", "u", "f"]))
def test_escapes_mean_what_they_mean_in_python(inside: str, quote: str, prefix: str) -> None:
    literal = f"{quote}{inside}{quote}"
    source = ("r" if prefix.lower() == "r" else "") + literal
    expected = ast.literal_eval(source)

    check(f"a={prefix}{literal}", {"a": expected})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("a=1", {"a": 1}),
        ("a=1,", {"a": 1}),
        (" a = 1 , b = 2 ", {"a": 1, "b": 2}),
        ("a=[]", {"a": []}),
        ("a={}", {"a": {}}),
        ("a=()", {"a": []}),
        ("a=(1)", {"a": 1}),
        ("a=(1,)", {"a": [1]}),
        ("a=(1, 2)", {"a": [1, 2]}),
        ("a={1, 2}", {"a": [1, 2]}),
        ("a={'x'}", {"a": ["x"]}),
        ("a={1: 2}", {"a": {"1": 2}}),
        ("a={None: [True, (False,)]}", {"a": {"null": [True, [False]]}}),
        ("a='x' 'y'", {"a": "xy"}),
        ("a=('x'\n 'y')", {"a": "xy"}),
        ("a=b.c", {"a": "b.c"}),
        ("a=f(1, 'x)')", {"a": "f(1, 'x)')"}),
        ("a=2 * (3 + 4)", {"a": "2 * (3 + 4)"}),
        ("a=Paris", {"a": "Paris"}),
        ("a=true, b=null", {"a": True, "b": None}),
        ("a=1_000, b=0x1F, c=.5, d=1e5", {"a": 1000, "b": 31, "c": 0.5, "d": 1e5}),
        ("a=-7, b=+3, c=007", {"a": -7, "b": 3, "c": 7}),
        ("**{'a': 1, 'b': {'c': 2}}, d=3", {"a": 1, "b": {"c": 2}, "d": 3}),
        ("a='line\nbreak'", {"a": "line\nbreak"}),
    ],
)
def test_each_form_has_its_json(source: str, expected: Any) -> None:
    check(source, expected)


def test_positional_arguments_take_the_declared_names() -> None:
    check("'Paris', 3", {"city": "Paris", "days": 3}, names=NAMES)
    check("'Paris', days=3", {"city": "Paris", "days": 3}, names=NAMES)


@pytest.mark.parametrize("source", ["'Paris'", "days=3, 'Paris'", "'Paris', 3, 4"])
def test_a_positional_argument_without_a_name_is_none(source: str) -> None:
    check_wrong(source, names=() if source == "'Paris'" else NAMES)


@pytest.mark.parametrize(
    "source",
    ["a=", "a=,b=1", "a==1", "a=[1}", "a={1: }", "a={1: 2, 3}", "a=b'x'", "a=1e999", "a=...", "*a", "a=[1)"],
)
def test_what_has_no_json_is_no_call(source: str) -> None:
    check_wrong(source)


@pytest.mark.parametrize("source", ["a=Paris", "a=f(1)", "a=1+1", "a=b.c"])
def test_strict_arguments_are_literals(source: str) -> None:
    check_wrong(source, strict=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a='sed -n '1,9p' a.py'", {"a": "sed -n '1,9p' a.py"}),
        ("""a="say "hi" now", b=1""", {"a": 'say "hi" now', "b": 1}),
        ("a=['it's', 'so']", {"a": ["it's", "so"]}),
        ("a={'k': 'it's'}", {"a": {"k": "it's"}}),
        ("a='f('x')'", {"a": "f('x')"}),
    ],
)
def test_a_quote_that_was_not_escaped_is_text(source: str, expected: Any) -> None:
    check(source, expected)


def test_a_string_goes_out_as_it_comes() -> None:
    reads, scanner = arguments(), Scanner()
    said = []
    for piece in ("a='one ", "two ", "three", "'"):
        scanner.feed(piece)
        said.append(reads.read(scanner).json)

    assert ['{"a": "one ', "two ", "three", ""] == said


def test_a_list_goes_out_item_by_item() -> None:
    reads, scanner = arguments(), Scanner()
    said = []
    for piece in ("a=[1, ", "2, ", "{'k'", ": 3}", "])"):
        scanner.feed(piece)
        said.append(reads.read(scanner).json)

    assert ['{"a": [1', ", 2", "", ', {"k": 3}', "]}"] == said


def test_values_are_nested_to_a_limit() -> None:
    depth = DEPTH_MAX
    said, _ = read(["a=" + "[" * depth + "]" * depth + ")"], reads := arguments())

    assert reads.done
    assert '{"a": ' + "[" * depth + "]" * depth + "}" == said

    read(["a=" + "[" * (depth + 1)], reads := arguments())

    assert reads.wrong


def test_an_expression_has_a_limit() -> None:
    for pieces in (["a=" + "x" * 1024 + ")"], ["a=", *"x" * 1024, ")"]):
        read(pieces, reads := arguments())
        assert reads.done

    for pieces in (["a=" + "x" * 1025 + ")"], ["a=", *"x" * 1025, ")"]):
        read(pieces, reads := arguments())
        assert reads.wrong


def test_numbers_keep_their_digits() -> None:
    said, _ = read(["a=0.1000000000000000055, b=123456789012345678901234567890)"], arguments())

    assert '{"a": 0.1000000000000000055, "b": 123456789012345678901234567890}' == said


def test_a_number_that_no_float_holds_is_wrong() -> None:
    assert math.isinf(float("1e999"))
    check_wrong("a=[1e999]")


@given(KEYWORDS, st.integers(0, 40))
def test_a_copy_goes_on_alone(values: dict[str, Any], place: int) -> None:
    text = ", ".join(f"{name}={value!r}" for name, value in values.items()) + ")"
    reads, scanner = arguments(), Scanner()
    scanner.feed(text[:place])
    before = reads.read(scanner).json
    reads.finish()
    twin, twin_scanner = reads.copy(), scanner.copy()

    ends = []
    for one, its in ((reads, scanner), (twin, twin_scanner)):
        its.feed(text[place:])
        ends.append(before + ("" if one.done else one.read(its).json))

    assert ends[0] == ends[1]
    assert {name: as_json(value) for name, value in values.items()} == json.loads(ends[0])
