"""`markup.readers.json_calls`: what is held of a call is bounded, and what is too long is so at every split."""

from __future__ import annotations

import pytest
from markup_cases import TOOLS, splits, splitter_of
from markup_checks import check, one_call, read
from pieces import Said, merged, raw, said

from headgate.limits import Limits

LIMITS = Limits(markup_chars_max=100, arguments_chars_max=300)
HEADS = [
    "<tool_call>",
    '<tool_call>{"name": ',
    '<tool_call>{"name": "get_weather", ',
    '<tool_call>{"name": "get_weather", "arguments": ',
    '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}',
    '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}',
    '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}},',
    '<tool_call>{"name": "get_weather", "arguments": {}, "more": ',
    '<tool_call>{"name": "get_weather", "more": ["',
    '<tool_call>{"arguments": {"city": "',
    '<tool_call>{"arguments": "{',
    "<tool_call>[",
    '<tool_call>[{"name": "get_weather", "arguments": {"city": "Paris"}}',
    '<tool_call>[{"name": "get_weather", "arguments": {"city": "Paris"}}]',
]
every_head = pytest.mark.parametrize("head", HEADS)


@every_head
@pytest.mark.parametrize("unit", [" ", "\n", "x", '"', "{", "}", "[", "]", "<", ",", '\\"', '"a": ', '{"a":', "<|"])
def test_flood_is_not_held(head: str, unit: str) -> None:
    """Whatever comes, a reader waits for no more than a header, or the arguments that it must know whole."""
    reads = splitter_of("hermes", TOOLS, LIMITS)
    given = fed = 0
    for piece in (head, *[unit * 50] * 40):
        given += len(raw(reads.feed(piece)))
        fed += len(piece)

        assert fed - given <= LIMITS.markup_chars_max + LIMITS.arguments_chars_max + len(unit * 50)


@every_head
@pytest.mark.parametrize("size", [90, 100, 101, 300, 301, 500])
@pytest.mark.parametrize("tail", ['x"}]}}', '"}}</tool_call>', "]}</tool_call>", "}"])
def test_what_is_too_long_is_so_at_every_split(head: str, size: int, tail: str) -> None:
    for unit in ("x", " ", '{"a":'):
        text = head + unit * (size // len(unit)) + tail
        expected = merged(read([text], "hermes", TOOLS, LIMITS))

        assert text == raw(expected)
        for pieces in splits(text):
            assert expected == merged(read(pieces, "hermes", TOOLS, LIMITS)), pieces


def test_brace_that_no_key_follows_begins_no_arguments() -> None:
    for arguments in ("{city}", "{ city: 1}", "{1: 2}"):
        text = f'<tool_call>{{"name": "get_weather", "arguments": {arguments}}}</tool_call>'
        check(text, Said("", text), "hermes")


def test_missing_comma_between_two_calls_of_a_list() -> None:
    first, second = '{"name": "get_time", "arguments": {}}', '{"name": "note", "arguments": {"text": ""}}'
    expected = Said("", "", (("get_time", "{}"), ("note", '{"text": ""}')))
    check(f"<tool_call>[{first} {second}]</tool_call>", expected, "hermes")


def test_closer_stands_for_a_missing_bracket() -> None:
    text = '<tool_call>[{"name": "get_time", "arguments": {}}\n</tool_call> Soon.'
    check(text, one_call("get_time", "{}", "Soon."), "hermes")


@pytest.mark.parametrize("end", ["", "\n", ", ", " ,\n"])
def test_what_joins_calls_is_no_text_where_the_stream_stops(end: str) -> None:
    check('<tool_call>[{"name": "get_time", "arguments": {}}' + end, one_call("get_time", "{}"), "hermes")


def test_half_a_call_behind_a_whole_one_is_text() -> None:
    spans = read(['<tool_call>[{"name": "get_time", "arguments": {}}, {"na'], "hermes")

    assert one_call("get_time", "{}", ', {"na') == said(spans)
