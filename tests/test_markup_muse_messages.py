"""`markup.families.muse_messages`: messages with a recipient, and what is done with what only looks like one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from markup_cases import TOOLS, splitter_of
from pieces import Said, cuts, merged, raw, repairs, said

from headgate.limits import Limits
from headgate.markup import families_named
from headgate.markup.families.muse_messages import Header, header
from headgate.markup.family import Settings
from headgate.markup.spans import Span
from headgate.markup.splitter import Splitter

CALL = '<atem:function_calls>\n<atem:invoke name="get_time">\n</atem:invoke>\n</atem:function_calls>'
CALLED = (("get_time", "{}"),)


def spans(pieces: Iterable[str], markup: str = "muse", tools: Any = TOOLS) -> list[Span]:
    reads = splitter_of(markup, tools)
    return merged([*(span for piece in pieces for span in reads.feed(piece)), *reads.close()])


def check(text: str, expected: Said, **options: Any) -> None:
    """The text means this at every split, and is still all there."""
    for pieces in cuts(text):
        found = spans(pieces, **options)

        assert expected == said(found), pieces
        assert text == raw(found), pieces


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to=self<|message|>why", Header(18, False, "self")),
        (" to=get_time <|message|>", Header(24, False, "get_time")),
        ("<|start|>assistant to=user<|message|>", Header(37, True, "user")),
        ("<|start|>assistant<|message|>", Header(29, True, "")),
        ("<|message|>", Header(11, False, "")),
        ("", True),
        ("<|st", True),
        ("<|start|>assistant ", True),
        (" t", True),
        ("to=sel", True),
        ("to=self", True),
        ("to=self <|mess", True),
        ("to=self and", False),
        ("to= <|message|>", False),
        ("to=<|message|>", False),
        ("today", False),
        ("<|start|>user<|message|>", False),
        ("<|end|>", False),
    ],
)
def test_a_header_stands_there_or_may_still_or_does_not(text: str, *, expected: Header | bool) -> None:
    assert expected == header(text)


@pytest.mark.parametrize("markup", ["muse", "auto"])
def test_messages_are_told_by_their_recipients(markup: str) -> None:
    text = (
        " to=self<|message|>why<|eom|><|start|>assistant to=user<|message|>because<|eom|>"
        f" to=get_time<|message|>{CALL}<|eot|>"
    )

    check(text, Said("why", "because", CALLED), markup=markup)


def test_a_thought_stays_text_with_its_header_where_reasoning_is_not_parsed() -> None:
    chosen = families_named("muse")
    reads = Splitter(chosen, Settings({}, False, True, Limits(), chosen.named))
    found = [*reads.feed(" to=self<|message|>why<|eom|> to=user<|message|>because"), *reads.close()]

    assert Said("", " to=self<|message|>whybecause") == said(found)


def test_a_message_to_a_tool_that_is_no_call_is_given_back_with_its_header() -> None:
    text = "to=get_time<|message|>now?"

    check(text, Said("", text))
    assert ["markup_given_back"] == repairs(spans([text]))


def test_where_nothing_can_be_a_call_nothing_is_given_back() -> None:
    text = f"to=get_time<|message|>{CALL}"

    check(text, Said("", text), tools=[])
    assert [] == repairs(spans([text], tools=[]))


def test_a_call_counts_at_the_beginning_of_a_message_only() -> None:
    check(f" to=user<|message|>{CALL}", Said("", "", CALLED))
    check(f" to=user<|message|>Like so: {CALL}", Said("", f"Like so: {CALL}"))
    check(f" to=self<|message|>{CALL}", Said(CALL, ""))


def test_text_behind_a_call_is_the_messages() -> None:
    check(f" to=get_time<|message|>{CALL} and on<|eot|>", Said("", "and on", CALLED))


def test_a_message_without_a_recipient_is_harmonys_where_nobody_says_else() -> None:
    check("<|message|>Hello", Said("", "Hello"))
    check(f"<|start|>assistant<|message|>{CALL}", Said("", "", CALLED))


@pytest.mark.parametrize("text", ["to=x is the syntax", " to=self", "to=self <b>", "Write to=user<|message|> first."])
def test_what_only_looks_like_a_header_stays_text(text: str) -> None:
    check(text, Said("", text))


def test_messages_end_where_something_else_stands() -> None:
    check(" to=user<|message|>a<|eom|> b", Said("", "ab"))
    check(" to=user<|message|>a<|eom|> \n", Said("", "a"))


def test_a_message_may_be_cut_anywhere() -> None:
    text = f" to=self<|message|>why<|eom|><|start|>assistant to=get_time<|message|>{CALL}<|eot|>"
    for size in range(len(text)):
        reads = splitter_of("muse", TOOLS)

        assert text[:size] == raw([*reads.feed(text[:size]), *reads.copy().close()])
