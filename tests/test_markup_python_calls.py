"""`markup.readers.python_calls` and `python_lists`: when a Python-style call starts, and when it is text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from pieces import Said, cuts, merged, raw, repairs, said, spans_of, splitter

from headgate.limits import Limits
from headgate.markup.readers.converted import SURE
from headgate.markup.spans import Kind, Span

TOOLS = ["f", "g"]
START, END = "<|python_start|>", "<|python_end|>"


def check(text: str, expected: Said, *, markup: str = "pythonic", **options: Any) -> None:
    """The text means this at every split, and is still all there."""
    for pieces in cuts(text):
        spans = spans_of(pieces, markup=markup, tools=TOOLS, **options)

        assert expected == said(spans), pieces
        assert text == raw(spans), pieces


def after_each(pieces: Iterable[str], markup: str = "pythonic") -> list[list[Span]]:
    """The spans that each piece brings."""
    splits = splitter(markup, tools=TOOLS)
    return [merged(splits.feed(piece)) for piece in pieces]


def calls(*found: tuple[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, json.dumps(value, ensure_ascii=False)) for name, value in found)


def test_a_long_string_streams_once_the_call_is_sure() -> None:
    first, second, third = after_each([f"{START}[f(a='" + "x" * SURE, "yy", "zz"])

    assert ["f"] == [span.value for span in first if span.kind is Kind.CALL]
    assert [Span(Kind.ARGUMENTS, "yy", "yy")] == second
    assert [Span(Kind.ARGUMENTS, "zz", "zz")] == third


def test_a_short_call_starts_when_it_is_whole() -> None:
    first, second, _ = after_each([f"{START}[f(a='x', b=1", ")", "]"])

    assert [] == first
    assert [Kind.CALL, Kind.ARGUMENTS] == [span.kind for span in second if span.kind in {Kind.CALL, Kind.ARGUMENTS}]


def test_a_mistake_in_a_short_call_makes_that_call_text() -> None:
    text = f"{START}[f(a=1), g(b=), f(a=2)]{END}"
    spans = spans_of(text, markup="pythonic", tools=TOOLS)

    assert calls(("f", {"a": 1}), ("f", {"a": 2})) == said(spans).calls
    assert "g(b=)" in said(spans).text
    assert repairs(spans)
    check(text, said(spans))


def test_a_mistake_behind_the_start_is_in_the_arguments() -> None:
    """What was given out cannot be taken back; it is no whole JSON, which says that the call is broken."""
    value = "x" * SURE
    spans = spans_of(f"{START}[f(a='{value}', b=), g()]{END}", markup="pythonic", tools=TOOLS)
    (broken, arguments), (other, _) = said(spans).calls

    assert ("f", "g") == (broken, other)
    assert value in arguments
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)


def test_a_call_that_is_cut_off_keeps_what_there_is() -> None:
    check(f"{START}[f(a=1, b='Par", Said(calls=(("f", '{"a": 1, "b": "Par'),)))


def test_a_name_without_arguments_is_no_call() -> None:
    for text in (f"{START}[f(", f"{START}[f", f"{START}[f( "):
        check(text, Said(text=text))


def test_a_tool_that_is_not_declared_is_text() -> None:
    text = f"{START}[h(a=1)]{END}"
    check(text, Said(text=text))


def test_a_name_may_have_dots() -> None:
    for text in (f"{START}[a.b-c.f(x=1)]{END}", "[a.b-c.f(x=1)]", "```tool_code\na.b-c.f(x=1)\n```"):
        spans = spans_of(text, markup="pythonic", tools=["a.b-c.f"])

        assert Said(calls=calls(("a.b-c.f", {"x": 1}))) == said(spans)
        assert Said(text=text) == said(spans_of(text, markup="pythonic", tools=["f"]))


def test_a_bare_list_is_held_until_it_is_whole() -> None:
    pieces = ["[f(a='" + "x" * SURE, "y'), ", "g()", "]", "\nSo"]
    *before, last = after_each(pieces)

    assert [[], [], [], []] == before
    assert ["f", "g"] == [span.value for span in last if span.kind is Kind.CALL]


@pytest.mark.parametrize(
    "text",
    [
        "[f(a=1), h()]",  # one tool is not declared
        "[f(a=b)]",  # not a literal
        "[f(a=1)] is how to call it",
        "[f(a=1)",
        "[f(a=1), g]",
        "So [f(a=1)]",
        "[f]",
        "[]",
    ],
)
def test_a_bare_list_that_is_not_sure_is_text(text: str) -> None:
    check(text, Said(text=text), markup="auto")


@pytest.mark.parametrize("behind", ["", "\n", "\nIt is done.", " It is done."])
def test_a_bare_list_ends_its_line_or_its_sentence(behind: str) -> None:
    check(f"[f(a=1), g()]{behind}", Said("", behind.strip(), calls(("f", {"a": 1}), ("g", {}))), markup="auto")


def test_a_bare_list_that_is_too_long_is_text() -> None:
    text = "[f(a='" + "x" * 40 + "')]"
    check(text, Said(text=text), limits=Limits(arguments_chars_max=30))
    check(text, Said(calls=calls(("f", {"a": "x" * 40}))), limits=Limits(arguments_chars_max=100))


def test_an_echo_of_the_block_is_no_second_call() -> None:
    block = "[f(a=1)]<|tool_call_end|>"
    expected = Said(calls=calls(("f", {"a": 1})))
    check(f"<|tool_call_start|>{block}{block}", expected, markup="lfm2")
    check(f"<|tool_call_start|>{block}\n{block}", expected, markup="lfm2")


def test_what_only_begins_like_an_echo_is_text() -> None:
    text = "<|tool_call_start|>[f(a=1)]<|tool_call_end|>[f(a=7)"
    check(text, Said("", "[f(a=7)", calls(("f", {"a": 1}))), markup="lfm2")


def test_calls_may_stand_on_lines() -> None:
    text = "<function_calls>f(a=1)\ng()\n</function_calls>done"
    check(text, Said("", "done", calls(("f", {"a": 1}), ("g", {}))), markup="olmo3")


def test_a_copy_goes_on_alone() -> None:
    text = f"{START}[f(a='x', b=[1, 2]), g()]{END}done"
    for place in range(len(text)):
        one = splitter("pythonic", tools=TOOLS)
        before = one.feed(text[:place])
        twin = one.copy()
        ends = [merged([*before, *splits.feed(text[place:]), *splits.close()]) for splits in (one, twin)]

        assert ends[0] == ends[1]
        assert Said("", "done", calls(("f", {"a": "x", "b": [1, 2]}), ("g", {}))) == said(ends[0])
