"""`headgate.markup.splitter`: nothing is lost or made up, whatever the text and however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pieces import Said, cut_at, merged, raw, repairs, said, spans_of, splitter

from headgate.limits import Limits
from headgate.markup.families.harmony_header import GLUED
from headgate.markup.spans import Kind, Span
from headgate.markup.thoughts import PAIRS

TOKENS = ["<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|return|>", "<|call|>"]
TAGS = [*PAIRS, *PAIRS.values(), *GLUED, *TOKENS]
HEADERS = [
    "<|channel|>analysis<|message|>",
    "<|start|>assistant<|channel|>final<|message|>",
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>",
    "<|channel|>commentary to=functions.g<|message|>",
    "commentary to=functions.f json",
    "analysisWe",
]
WORDS = [
    "assistant",
    "analysis",
    "commentary",
    "final",
    "to=functions.f",
    "to=assistant",
    "functions.f",
    "json",
    "code",
]
JSON = ['{"a": 1}', '{"a": "<|end|>"}', '{"a": "\\"', "{", "}", "[", '"', "\\", '"}']
PROSE = ["Hello", " world", ". ", "é", "👋", "\u2028", "e\u0301", "<", "<|", "|>", "</", "to=", "<b>", "[", "◁"]
SPACE = [" ", "\n", "\n\n", "\t", "\u00a0", " " * 70]
CODE = ["`", "``", "```", "~~~", "\n```\n", "```py\n"]

# How long the pieces are that a text arrives in; None is the whole.
SIZES = [None, 1, 2, 3, 5, 8, 13]


def ways(text: str, places: list[int]) -> list[list[str]]:
    """The text cut into pieces of each size, beside each tag, and at random."""
    found = [cut_at(text, range(size, len(text), size) if size else []) for size in SIZES]
    starts = [place for place, character in enumerate(text) if character in "<[|`\n"]
    ends = [place + 1 for place, character in enumerate(text) if character in ">]`\n"]
    beside = (cut_at(text, [place + offset for place in (*starts, *ends)]) for offset in (-1, 0, 1))
    return [*found, *beside, cut_at(text, places)]


fragments = st.sampled_from([*TAGS, *HEADERS, *WORDS, *JSON, *PROSE, *SPACE, *CODE])
torn = st.sampled_from([*TAGS, *HEADERS]).flatmap(lambda tag: st.integers(1, len(tag)).map(lambda end: tag[:end]))
texts = st.lists(fragments | torn | st.text(max_size=4), max_size=14).map("".join)


@given(
    text=texts,
    places=st.lists(st.integers(0, 200), max_size=8),
    starts=st.sampled_from([None, True, False]),
    tools=st.sampled_from([None, [], ["f"]]),
    halves=st.sampled_from([(True, True), (True, False), (False, True)]),
    limit=st.sampled_from([8, 40, 1024]),
)
@settings(max_examples=600, deadline=None)
@example("analysis\n", [], None, None, (True, True), 1024)
@example("<think></think>\n\na", [], None, None, (True, True), 1024)
@example("a `\n</think>b", [], None, None, (True, True), 1024)
@example("<|message|>`<|end|>` <|end|>", [], None, None, (True, True), 1024)
@example("<|channel|>" * 5 + "final<|message|>a", [], None, None, (True, True), 40)
@example(" " * 70 + "<think>a", [], None, None, (True, True), 1024)
def test_the_spans_are_the_text_and_the_same_at_every_split(  # noqa: PLR0917 - hypothesis passes by name
    text: str,
    places: list[int],
    starts: bool | None,  # noqa: FBT001
    tools: list[str] | None,
    halves: tuple[bool, bool],
    limit: int,
) -> None:
    """Conservation: the raw texts, joined, are the input; and a split is nothing that anybody can see."""
    expected = None
    for pieces in ways(text, places):
        spans = spans_of(
            pieces,
            tools=tools,
            starts_in_reasoning=starts,
            parse_reasoning=halves[0],
            parse_tools=halves[1],
            limits=Limits(markup_chars_max=limit),
        )
        expected = spans if expected is None else expected

        assert text == raw(spans), pieces
        assert expected == spans, pieces


@given(
    text=texts,
    places=st.lists(st.integers(0, 200), max_size=8),
    starts=st.sampled_from([None, True, False]),
    tools=st.sampled_from([None, [], ["f"]]),
    kept=st.booleans(),
)
@settings(max_examples=600, deadline=None)
@example("  a b", [3], None, None, False)
@example("a\n`b", [1, 2, 3], None, None, False)
@example("\n" + " " * 63 + "<think>a", [], None, None, False)
@example("<think>a</think> b c", [12, 16, 18], None, None, False)
def test_what_is_plain_is_what_feeding_it_says(
    text: str,
    places: list[int],
    starts: bool | None,  # noqa: FBT001
    tools: list[str] | None,
    kept: bool,  # noqa: FBT001
) -> None:
    """The quick way leaves the splitter in the state that feeding leaves it in, a copy of it too."""
    for pieces in ways(text, places):
        reads = splitter(tools=tools, starts_in_reasoning=starts)
        found: list[Span] = []
        for piece in pieces:
            kind = reads.plain(piece) if piece else None
            found += reads.feed(piece) if kind is None else [Span(kind, piece, piece)]
            reads = reads.copy() if kept else reads

        assert spans_of(pieces, tools=tools, starts_in_reasoning=starts) == merged([*found, *reads.close()]), pieces


@given(text=texts, tools=st.sampled_from([None, [], ["f"]]))
@settings(max_examples=300, deadline=None)
def test_text_and_thought_are_never_rewritten(text: str, tools: list[str] | None) -> None:
    """Only what a family declares as its tags may vanish; arguments, too, are the generated text."""
    for span in spans_of(text, tools=tools):
        if span.kind in {Kind.TEXT, Kind.REASONING, Kind.ARGUMENTS}:
            assert span.raw == span.value != ""
        if span.kind in {Kind.BLOCK_END, Kind.REPAIR}:
            assert span.raw == ""
        if span.kind is Kind.CALL and tools is not None:
            assert span.value in tools


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_calls_are_opened_before_their_arguments_and_closed_after(text: str) -> None:
    """The writer opens and closes blocks by these spans; out of order they would raise or leak."""
    opened = False
    for kind, *_ in spans_of(text):
        if kind is Kind.CALL:
            assert not opened
            opened = True
        elif kind in {Kind.ARGUMENTS, Kind.CALL_END}:
            assert opened
            opened = kind is Kind.ARGUMENTS
        else:
            assert not opened or kind is Kind.REPAIR

    assert not opened


@given(texts=st.lists(texts, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_structured_blocks_in_between_lose_nothing(texts: list[str]) -> None:
    splits = splitter()
    spans: list[Span] = []
    for text in texts:
        spans += [*splits.feed(text), *splits.interrupt()]

    assert "".join(texts) == raw([*spans, *splits.close()])


@given(text=texts, place=st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_a_copy_goes_its_own_way(text: str, place: int) -> None:
    """The contract check closes a copy after every byte; the original must not notice."""
    splits = splitter()
    spans = splits.feed(text[:place])
    twin = splits.copy()
    closed = [*spans, *twin.feed("<|end|>`</think>{"), *twin.close()]
    spans += [*splits.feed(text[place:]), *splits.close()]

    assert text[:place] + "<|end|>`</think>{" == raw(closed)
    assert spans_of(text) == merged(spans)


def test_held_text_goes_out_before_a_structured_block() -> None:
    """Otherwise a held `<` would surface behind the engine's own tool call."""
    splits = splitter()

    assert [] == splits.feed("<")
    assert splits.holds
    assert [("<", Kind.TEXT)] == [(span.raw, span.kind) for span in splits.interrupt()]
    assert not splits.holds


def test_a_block_may_open_after_a_structured_block() -> None:
    """What the engine told apart is a closed block, so a tag behind it stands at a legal place."""
    splits = splitter()
    spans = [*splits.feed("prose"), *splits.interrupt(), *splits.feed("<think>why</think>because"), *splits.close()]

    assert Said("why", "prosebecause") == said(spans)


def test_an_unopened_closer_behind_a_structured_block_is_text() -> None:
    """The engine that told a thought or a call apart did not leave the end of a thought to us."""
    splits = splitter()
    spans = [*splits.interrupt(), *splits.feed("a</think>b"), *splits.close()]

    assert (Said("", "a</think>b"), []) == (said(spans), repairs(spans))


def test_with_no_family_everything_is_text() -> None:
    text = "<think>a</think><|channel|>final<|message|>b"

    assert [Span(Kind.TEXT, text, text)] == spans_of(list(text), markup="off")


@pytest.mark.parametrize("text", ["plain prose, one word after the other", "a < b and c > d", "2 [1] ◁", "x" * 100])
def test_prose_goes_out_as_it_comes(text: str) -> None:
    """Only what may still be a tag is held: a reader must not wait for the end of a sentence."""
    splits = splitter()
    out = ""
    for character in text:
        out += raw(splits.feed(character))

    assert len(text) - len(out) <= 2
