"""`markup.readers.bare_calls`: JSON that is a call only if the whole message is one, and an answer otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markup_cases import TOOLS, splitter_of
from markup_checks import check, one_call, read
from pieces import Said, chunk, cuts, numbered, raw, repairs, said, sse

import headgate
from headgate.events import ReasoningDelta, TextDelta
from headgate.limits import Limits
from headgate.markup.spans import Kind, Span

WEATHER = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
TIME = '{"name": "get_time", "arguments": {}}'
ARGUMENTS = '{"city": "Paris"}'
CALLED = ("get_weather", ARGUMENTS)
TAGGED = f"<tool_call>{TIME}</tool_call>"


def kept(text: str, markup: str = "bare-json", tools: Any = TOOLS) -> None:
    """Not a character of the text is anything but text."""
    check(text, Said("", text), markup, tools)


def said_by(place: int, text: str) -> str:
    """What has been given out when so many characters have come."""
    return raw(splitter_of("auto", TOOLS).feed(text[:place]))


# -- an answer streams on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ('{"city"', "no call has such a key"),
        ('{"name": "Paris", "id"', "nobody declared such a tool"),
        ('{"name": "get_weather", "country"', "no call has such a key behind its name"),
        ('{"name": "get_weather", "arguments": [', "arguments are no list"),
        ('{"name": "get_weather", "arguments": 7', "arguments are no number"),
        ('{"type": "object", "name": "get_weather", "arguments": ', "a call is of another type"),
        ('[{"city"', "a list of answers"),
        ("[1", "a list of numbers"),
        ("{}", "an object without a key"),
        ("{city", "no JSON"),
        ('```json\n{"city"', "an answer in a fence"),
        ("```python\n", "a fence of another language"),
        ("```\nx", "a fence without JSON"),
        (f"{TIME} and", "words behind it"),
        (f"{TIME}\n```", "a fence that was never opened"),
        (f"```\n{TIME}\n``` and", "words behind the fence"),
        (f"```\n{TIME}\n```\n```", "a second fence"),
        (f"```\n{TIME}\n```\n{TIME}", "a call behind the fence"),
        (f"[{TIME}}}", "a list that a brace closes"),
        ('{"name": "get_time", "arguments": {}, "arguments2"', "no call has such a key behind its arguments"),
        ('{"name": "get_time"}', "a name alone is an answer"),
        ('{"arguments": {}}', "a call of nothing"),
    ],
)
def test_text_streams_on_as_soon_as_it_is_no_call(head: str, reason: str) -> None:
    """Somebody who asked for JSON must not wait for all of it."""
    text = head.ljust(len(head) + 2, " ") + "and so on"
    held = [place for place in range(len(text)) if len(said_by(place, text)) < place - 3]

    assert len(head) + 2 > max(held, default=0), reason
    kept(text, "auto")


def test_answer_of_an_unknown_request_is_never_held() -> None:
    for pieces in cuts(WEATHER):
        assert WEATHER == raw(read(pieces, "auto", None))
        assert Said("", WEATHER) == said(read(pieces, "auto", None))
    assert WEATHER[:7] == raw(splitter_of("auto", None).feed(WEATHER[:7]))


@pytest.mark.parametrize("tools", [[], ["search"], None])
def test_only_a_declared_tool_may_be_called(tools: Any) -> None:
    kept(WEATHER, "auto", tools)


def test_what_is_given_back_is_searched_for_other_markup() -> None:
    for before in (
        '{"city": "Paris"}',
        f"{WEATHER} and",
        f"[{WEATHER}] and",
        '```json\n{"city": "Paris"}\n```',
        "[1, 2]",
    ):
        check(f"{before}\n{TAGGED}", Said("", before, (("get_time", "{}"),)), "auto")


def test_bare_call_must_be_the_whole_message() -> None:
    for text in (f"Sure:\n{WEATHER}", f"{WEATHER}\nThat is all.", f"{TAGGED}\n{WEATHER} is how."):
        spans = read([text], "auto")

        assert WEATHER in said(spans).text
        assert "call_from_bare_json" not in repairs(spans)


def test_the_repair_says_so_once() -> None:
    spans = read([f"{WEATHER}\n{TIME}"], "auto")

    assert ["call_from_bare_json"] == repairs(spans)
    assert (CALLED, ("get_time", "{}")) == said(spans).calls


# -- which objects are calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"parameters": {"city": "Paris"}, "name": "get_weather"}',
        '{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}',
        '{"type": "function_call", "name": "get_weather", "arguments": {"city": "Paris"}, "id": "c1"}',
        '{"tool_calls": [{"name": "get_weather", "arguments": {"city": "Paris"}}]}',
        '{"tool_call": {"name": "get_weather", "arguments": {"city": "Paris"}}}',
        '{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}',
        '{"index": 0, "function": "get_weather", "args": {"city": "Paris"}}',
        f"```tool_call\n{WEATHER}\n```",
        f"```\n[{WEATHER}]\n```</tool_call>",
        f"\n {WEATHER}\n</s>",
        f"{WEATHER};",
    ],
)
def test_every_spelling_of_a_call(text: str) -> None:
    check(text, one_call(*CALLED), "auto")


@pytest.mark.parametrize("between", ["", " ", "\n", ";", "; ", ",\n", "</tool_call>\n<tool_call>"])
def test_calls_one_after_another(between: str) -> None:
    check(f"{WEATHER}{between}{TIME}", Said("", "", (CALLED, ("get_time", "{}"))), "auto")


def test_tool_that_is_described_is_not_called() -> None:
    """A model that is asked for its tools answers with their definitions."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}

    kept(json.dumps({"name": "get_weather", "parameters": schema}), "auto")
    kept(json.dumps({"name": "get_weather", "description": "weather", "parameters": schema}), "auto")


@pytest.mark.parametrize("arguments", ['{"city": NaN}', '{"city": }', '{"a" 1}', '"Paris"', '"[1]"', '{"a": 01}'])
def test_arguments_that_are_no_object_make_no_call(arguments: str) -> None:
    kept(f'{{"name": "get_weather", "arguments": {arguments}}}', "auto")


def test_null_and_nothing_are_no_arguments() -> None:
    for arguments in ("null", '""', "{}"):
        spans = read([f'{{"name": "get_time", "arguments": {arguments}}}'], "auto")

        assert (("get_time", ""), ("get_time", "{}"))[arguments == "{}"] == said(spans).calls[0]


def test_name_alone_counts_for_who_names_the_family() -> None:
    check('{"name": "get_time"}', one_call("get_time", ""), "bare-json")
    kept('{"name": "get_time"}', "auto")


def test_id_is_kept_wherever_it_stands() -> None:
    for text in (
        '{"id": "c1", "name": "get_time", "arguments": {}}',
        '{"name": "get_time", "id": "c1", "arguments": {}}',
        '{"name": "get_time", "arguments": {}, "id": "c1"}',
        '{"arguments": {}, "id": "c1", "name": "get_time"}',
    ):
        assert ["c1"] == [span.call_id for span in read([text], "auto") if span.kind is Kind.CALL]


# -- what is held, and for how long ----------------------------------------------------------------------------------


def test_call_comes_when_the_text_is_over_and_not_before() -> None:
    reads = splitter_of("auto", TOOLS)

    assert [] == reads.feed(WEATHER)
    assert reads.holds
    assert (CALLED,) == said(reads.close()).calls


def test_a_thought_may_come_before_it() -> None:
    for text in (f"<think>why</think>\n\n{WEATHER}", f"<think>why</think>```json\n{WEATHER}\n```"):
        check(text, one_call(*CALLED, reasoning="why"), "auto")


def test_it_is_no_call_in_a_thought() -> None:
    for text in (f"<think>{WEATHER}</think>", f"<think>{WEATHER}"):
        check(text, Said(WEATHER), "auto")


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_more_than_arguments_may_be_is_text(size: int) -> None:
    """Held text is bounded, and the bound is the same at every split."""
    limits = Limits(markup_chars_max=60, arguments_chars_max=200)
    long = json.dumps({"name": "get_weather", "arguments": {"city": "P" * 400}})
    pieces = [long[start : start + size] for start in range(0, len(long), size)]
    reads = splitter_of("auto", TOOLS, limits)
    held = fed = 0
    spans: list[Span] = []
    for piece in pieces:
        spans += reads.feed(piece)
        fed += len(piece)
        held = max(held, fed - len(raw(spans)))

    assert Said("", long) == said([*spans, *reads.close()])
    assert held <= 200 + 60 + size


def test_structured_block_behind_it_leaves_it_text() -> None:
    """An engine that parses calls itself has not seen one here."""
    reads = splitter_of("auto", TOOLS)
    spans = [*reads.feed(WEATHER), *reads.interrupt()]

    assert Said("", WEATHER) == said(spans)


def test_stream_that_breaks_off_leaves_it_text() -> None:
    """The rest of the message may have been anything; a call that was not meant could be run."""
    decoder = headgate.decoder("openai", markup="auto", tools=TOOLS, ids=numbered())
    events = [*decoder.feed(sse(chunk({"content": WEATHER}))), *decoder.close()]

    assert WEATHER == "".join(event.text for event in events if isinstance(event, TextDelta))
    assert not [event for event in events if isinstance(event, ReasoningDelta)]


def test_two_copies_read_apart() -> None:
    reads = splitter_of("auto", TOOLS)
    reads.feed(WEATHER[:20])
    twin = reads.copy()

    assert Said("", WEATHER[:20] + "x") == said([*twin.feed("x"), *twin.close()])
    assert (CALLED,) == said([*reads.feed(WEATHER[20:]), *reads.close()]).calls


@pytest.mark.parametrize(
    "strange",
    ["[" * 5000, '{"a":' * 5000, "\ud800", '{"\\u12": 1', "1" * 5000, "1e999999", "\\" * 501, '"' + "\\" * 501, "\x00"],
    ids=lambda strange: strange[:5],
)
def test_nothing_is_raised_by_what_no_json_holds(strange: str) -> None:
    for head in ("{", '{"name": "get_weather", "arguments": {"city": ', "[", '{"id": '):
        text = head + strange
        expected = read([text], "auto")
        ways = [[text[start : start + size] for start in range(0, len(text), size)] for size in (1, 97)]

        assert text == raw(expected)
        for pieces in ways:
            assert said(expected) == said(read(pieces, "auto"))


# -- fences behind text (xLAM) ---------------------------------------------------------------------------------------


def test_fence_that_ends_the_message_counts_for_who_names_xlam() -> None:
    text = f"I will look.\n```json\n[{WEATHER}]\n```"

    check(text, one_call(*CALLED, text="I will look."), "xlam")
    kept(text, "auto")
    kept(text, "bare-json")


def test_fence_in_the_middle_is_an_example() -> None:
    text = f"It is called so:\n```json\n[{WEATHER}]\n```\nThen wait."

    kept(text, "xlam")
