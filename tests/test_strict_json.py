"""A body is read as it is or refused with its place: what two readers would read differently is never let through."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from growth import no_collection
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate import strict_json
from headgate.errors import RequestError
from headgate.strict_json import DEPTH_MAX, loads, pointer

__all__ = ["no_collection"]  # a fixture for every test here

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=30
)


def refused(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as error:
        loads(body)

    assert ("invalid_request", 400) == (error.value.code, error.value.status)
    return error.value


@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_what_is_right_is_read_as_everybody_reads_it(value: Any, *, ascii_only: bool, indent: int | None) -> None:
    """Escaped surrogate pairs included: Python clients write every emoji so."""
    assert value == loads(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode())


@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        pytest.param(b'{"a":1,"a":2}', "/a", "each key once at /a", id="duplicate key"),
        pytest.param(b'{"a":[{"b":1,"b":1}]}', "/a/0/b", "each key once", id="duplicate key with the same value"),
        pytest.param(b'{"a":1,"\\u0061":2}', "/a", "each key once", id="duplicate key by an escape"),
        pytest.param(b'{"":1,"":2}', "/", "each key once", id="duplicate empty key"),
        pytest.param(b'{"a":{"b":[1,{"c/d~":NaN}]}}', "/a/b/1/c~1d~0", "got NaN", id="NaN"),
        pytest.param(b'{"a":-Infinity}', "/a", "got -Infinity", id="infinity"),
        pytest.param(b'{"a":Infinity}', "/a", "got Infinity", id="positive infinity"),
        pytest.param(b'{"a":1e400}', "/a", "a number that a double can hold", id="infinity as a number"),
        pytest.param(b'{"a":"\xff"}', "/a", "expected UTF-8", id="no UTF-8"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "/a", "expected UTF-8", id="a surrogate in UTF-8"),
        pytest.param(b'{"\xff":1}', None, "expected UTF-8", id="no UTF-8 in a key"),
        pytest.param(b'{"a":"\\ud800"}', "/a", "half of a surrogate pair", id="first half of a pair"),
        pytest.param(b'{"a":"\\udc00\\ud800"}', "/a", "half of a surrogate pair", id="pair the wrong way round"),
        pytest.param(b'{"\\ud800":1}', None, "half of a surrogate pair", id="half of a pair in a key"),
        pytest.param(b"{} x", None, "the end of the body", id="trailing data"),
        pytest.param(b"{}{}", None, "the end of the body", id="two values"),
        pytest.param(b"", None, "got the end of the body", id="nothing"),
        pytest.param(b" \n", None, "got the end of the body", id="white space"),
        pytest.param(b'{"a":', "/a", "got the end of the body", id="cut after a key"),
        pytest.param(b'{"a":[1,', "/a/1", "got the end of the body", id="cut after a comma"),
        pytest.param(b'{"a":"x', "/a", "a JSON string", id="cut in a string"),
        pytest.param(b'{"a":1', None, '"," or "}"', id="cut before the end"),
        pytest.param(b"[1 2]", None, '"," or "]"', id="no comma"),
        pytest.param(b"[1,]", "/1", "a JSON value", id="comma before the end"),
        pytest.param(b'{"a":1,}', None, "a key in double quotes", id="comma before the brace"),
        pytest.param(b"{'a':1}", None, "a key in double quotes", id="single quotes"),
        pytest.param(b'{"a" 1}', "/a", '":" after the key', id="no colon"),
        pytest.param(b'{"a":tru}', "/a", "a JSON value", id="half a word"),
        pytest.param(b'{"a":truely}', "/a", "a JSON value", id="a longer word"),
        pytest.param(b'{"a":+1}', "/a", "a JSON value", id="plus"),
        pytest.param(b"[01]", None, '"," or "]"', id="leading zero"),
        pytest.param(b'{"a":"\n"}', "/a", "a JSON string", id="a line end in a string"),
        pytest.param(b'{"a":"\\x"}', "/a", "a JSON string", id="unknown escape"),
        pytest.param(b"\xef\xbb\xbf{}", None, "a JSON value", id="BOM"),
        pytest.param('{"a":1}'.encode("utf-16"), None, "a JSON value", id="UTF-16"),
        pytest.param(b'{"a":1' + b"0" * 5000 + b"}", None, "thousands of digits", id="a very long number"),
    ],
)
def test_a_fault_is_found_and_its_place_is_named(body: bytes, param: str | None, sentence: str) -> None:
    error = refused(body)

    assert param == error.param
    assert sentence in error.message


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_has_a_limit(opening: bytes, closing: bytes) -> None:
    """Engines and clients recurse; a thousand brackets end some of them."""
    around = (DEPTH_MAX - 1) // (opening.count(b"[") + opening.count(b"{"))

    assert loads(opening * around + b"[1]" + closing * around)
    assert refused(opening * (around + 1) + b"[1]" + closing * (around + 1)).param is not None
    assert f"at most {DEPTH_MAX}" in refused(opening * 100_000).message


def test_breadth_is_not_depth() -> None:
    assert 1000 == len(loads(b"[" + b",".join([b'{"a":[]}'] * 1000) + b"]"))


@given(VALUES, st.data())
def test_a_body_that_is_changed_is_read_or_refused(value: Any, data: st.DataObject) -> None:
    """Whatever the bytes are, nothing else is ever raised, and what is read is what a lenient reader reads."""
    body = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        found = loads(bytes(body))
    except RequestError:
        return

    assert json.loads(bytes(body)) == found


SPACE = st.sampled_from(["", "", " ", "\n\t"])
CHARACTERS = ("a", ":", "\\u003a", "\\u003A", '\\"', "\\\\", "\u00e9", "\\ud83d\\ude00")
STRINGS = st.lists(st.sampled_from(CHARACTERS), max_size=3)
LITERALS = st.sampled_from("null true 0 -0 1.0 1e5 2e+300 18446744073709551616 0.10 NaN 1e999".split())


@st.composite
def spelled(draw: st.DrawFn, depth: int = 3) -> str:
    """A JSON text in any spelling, whose keys may come twice."""
    kind = draw(st.sampled_from("osl" if depth else "sl"))
    if kind == "l":
        return draw(SPACE) + draw(LITERALS) + draw(SPACE)
    if kind == "s":
        return '"' + "".join(draw(STRINGS)) + '"'
    inner = [draw(spelled(depth - 1)) for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        return "[" + ",".join(inner) + draw(SPACE) + "]"
    members = ['"' + "".join(draw(STRINGS)) + '"' + draw(SPACE) + ":" + one for one in inner]
    return draw(SPACE) + "{" + ",".join(members) + "}"


def verdict(body: bytes) -> tuple[str, str | None]:
    try:
        return repr(loads(body)), None
    except RequestError as error:
        return error.message, error.param


@settings(max_examples=400, deadline=None)
@given(spelled())
def test_a_body_gets_the_verdict_of_a_reader_that_looks_at_every_key(text: str) -> None:
    """However it is spelled: what proves that no key was lost must not prove it of a body that lost one."""
    found = verdict(text.encode())

    def no_proof(_value: Any) -> bytes:
        raise ValueError("not today")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "_write", no_proof)

        assert verdict(text.encode()) == found


@pytest.mark.parametrize("escape", ["\\u003a", "\\u003A"])
def test_an_escaped_colon_does_not_hide_a_key(escape: str) -> None:
    """The colon that it becomes stands in for the lost key's."""
    assert "/a" == refused(f'{{"a":1,"a":"{escape}"}}'.encode()).param
    assert {"a": "x:"} == loads(f'{{"a":"x{escape}"}}'.encode())


@given(st.dictionaries(TEXT, VALUES, min_size=1, max_size=4), st.data())
def test_a_key_that_stands_twice_is_found_wherever_it_is(value: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    members = [f"{json.dumps(name)}:{json.dumps(inner)}" for name, inner in value.items()]
    members.insert(data.draw(st.integers(0, len(members))), f"{json.dumps(key)}:0")
    body = '{"outer":[{' + ",".join(members) + "}]}"

    assert pointer("outer", 0, key) == refused(body.encode()).param


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), ""),
        (("messages", 2, "content", 0, "type"), "/messages/2/content/0/type"),
        (("a/b", "c~d", ""), "/a~1b/c~0d/"),
        (("x" * 100,), "/" + "x" * 64 + "\u2026"),
        (("\ud800",), "/?"),
    ],
)
def test_a_pointer_is_rfc_6901(tokens: tuple[str | int, ...], expected: str) -> None:
    assert expected == pointer(*tokens)


def seconds(body: bytes, *, faulty: bool = False) -> float:
    """The least of several measurements."""
    best = 60.0
    for _ in range(5):
        begun = time.process_time()
        if faulty:
            refused(body)
        else:
            loads(body)
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("faulty", [False, True], ids=["right", "faulty"])
@pytest.mark.parametrize(
    "piece",
    [b'{"a":"x","b":[1,2.5,{}]}', b'"' + b"a" * 50 + b'\\ud83d\\ude00"', b"[[[[]]]]"],
    ids=["tree", "text", "deep"],
)
def test_time_is_linear(piece: bytes, *, faulty: bool) -> None:
    """Four times the input, at most six times the time (and a little for the clock)."""
    tail = b",NaN]" if faulty else b"]"
    small, large = (b"[" + b",".join([piece] * count) + tail for count in (1000, 4000))

    assert seconds(large, faulty=faulty) <= 6 * seconds(small, faulty=faulty) + 0.002


def test_a_request_of_a_kilobyte_costs_no_more_than_reading_it() -> None:
    """7 us against 8 us for `json.loads`, so that a slow machine measures itself too."""
    call = {"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": '{"path":"."}'}}
    messages = [
        {"role": "user", "content": "hello, which files are here?"},
        {"role": "assistant", "tool_calls": [call]},
    ]
    body = json.dumps({"model": "qwen3:8b", "temperature": 0.2, "stream": True, "messages": messages * 5}).encode()

    def cost(read: Any) -> float:
        rounds = []
        for _ in range(7):
            begun = time.perf_counter()
            for _ in range(200):
                read(body)
            rounds.append(time.perf_counter() - begun)
        return min(rounds)

    assert 1000 < len(body) < 1400
    assert cost(strict_json.loads) < 2 * cost(json.loads)
