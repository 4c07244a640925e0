"""`markup.readers.tag_grammar`: which tag may follow which, so that a tag in a value is told from one that ends it."""

from __future__ import annotations

import pytest

from headgate.markup.readers.tag_grammar import Grammar, Rank
from headgate.markup.readers.tag_heads import Head, Tag, bare_name

GRAMMAR = Grammar(
    openers=("<calls>",),
    closers=("</calls>",),
    call=Tag(("<call=",), ">", bare_name),
    call_closers=("</call>",),
    parameter=Tag(("<p=",), ">", bare_name),
    parameter_closers=lambda _: ("</p>",),
    inner=("<|sep|>",),
)
LABELLED = Grammar(
    call=GRAMMAR.call,
    call_closers=GRAMMAR.call_closers,
    parameter=GRAMMAR.parameter,
    parameter_closers=GRAMMAR.parameter_closers,
    label=True,
    lone=("<call=",),
)


@pytest.mark.parametrize(
    ("text", "rank", "expected"),
    [
        ("<p=a>", Rank.PARAMETER, True),
        ("\n </call>", Rank.PARAMETER, True),
        ("</calls>", Rank.PARAMETER, True),
        ("<call=b>", Rank.PARAMETER, True),
        ("</p>", Rank.PARAMETER, False),
        ("text", Rank.PARAMETER, False),
        (" <p", Rank.PARAMETER, None),
        (" <", Rank.PARAMETER, None),
        ("", Rank.PARAMETER, None),
        ("<|sep|></call>", Rank.PARAMETER, True),
        ("<|sep", Rank.PARAMETER, None),
        ("<p=a>", Rank.CALL, False),
        ("</call>", Rank.CALL, False),
        ("</calls>", Rank.CALL, True),
        ("<call=b>", Rank.CALL, True),
        ("<calls>", Rank.BLOCK, True),
        ("</calls>", Rank.BLOCK, False),
        ("and so on", Rank.BLOCK, False),
    ],
)
def test_what_may_follow_a_closing_tag(text: str, rank: Rank, *, expected: bool | None) -> None:
    assert expected == GRAMMAR.follows(text, rank)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p=new>", True),
        ("<p=old>", False),
        ("</call>", None),
        ("</call></calls>", None),
        ("</call></calls> is how it ends", False),
        ("</call><p=new>", False),
        ("</call><call=b>", True),
    ],
)
def test_behind_a_quoted_tag_the_tags_must_lead_on(text: str, *, expected: bool | None) -> None:
    assert expected == GRAMMAR.follows(text, Rank.PARAMETER, lambda key: key == "new")


@pytest.mark.parametrize(
    ("grammar", "text", "expected"),
    [
        (GRAMMAR, "\n<call=a>", (1, Head(8, "a"))),
        (GRAMMAR, "<|sep|> <call=a>", (8, Head(8, "a"))),
        (GRAMMAR, "\n<cal", True),
        (GRAMMAR, "", True),
        (GRAMMAR, "a <call=a>", False),
        (LABELLED, "a label <call=a>", (8, Head(8, "a"))),
        (LABELLED, "a label", True),
        (LABELLED, "a label <b>", False),
    ],
)
def test_where_a_calls_tag_stands(grammar: Grammar, text: str, *, expected: tuple[int, Head] | bool) -> None:
    assert expected == grammar.header(text)


def test_the_structure_at_a_place() -> None:
    assert ["</call>", "<calls>", "", None, None] == [
        GRAMMAR.structure(text, 1) for text in ("a</call>", "a<calls>", "a<b>", "a</c", "a")
    ]


def test_how_far_a_tag_closes() -> None:
    assert [Rank.PARAMETER, Rank.CALL, Rank.BLOCK] == [GRAMMAR.rank(tag) for tag in ("</p>", "</call>", "</calls>")]
    assert [Rank.PARAMETER, Rank.CALL, Rank.BLOCK] == [GRAMMAR.rank(tag) for tag in ("<p=", "<call=", "<calls>")]


def test_only_a_call_in_a_block_may_not_be_the_last_to_close() -> None:
    assert [True, False, True] == [GRAMMAR.is_last(rank) for rank in Rank]
    assert [True, True, True] == [LABELLED.is_last(rank) for rank in Rank]
