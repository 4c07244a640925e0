"""`markup.families.think`: reasoning between its tags, and everything that only looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from pieces import Said, cuts, raw, repairs, said, spans_of

from headgate.limits import Limits
from headgate.markup.scanner import SPACE_MAX
from headgate.markup.spans import Kind
from headgate.markup.thoughts import MORE_CLOSERS, PAIRS

pairs = pytest.mark.parametrize(("opener", "closer"), PAIRS.items(), ids=PAIRS)


def check(text: str, expected: Said, **options: Any) -> None:
    """The text means this at every split, and is still all there."""
    for pieces in cuts(text):
        spans = spans_of(pieces, **options)

        assert expected == said(spans), pieces
        assert text == raw(spans), pieces


@pairs
def test_each_pair_holds_reasoning(opener: str, closer: str) -> None:
    check(f"{opener}why{closer}because", Said("why", "because"))


@pairs
def test_white_space_beside_the_tags_belongs_to_them(opener: str, closer: str) -> None:
    check(f"\n{opener}\n why \n{closer}\n\nbecause \n", Said("why", "because \n"))


@pairs
def test_another_pairs_closer_is_part_of_the_thought(opener: str, closer: str) -> None:
    """A model that thinks in one kind of tags may write about another."""
    for other in PAIRS.values():
        if other not in closer and closer not in other and other not in MORE_CLOSERS.get(opener, ()):
            assert Said(f"a{other}b", "c") == said(spans_of(f"{opener}a{other}b{closer}c"))


@pairs
def test_the_thought_may_have_been_opened_in_the_prompt(opener: str, closer: str) -> None:
    """Templates end the prompt with the opener, so the stream begins inside the thought."""
    check(f"why\n{closer}\n\nbecause", Said("why", "because"), starts_in_reasoning=True)
    check(f"{opener}why{closer}because", Said("why", "because"), starts_in_reasoning=True)
    check(f" \n{opener}\nwhy{closer}because", Said("why", "because"), starts_in_reasoning=True)


@pairs
def test_a_closer_that_was_never_opened_is_consumed_and_reported(opener: str, closer: str) -> None:
    """The text has been sent already; the repair lets whoever can move it."""
    del opener
    text = f"why\n{closer}\n\nbecause"
    for pieces in cuts(text):
        spans = spans_of(pieces)

        assert (Said("", "whybecause"), ["reasoning_unopened"]) == (said(spans), repairs(spans)), pieces
        assert text == raw(spans), pieces


@pairs
def test_nothing_is_a_tag_when_reasoning_is_not_parsed(opener: str, closer: str) -> None:
    for text in (f"{opener}why{closer}\n\nbecause", f"why{closer}because"):
        check(text, Said("", text), parse_reasoning=False)
        check(text, Said("", text), markup="off")


@pairs
def test_a_thought_that_is_cut_off_is_reasoning_to_the_end(opener: str, closer: str) -> None:
    """At a length limit there is no closer; a cut tag and the last white space are the thought's own."""
    check(f"{opener}why \n", Said("why \n", ""))
    check(f"{opener}why\n{closer[:-1]}", Said("why\n" + closer[:-1], ""))


@pairs
def test_an_opener_that_is_cut_off_is_text(opener: str, closer: str) -> None:
    del closer
    cut = opener[:-1]
    if cut not in PAIRS:
        check(cut, Said("", cut))
        check(" \n" + cut, Said("", " \n" + cut))


@pairs
def test_an_opener_in_the_middle_of_prose_is_text(opener: str, closer: str) -> None:
    text = f"Say {opener} first."
    check(text, Said("", text))
    check(f"{opener}a{closer}b {opener}c", Said("a", f"b {opener}c"))


@pytest.mark.parametrize("empty", ["", "\n", "\n\n", " \t\n"])
@pairs
def test_an_empty_thought_leaves_nothing(opener: str, closer: str, empty: str) -> None:
    """Models that may not think open and close the thought at once."""
    spans = spans_of(f"{opener}{empty}{closer}\n\nanswer")

    assert [Kind.MARKUP, Kind.BLOCK_END, Kind.MARKUP, Kind.TEXT] == [span.kind for span in spans]
    assert "answer" == spans[-1].value


@pairs
def test_several_thoughts_may_follow_each_other(opener: str, closer: str) -> None:
    check(f"{opener}a{closer}\n{opener}b{closer}\nc", Said("ab", "c"))


def test_a_closer_at_the_very_start_is_taken_out() -> None:
    """Templates that switch thinking off sometimes leave the closer to the model."""
    check("</think>\n\nanswer", Said("", "answer"))
    check("\n</think>answer", Said("", "answer"))
    assert ["reasoning_unopened"] == repairs(spans_of("</think>answer"))


def test_an_unopened_closer_counts_once_and_only_in_the_first_text() -> None:
    check("a</think>b</think>c", Said("", "ab</think>c"))
    check("<think>a</think>b</think>c", Said("a", "b</think>c"))


def test_an_unopened_closer_counts_not_at_all_where_the_thought_is_known_to_be_closed() -> None:
    check("a</think>b", Said("", "a</think>b"), starts_in_reasoning=False)
    check("<think>a</think>b", Said("a", "b"), starts_in_reasoning=False)


@pytest.mark.parametrize(
    "text",
    [
        "Use `</think>` to end it.",
        "Use ``a ` </think>`` to end it.",
        "```\n</think>\n```\n",
        "```html\n<p></think>\n",
        "~~~\n</think>\n~~~\n",
        "   ```\n</think>\n",
    ],
)
def test_an_unopened_closer_in_code_is_text(text: str) -> None:
    """A model that explains the tag puts it in code; nothing there may be touched."""
    check(text, Said("", text))


@pytest.mark.parametrize(
    ("before", "after"),
    [("a ` b\n", "c"), ("```\nx\n```\n", "c"), ("`x` ", "c"), ("```x``` ", "c"), ("~~~\nx\n~~~\n", "c")],
)
def test_an_unopened_closer_behind_code_counts(before: str, after: str) -> None:
    spans = spans_of(f"{before}</think>{after}")

    assert ["reasoning_unopened"] == repairs(spans)
    assert before.rstrip() + after == said(spans).text


@pytest.mark.parametrize(
    ("opener", "closer"), [(opener, more) for opener in MORE_CLOSERS for more in MORE_CLOSERS[opener]]
)
def test_some_pairs_have_a_second_closer(opener: str, closer: str) -> None:
    """Small models end a thought of any effort alike; whichever comes first ends it."""
    check(f"{opener}a{closer}b{PAIRS[opener]}c", Said("a", f"b{PAIRS[opener]}c"))
    check(f"{opener}a{PAIRS[opener]}b{closer}c", Said("a", f"b{closer}c"))


def test_a_closer_without_an_opener_of_its_own_counts_where_none_stands_in_the_text() -> None:
    """Apriel's thought is opened in the prompt, by a sentence."""
    closer = "[BEGIN FINAL RESPONSE]"

    check(f"a\n{closer}\nb", Said("a", "b"), starts_in_reasoning=True)
    check(f"a{closer}b", Said("", "ab"))
    check(f"<think>a{closer}</think>b", Said(f"a{closer}", "b"))


def test_a_tag_that_ends_blocks_of_all_kinds_ends_only_a_known_thought() -> None:
    for end in ("<|end_message|>", "<|im_end|>\n<|im_start|>assistant\n"):
        check(f"a{end}b", Said("a", "b"), starts_in_reasoning=True)
        check(f"a{end}b", Said("", f"a{end}b"))


def test_the_first_closer_ends_the_thought_even_in_code() -> None:
    """The model ends its thought with the token, wherever its backticks stand."""
    check("<think>`a</think>b", Said("`a", "b"))


def test_a_nested_opener_is_part_of_the_thought() -> None:
    check("<think>a <think> b</think>c", Said("a <think> b", "c"))


@pytest.mark.parametrize("answer", ["a", "an", "analysi", "<", "<|", "t", "to", "c", "[", "◁"])
def test_a_short_answer_that_may_begin_a_tag_loses_only_the_white_space_of_the_tag(answer: str) -> None:
    """A multiple-choice answer of one letter ends while it is still held; its place decides all the same."""
    check(f"<think>x</think>\n\n{answer}", Said("x", answer))


@pytest.mark.parametrize(
    "text", ["<thinking>a</thinking>b", "<Think>a", "< think>a", "<think >a", "[THINK a", "<mm:thin"]
)
def test_what_only_looks_like_a_tag_is_text(text: str) -> None:
    check(text, Said("", text))


def test_no_tag_stands_behind_a_flood_of_white_space() -> None:
    """White space is held for a tag that may follow, but not without end."""
    for space, expected in [(SPACE_MAX, Said("a", "b")), (SPACE_MAX + 1, None)]:
        text = " " * space + "<think>a</think>b"
        whole = said(spans_of(text))

        assert whole == said(spans_of(list(text)))
        assert whole == (expected or Said("", f"{' ' * space}<think>ab"))


def test_a_tag_of_exactly_the_limit_counts_and_one_character_more_does_not() -> None:
    text = "<think>a</think>b"
    check(text, Said("a", "b"), limits=Limits(markup_chars_max=len("<think>")))
    check(text, Said("", "<think>ab"), limits=Limits(markup_chars_max=len("<think>") - 1))


def test_only_named_families_read() -> None:
    text = "<think>a</think>b"
    check(text, Said("a", "b"), markup="think")
    check(text, Said("", text), markup="harmony")
