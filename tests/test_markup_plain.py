"""`headgate.markup.plain`: a text that is said to be plain holds no tag, and no beginning of one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.markup.plain import plain
from headgate.markup.scanner import Tags

TAGS = Tags(["<think>", "</think>", "<|end|>", "functools", "function call<|sep|>", "◁think▷", "[TOOL", "münze"])
PATTERNS = plain(TAGS.all)
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


@pytest.mark.parametrize("text", ["`a`", "```", "~"])
def test_code_wants_a_look(text: str) -> None:
    assert PATTERNS.inside(text) is not None
    assert PATTERNS.text(text) is None


def test_white_space_at_the_end_is_held() -> None:
    assert PATTERNS.text("word ") is None
    assert PATTERNS.inside("word ") is not None


@given(texts)
def test_plain_text_holds_no_tag_and_no_beginning_of_one(text: str) -> None:
    for pattern in (PATTERNS.text, PATTERNS.inside):
        if pattern(text) is not None:
            assert (None, 0) == (TAGS.find(text, 0), TAGS.held(text, 0))


@given(texts)
def test_plain_text_neither_begins_nor_ends_code(text: str) -> None:
    if PATTERNS.text(text) is not None:
        assert not {"`", "~", "\n"} & set(text)


@given(texts)
def test_plain_json_is_plain_text_that_stands_for_itself(text: str) -> None:
    source = json.dumps(text, ensure_ascii=False)[1:-1]
    if PATTERNS.json(source.encode()) is not None:
        assert (source, True) == (text, PATTERNS.text(text) is not None)
