"""`markup.readers.named_calls`: a header with the tool's name, then JSON arguments."""

from __future__ import annotations

from typing import Any

import pytest
from markup_cases import TOOLS, splits, splitter_of
from markup_checks import check, one_call, read, tool
from pieces import Said, raw, said

from headgate.limits import Limits
from headgate.markup.readers.named_calls import NAME_MAX, begins_name
from headgate.markup.spans import Kind

MISTRAL = "[TOOL_CALLS]{}[ARGS]"
KIMI = "<|tool_calls_section_begin|><|tool_call_begin|>{}<|tool_call_argument_begin|>"
WEATHER = MISTRAL.format("get_weather")
STEPS = (("[ARGS]",), ("{", "["))


# -- what opens a block -------------------------------------------------------------------------------------------


def test_name_and_every_step_must_follow_the_opener() -> None:
    assert begins_name("<f>name [ARGS] {", ("<f>",), STEPS) is True
    assert begins_name("<f>name [ARGS] x", ("<f>",), STEPS) is False
    assert begins_name("<f>name {", ("<f>",), STEPS) is False
    assert begins_name("<f>[ARGS]{", ("<f>",), STEPS) is False
    assert begins_name("<g>name[ARGS]{", ("<f>",), STEPS) is False


def test_every_beginning_of_a_header_is_undecided() -> None:
    header = "<f> name [ARGS]\n{"
    for length in range(len(header)):
        assert begins_name(header[:length], ("<f>",), STEPS) is None, header[:length]


def test_without_openers_the_name_comes_first() -> None:
    assert begins_name("name[ARGS]{", (), STEPS) is True
    assert begins_name("{", (), STEPS) is False


def test_name_has_an_end() -> None:
    assert begins_name("f" * NAME_MAX + "[ARGS]{", (), STEPS) is True
    assert begins_name("f" * (NAME_MAX + 1), (), STEPS) is False


# -- the header ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["get weather", "<b>", "{", "", "a(b)", 'a"b', "a\\nb", "f" * (NAME_MAX + 1)])
def test_what_is_no_name_is_text(name: str) -> None:
    text = MISTRAL.format(name) + '{"city": "Paris"}'

    check(text, Said("", text), "mistral")


@pytest.mark.parametrize("name", ["a.b-c_d", "mcp__server:tool/v2", "météo"])
def test_names_of_any_alphabet(name: str) -> None:
    check(MISTRAL.format(name) + "{}", one_call(name, "{}"), "mistral", None)


def test_header_longer_than_any_is_text() -> None:
    """White space without an end is held by nobody."""
    text = "[TOOL_CALLS]get_weather" + " " * 400 + "{}"
    spans = read([text], "mistral", TOOLS, Limits(markup_chars_max=100))

    assert Said("", text) == said(spans)
    assert text == raw(spans)


def test_first_character_that_does_not_fit_ends_the_wait() -> None:
    reads = splitter_of("mistral", TOOLS)

    assert "" == raw(reads.feed("[TOOL_CALLS]get_weather"))
    assert "[TOOL_CALLS]get_weather is a tool" == raw(reads.feed(" is a tool"))


def test_id_that_is_none_is_text() -> None:
    text = "[TOOL_CALLS]get_weather[CALL_ID]{}"

    check(text, Said("", text), "mistral")


# -- the arguments -------------------------------------------------------------------------------------------------


def test_arguments_come_as_they_are_written() -> None:
    reads = splitter_of("mistral", TOOLS)
    reads.feed(MISTRAL.format("note"))
    first = reads.feed('{"text": "It was')
    second = reads.feed(" a dark ")

    assert [Kind.CALL, Kind.ARGUMENTS] == [span.kind for span in first]
    assert [" a dark "] == [span.value for span in second]


def test_copy_reads_on_alone() -> None:
    reads = splitter_of("mistral", TOOLS)
    reads.feed(WEATHER + '{"city": "Pa')
    twin = reads.copy()

    assert 'ris"}' == "".join(span.value for span in reads.feed('ris"}'))
    assert 'lermo"}' == "".join(span.value for span in twin.feed('lermo"}'))


@pytest.mark.parametrize(
    "arguments",
    [
        '{"city": ' + "[" * 3000,
        '{"city": NaN}',
        '{"city": 1e999999}',
        '{"city": "\\ud800"}',
        '{"city": "\x00"}',
        '{"a": }',
    ],
    ids=["deep", "not a number", "huge", "surrogate", "control character", "no value"],
)
def test_any_arguments_are_taken_as_they_are(arguments: str) -> None:
    """What a client can do with them is not the reader's to say, and nothing may break it."""
    check(WEATHER + arguments, one_call("get_weather", arguments), "mistral")


def test_broken_arguments_end_at_the_closer() -> None:
    head = KIMI.format("functions.get_weather:0")
    check(head + '{"city": x<|tool_call_end|> ok', one_call("get_weather", '{"city": x', "ok"), "kimi-k2")


def test_less_than_in_broken_arguments_is_theirs() -> None:
    head = KIMI.format("functions.get_weather:0")
    check(head + '{"days": <3}<|tool_call_end|>', one_call("get_weather", '{"days": <3}'), "kimi-k2")


@pytest.mark.parametrize("spare", ["}", "}}\n", " ] ", "\n"])
def test_spare_brackets_before_the_closer_are_nobodys(spare: str) -> None:
    head = KIMI.format("functions.get_time:0")
    check(head + "{}" + spare + "<|tool_call_end|>", one_call("get_time", "{}"), "kimi-k2")


def test_brace_behind_a_call_without_closer_is_text() -> None:
    check(WEATHER + '{"city": "Paris"}}', one_call("get_weather", '{"city": "Paris"}', "}"), "mistral")


# -- the tool that the arguments tell -----------------------------------------------------------------------------


def only(*names: str) -> list[Any]:
    return [tool for tool in TOOLS if tool["function"]["name"] in names]


def test_counter_is_the_only_tool() -> None:
    check(KIMI.format("0") + '{"any": 1}', one_call("get_time", '{"any": 1}'), "kimi-k2", only("get_time"))


def test_call_of_the_only_tool_comes_as_it_is_written() -> None:
    reads = splitter_of("kimi-k2", only("note"))

    assert "It was" in "".join(span.value for span in reads.feed(KIMI.format("0") + '{"text": "It was'))


@pytest.mark.parametrize("tools", [TOOLS, None], ids=["several", "unknown"])
def test_counter_that_could_be_any_tool_is_text(tools: Any) -> None:
    text = KIMI.format("0") + "{}<|tool_call_end|>"

    check(text, Said("", text), "kimi-k2", tools)


def test_counter_that_two_tools_explain_is_text() -> None:
    text = KIMI.format("0") + '{"city": "Paris"}<|tool_call_end|>'

    check(text, Said("", text), "kimi-k2", [*TOOLS, tool("forecast", "city")])


def test_arguments_of_an_unknown_tool_are_held_to_a_limit() -> None:
    head = KIMI.format("0")
    text = head + '{"text": "' + "word " * 100
    for pieces in splits(text):
        reads = splitter_of("kimi-k2", TOOLS, Limits(arguments_chars_max=200))
        spans = [span for piece in pieces for span in reads.feed(piece)]

        assert len(text) - len(raw(spans)) <= len(head) + 200
        assert Said("", text) == said([*spans, *reads.close()])
