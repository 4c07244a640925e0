"""`headgate.markup.plain`: a text that is said to be plain holds no tag, and no beginning of one."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import chunk, numbered, sse

import headgate
from headgate.markup.plain import ANYTHING, ROW_END, Plain, plain
from headgate.markup.scanner import Scanner, Tags

TAGS = Tags(
    ["<think>", "</think>", "<|end|>", "functools", "function call<|sep|>", "◁think▷", "[TOOL", "münze", "```tool_code"]
)
PATTERNS = plain(TAGS.all)
WORDS = Tags(TAGS.all, words=True)
PIECES = [
    "f",
    "fu",
    "func",
    "function",
    "funct",
    "functools",
    "function call",
    "<",
    "<b",
    "<th",
    "<think>",
    "[",
    "◁",
    "`x",
    "```t",
    "m",
    "mü",
]
texts = st.lists(st.sampled_from([*PIECES, *TAGS.all, "word", "fun", " ", "\n", "`", "~", "é", "👋", '"', "\\"])).map(
    "".join
)


@pytest.mark.parametrize(
    "text",
    [
        "word",
        "far off, front",
        " if a",
        "functional tests are",
        "func is",
        "f.",
        "a\nb",
        "é",
        "m.",
        "a<b",
        "x[0]",
        "<<=",
    ],
)
def test_ordinary_text_is_plain(text: str) -> None:
    """Tags that begin with a letter, or with a sign of every program, must not make every word with it slow."""
    assert PATTERNS.inside(text) is not None
    assert ("\n" in text) is (PATTERNS.text(text) is None)


@pytest.mark.parametrize(
    "text", ["a functools", "of", "a fu", "function", "function cal", "<", "a<t", "<|x|>", "m", "◁"]
)
def test_what_may_be_a_tag_is_not_plain(text: str) -> None:
    assert PATTERNS.inside(text) is None
    assert PATTERNS.text(text) is None


@pytest.mark.parametrize("text", ["`a`", "```", "~", "as `x", "~~~"])
def test_code_wants_a_look(text: str) -> None:
    """Also where a tag begins with a backtick, so that a call quoted behind it stays text."""
    assert PATTERNS.text(text) is None


def test_code_may_stand_inside() -> None:
    assert PATTERNS.inside("as `x` and ~") is not None


def test_white_space_at_the_end_is_held() -> None:
    assert PATTERNS.text("word ") is None
    assert PATTERNS.inside("word ") is not None


@given(texts, st.sampled_from([TAGS, WORDS]))
def test_plain_text_holds_no_tag_and_no_beginning_of_one(text: str, tags: Tags) -> None:
    for pattern in (tags.plain.text, tags.plain.inside):
        if pattern(text) is not None:
            assert (None, 0) == (tags.find(text, 0), tags.held(text, 0))


@pytest.mark.parametrize("text", [" of", "of", " if it", "f", "half functional", "afunctools x", "x.functools"])
def test_a_word_tag_begins_no_word_in_its_midst(text: str) -> None:
    """Otherwise each "of" would be held."""
    assert (None, 0) == (WORDS.find(text, 0), WORDS.held(text, 0))
    assert WORDS.plain.text(text) is not None


@pytest.mark.parametrize("text", [" functools", "a\nfunctools", "of functools"])
def test_a_word_tag_counts_behind_white_space(text: str) -> None:
    place = text.index("functools")
    assert (place, "functools") == WORDS.find(text, 0)
    for length in range(1, len("functools")):
        assert length == WORDS.held(text[: place + length], 0)
        assert WORDS.plain.inside(text[: place + length]) is None


def test_what_was_taken_is_not_seen_any_more() -> None:
    """A split there must not matter, and behind it nothing of it is known."""
    assert WORDS.find(" functools", 1) is None
    assert WORDS.held(" func", 1) == 0


@given(st.lists(texts, max_size=4))
def test_what_is_taken_at_once_is_what_is_found_by_looking(pieces: list[str]) -> None:
    """`Scanner.before` is `feed` and `until`, unless a tag is whole."""
    for tags in (TAGS, WORDS):
        one, other = Scanner(), Scanner()
        for piece in pieces:
            other.feed(piece)
            text, _, tag = other.until(tags, trim=True)
            taken = one.before(tags, piece)
            assert (taken is None) is (tag is not None)
            if taken is None:
                break
            assert (text, bool(other)) == taken
            assert other.peek(1000) == one.peek(1000)


@given(st.lists(texts, max_size=6), st.sampled_from([PATTERNS, WORDS.plain, ANYTHING]))
def test_a_row_is_plain_as_far_as_each_text_in_it_is(found: list[str], patterns: Plain) -> None:
    sources = [json.dumps(text, ensure_ascii=False)[1:-1].encode() for text in found]
    plain_ones = itertools.takewhile(lambda source: source and patterns.json(source) is not None, sources)
    run = patterns.row(b"".join(source + ROW_END for source in sources), 0)

    assert sum(len(source) + 1 for source in plain_ones) == (run.end() if run else 0)


@pytest.mark.parametrize("end", ["as `x", "as\n```x"])
def test_a_quoted_call_stays_text_however_its_backtick_came(end: str) -> None:
    """The backtick of a delta that looked plain was not noticed, because tags begin with one, too."""
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    said = ["Write", " it ", end, f"y{call}"]
    gathered = headgate.Accumulator()
    decoder = headgate.decoder("openai", tools=["f"], ids=numbered())
    for text in said:
        gathered.feed_all(decoder.feed(sse(chunk({"content": text}))))
    gathered.feed_all(decoder.close())

    assert ["".join(said)] == [getattr(part, "text", part) for part in gathered.message.parts]


@given(texts)
def test_plain_text_neither_begins_nor_ends_code(text: str) -> None:
    if PATTERNS.text(text) is not None:
        assert not {"`", "~", "\n"} & set(text)


@given(texts)
def test_plain_json_is_plain_text_that_stands_for_itself(text: str) -> None:
    source = json.dumps(text, ensure_ascii=False)[1:-1]
    if PATTERNS.json(source.encode()) is not None:
        assert (source, True) == (text, PATTERNS.text(text) is not None)
