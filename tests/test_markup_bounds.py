"""What any family holds is bounded, wherever a stream stops making sense, and all of it comes out in the end."""

from __future__ import annotations

import re

import pytest
from growth import AT_MOST, WAYS, Case, Pieces, growth, no_collection
from markup_cases import CALL_FAMILIES, TOOLS, cases, splitter_of
from markup_checks import read
from pieces import Said, events_of, merged, raw, said

from headgate.events import ToolCallDelta
from headgate.limits import Limits
from headgate.markup.readers.converted import SURE

__all__ = ["no_collection"]  # a fixture for every test here

LIMITS = Limits(markup_chars_max=100, arguments_chars_max=300)
PIECE = 40
FLOODS = [" ", "\n", ",", '"', "<", "x"]
TEXTS = {case.family: case.text for case in cases() if case.name == "two calls"}

_TOKENS = re.compile(r"\w+|\s+|.")

HEADS = {
    "pythonic": [
        *("<|python_start|>", "<|python_start|>[", "<|python_start|>[get_weather(", "<|python_start|>[get_time()"),
        *(
            "<|python_start|>[get_weather(city=",
            "<|python_start|>[get_weather(city='Rome'",
            "[get_time()",
            "[get_time(), ",
        ),
        *("<|python_start|>get_time()", "<|python_start|>[get_time()]", "<|python_start|>[get_weather(city='Rome',"),
    ],
    "lfm2": ["<|tool_call_start|>[get_time()]<|tool_call_end|>", "<|tool_call_start|>[get_time()]"],
    "gemma4": ["<|tool_call>call:get_weather{", "<|tool_call>call:get_weather{city:", "<|tool_call>call:note{text:1,"],
    "apertus": ['<|tools_prefix|>[{"get_time":'],
    "bare-json": ['{"name":', '{"name": "get_time", "arguments":', '{"name": "get_time", "arguments": {}}'],
    "hermes": [
        '<tool_call>{"name": "get_time", "arguments": {}}',
        '<tool_call>[{"name": "get_time", "arguments": {}}]',
    ],
    "command-r-plus": ['Action: ```json\n[{"tool_name": "get_time", "parameters": {}}]'],
}
EVERY_HEAD = [(family, head) for family, heads in HEADS.items() for head in heads]


def held_at_most(markup: str, head: str, flood: str) -> int:
    """How many characters are held at the worst moment, while much of one thing follows a head."""
    reads = splitter_of(markup, TOOLS, LIMITS)
    fed = given = worst = 0
    for piece in (head, *[flood * PIECE] * 50):
        given += len(raw(reads.feed(piece)))
        fed += len(piece)
        worst = max(worst, fed - given)
    assert given + len(raw(reads.close())) == fed
    return worst


def heads(text: str) -> list[str]:
    """The beginnings of a text, token by token."""
    ends = [found.end() for found in _TOKENS.finditer(text)]
    return [text[:end] for end in ends]


@pytest.mark.parametrize("thought", ["", "<think>Now, "])
@pytest.mark.parametrize("family", [family for family in CALL_FAMILIES if family in TEXTS])
def test_no_family_holds_more_than_a_header_and_the_arguments(family: str, thought: str) -> None:
    text = thought + TEXTS[family]
    limit = LIMITS.markup_chars_max + LIMITS.arguments_chars_max + PIECE
    held = {
        (head, flood): most
        for head in heads(text)[len(heads(thought)) :]
        for flood in FLOODS
        if (most := held_at_most(family, head, flood)) > limit + len(text)
    }

    assert {} == held


@pytest.mark.parametrize("space", [" ", "\n", "\u3000"])
@pytest.mark.parametrize(("family", "head"), EVERY_HEAD)
def test_white_space_is_held_as_a_header_is(family: str, head: str, space: str) -> None:
    limit = 2 * LIMITS.markup_chars_max + SURE  # before a value, before what follows it, and until it is sure

    assert held_at_most(family, head, space) <= len(head) + limit + PIECE


@pytest.mark.parametrize("size", [20, 99, 100, 101, 150, 400])
@pytest.mark.parametrize(("family", "head"), EVERY_HEAD)
def test_much_white_space_means_the_same_at_every_split(family: str, head: str, size: int) -> None:
    for tail in ("", "get_time()]", "]", "{}}]", ")", "'a')]", '<|"|>a<|"|>}', '"get_time"}', "Text."):
        text = head + " " * size + tail
        expected = merged(read([text], family, TOOLS, LIMITS))

        assert text == raw(expected)
        for step in (1, 7, 64):
            pieces = [text[place : place + step] for place in range(0, len(text), step)]
            assert expected == merged(read(pieces, family, TOOLS, LIMITS)), (tail, step)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("family", "head"), EVERY_HEAD)
def test_white_space_takes_linear_time(family: str, head: str, way: str) -> None:
    def run(pieces: Pieces) -> None:
        reads = splitter_of(family, TOOLS, LIMITS)
        for piece in pieces:
            reads.feed(piece)
        reads.close()

    assert growth(Case(run, WAYS[way](" ", head)), 4 * LIMITS.markup_chars_max) <= AT_MOST


def test_white_space_in_a_call_is_no_delta_of_its_own() -> None:
    """The arguments are what they would be without it, and no client gets an empty fragment."""
    head, tail = "<|python_start|>[note(text='a'", ", query='b')]<|python_end|>"
    expected = '{"text": "a", "query": "b"}'
    for size in (3, 5_000):
        found = events_of([(head + " " * size + tail).encode()], "text", markup="pythonic", tools=TOOLS)
        deltas = [event.json for event in found if isinstance(event, ToolCallDelta)]

        assert expected == "".join(deltas)
        assert "" not in deltas


# -- a call inside a thought ------------------------------------------------------------------------------------------

DRAFT = '<tool_call>{"name": "note", "arguments": {"text": "%s"}}</tool_call>'


def text_of_draft(size: int) -> str:
    """A thought that ends with a call of about so many characters, and is never closed."""
    return "<think>So: " + DRAFT % ("x" * size)


def test_call_in_an_unclosed_thought_counts_up_to_the_size_of_arguments() -> None:
    short = said(read([text_of_draft(100)], "hermes", TOOLS, LIMITS))
    expected = text_of_draft(1_000).removeprefix("<think>")

    assert (("note", '{"text": "%s"}' % ("x" * 100)),) == short.calls
    assert Said(expected, "", ()) == said(read([text_of_draft(1_000)], "hermes", TOOLS, LIMITS))


@pytest.mark.parametrize("size", [220, *range(228, 240), 250, 300])
def test_size_of_a_drafted_call_is_the_same_at_every_split(size: int) -> None:
    text = text_of_draft(size) + " Or " + DRAFT % "b" + "\n" + DRAFT % ("c" * size) + DRAFT % "d"
    expected = merged(read([text], "hermes", TOOLS, LIMITS))

    assert text == raw(expected)
    for step in (1, 3, 17, 100):
        pieces = [text[place : place + step] for place in range(0, len(text), step)]
        assert expected == merged(read(pieces, "hermes", TOOLS, LIMITS)), step


def test_calls_behind_a_lost_draft_are_read_again() -> None:
    text = text_of_draft(1_000) + "\n" + DRAFT % "b"
    spans = read([text], "hermes", TOOLS, LIMITS)

    assert (("note", '{"text": "b"}'),) == said(spans).calls
    assert text == raw(spans)
