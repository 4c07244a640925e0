"""`headgate.dialects.lenient`: a record that is not quite what its format documents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.dialects.lenient import read, untyped


class Inner(Struct):
    number: int | None = None


class Outer(Struct):
    count: int | None = None
    share: float | None = None
    name: str | None = None
    flag: bool | None = None
    one: Inner | None = None
    many: list[Inner] | None = None
    raw: Raw | UnsetType = UNSET


decode = msgspec.json.Decoder(Outer).decode


@pytest.mark.parametrize(
    ("record", "expected", "repairs"),
    [
        (b'{"count":1}', Outer(count=1), {}),
        (b'{"count":"1"}', Outer(count=1), {"type_coerced": "count"}),
        (b'{"count":"x"}', Outer(), {"type_coerced": "count", "field_ignored": "count"}),
        (b'{"share":"0.5"}', Outer(share=0.5), {"type_coerced": "share"}),
        (b'{"share":NaN,"count":1}', None, {}),
        (b'{"flag":"true"}', Outer(flag=True), {"type_coerced": "flag"}),
        (b'{"flag":1}', Outer(flag=True), {"type_coerced": "flag"}),
        (b'{"name":5,"count":2}', Outer(count=2), {"type_coerced": "name", "field_ignored": "name"}),
        (b'{"one":{"number":"7"}}', Outer(one=Inner(7)), {"type_coerced": "one.number"}),
        (b'{"one":[]}', Outer(), {"type_coerced": "one", "field_ignored": "one"}),
        (b'{"many":[{"number":"7"},null,3]}', Outer(many=[Inner(7)]), {"type_coerced": "many[].number"}),
        (b'{"many":{}}', Outer(), {"type_coerced": "many", "field_ignored": "many"}),
        (b'{"unknown":"\xff","count":1}', Outer(count=1), None),
        (b'{"name":"a\xff"}', Outer(name="a\ufffd"), {"text_replaced": "bytes that are not UTF-8"}),
        (b'{"name":"a\\ud800b"}', Outer(name="a\ufffdb"), {"text_replaced": "half a surrogate pair"}),
        (b'{"name":"\\ud83d\\ude00"}', Outer(name="\U0001f600"), {}),
        (b'{"count":1', None, {}),
        (b"[]", None, {}),
        (b"1", None, {}),
        (b"", None, {}),
    ],
)
def test_each_field_is_read_for_what_it_means_or_left_out(
    record: bytes, expected: Outer | None, repairs: dict[str, str] | None
) -> None:
    """One field of a wrong type must not cost the text beside it."""
    value, found = read(record, Outer, decode)

    if expected is not None and b"NaN" not in record:
        assert expected == value
    if repairs is not None and expected is not None:
        assert repairs == found
    assert (value is None) is (expected is None and b"NaN" not in record)


def test_what_is_kept_verbatim_stays_json() -> None:
    value, _ = read(b'{"raw":{"a":[1]},"count":"2"}', Outer, decode)

    assert value is not None
    assert isinstance(value.raw, Raw)
    assert {"a": [1]} == msgspec.json.decode(value.raw)


def test_a_dialect_may_reshape_a_record_before_it_is_read() -> None:
    def prepare(record: dict[str, Any], repairs: dict[str, str]) -> None:
        record["count"] = len(record.pop("list"))
        repairs["arguments_serialised"] = ""

    assert (Outer(count=3), {"arguments_serialised": ""}) == read(
        b'{"count":{},"list":[1,2,3]}', Outer, decode, prepare
    )


@pytest.mark.parametrize("depth", [10, 400, 480, 600, 900, 990, 1000, 3000, 100_000])
@pytest.mark.parametrize("field", ["raw", "unknown", "count", "one"])
def test_a_value_of_any_depth_raises_nothing(depth: int, field: str) -> None:
    """Each reader gives up at another depth, and none of them may take the stream with it."""
    record = b'{"name":"\\ud800","%b":%b%b}' % (field.encode(), b"[" * depth, b"]" * depth)
    value, _ = read(record, Outer, decode)

    assert value is None or value.name == "\ufffd"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\ud83dA", "\ufffdA"),
        ("\\ude00\\ud83d", "\ufffd\ufffd"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        ("\\ufeffa", "\ufeffa"),
        ("a\\u0000b", "a\0b"),
    ],
)
def test_only_halves_of_pairs_are_replaced(text: str, expected: str) -> None:
    assert {"a": expected, expected: [expected]} == untyped(f'{{"a":"{text}","{text}":["{text}"]}}'.encode(), {})


@given(
    record=st.binary(max_size=80)
    | st.text(alphabet='{}[]":,0123456789.eE-nulltruefas\\ud8 ', max_size=40).map(str.encode)
)
def test_no_bytes_raise(record: bytes) -> None:
    read(record, Outer, decode)
