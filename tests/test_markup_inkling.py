"""`markup.families.inkling`: blocks behind markers, and who reads the rest of the message."""

from __future__ import annotations

import pytest
from markup_cases import TOOLS, splits, splitter_of
from markup_checks import check, read
from pieces import Said, raw, said, spans_of

from headgate.limits import DEFAULTS
from headgate.markup.families.inkling import FAMILY
from headgate.markup.family import Settings
from headgate.markup.scanner import SPACE_MAX
from headgate.markup.spans import Kind

MODEL, END, LAST = "<|message_model|>", "<|end_message|>", "<|content_model_end_sampling|>"
THOUGHT, TEXT = f"<|content_thinking|>why{END}", f"{MODEL}<|content_text|>It rains.{END}"
CALL = f'{MODEL}get_weather<|content_invoke_tool_json|>{{"name": "get_weather", "args": {{"city": "Paris"}}}}{END}'
CALLED = (("get_weather", '{"city": "Paris"}'),)
BLOCKS = f"{MODEL}{THOUGHT}{TEXT}{CALL}{LAST}"


def settings(*, named: bool = False) -> Settings:
    return Settings({"get_weather": None}, True, True, DEFAULTS, named)


def test_marker_says_what_its_block_is() -> None:
    for markup in ("inkling", "auto"):
        check(BLOCKS, Said("why", "It rains.", CALLED), markup)


@pytest.mark.parametrize("markup", ["auto", "inkling"])
def test_every_beginning_of_a_block_is_undecided(markup: str) -> None:
    decided = settings(named=markup == "inkling")
    for length in range(len(head := f"{MODEL}get_weather<|content_invoke_tool_json|>")):
        assert FAMILY.opens(head[:length], decided) is None, head[:length]
    assert FAMILY.opens(head, decided) is True


def test_name_before_a_marker_must_be_declared_unless_the_family_is_named() -> None:
    """Behind `<|message_model|>` of the prompt the text begins with the tool's name."""
    nobody = "nobody<|content_invoke_tool_json|>"

    assert FAMILY.opens("get_weather<|content_invoke_tool_json|>", settings()) is True
    assert FAMILY.opens(nobody, settings()) is False
    assert FAMILY.opens(nobody, settings(named=True)) is True
    assert FAMILY.opens(f"{MODEL}{nobody}", settings()) is True


def test_marker_of_nothing_known_is_text() -> None:
    for text in (f"{MODEL}Hello", f"{MODEL}get_weather and on", "<|content_image|>Hello"):
        check(text, Said("", text), "auto")


def test_end_counts_before_a_marker_or_nothing() -> None:
    for end in (END, LAST):
        check(f"Hello.{end}\n", Said("", "Hello."), "inkling")
        check(f"Hello.{end}\n{CALL}", Said("", "Hello.", CALLED), "inkling")
        check(
            f"A message ends with {end} and not before.",
            Said("", f"A message ends with {end} and not before."),
            "inkling",
        )
        check(f"Hello.{end}", Said("", f"Hello.{end}"), "auto")


def test_end_far_before_a_marker_is_text() -> None:
    text = f"Hello.{END}{' ' * (SPACE_MAX + 1)}"

    for pieces in ([text], list(text), [text[:12], text[12:]]):
        spans = read([*pieces, CALL], "inkling")

        assert text + CALL == raw(spans)
        assert (f"Hello.{END}", CALLED) == (said(spans).text.strip(), said(spans).calls)


def test_what_is_not_wanted_stays_text() -> None:
    thoughts = said(spans_of(BLOCKS, tools=["get_weather"], parse_reasoning=False))
    calls = said(spans_of(BLOCKS, tools=["get_weather"], parse_tools=False))

    assert Said("", "whyIt rains.", CALLED) == thoughts
    assert ("why", ()) == (calls.reasoning, calls.calls)
    assert 'get_weather<|content_invoke_tool_json|>{"name": "get_weather", "args": {"city": "Paris"}}' in calls.text


def test_thought_that_was_opened_in_the_prompt_ends_with_its_block() -> None:
    spans = spans_of(f"why{END}{TEXT}{CALL}", tools=["get_weather"], starts_in_reasoning=True)

    assert Said("why", "It rains.", CALLED) == said(spans)


def test_a_call_that_is_none_is_text_and_the_next_block_is_read() -> None:
    broken = f'get_weather<|content_invoke_tool_json|>{{"name"; "get_weather"}}{END}'

    check(f"{MODEL}{broken}{CALL}", Said("", broken, CALLED), "auto")


@pytest.mark.parametrize("stop", ["", "a", "marker", "name"])
def test_structured_block_behind_any_part_of_a_message(stop: str) -> None:
    """What stands between is decided, and the message goes on as Inkling's."""
    begun = {"": BLOCKS, "a": f"{MODEL}{THOUGHT}", "marker": f"{TEXT}<|content_", "name": f"{TEXT}{MODEL}get_wea"}[stop]
    reads = splitter_of("auto", TOOLS)
    spans = [*reads.feed(begun), *reads.interrupt(), *reads.feed(CALL), *reads.close()]

    assert begun + CALL == raw(spans)
    assert CALLED == said(spans).calls[-1:]


def test_blocks_are_told_apart_at_every_split() -> None:
    """Two texts in a row are two blocks, though nothing but markup stands between."""
    kinds = [[span.kind for span in spans_of(pieces)] for pieces in splits(TEXT + TEXT)]

    assert all(found == kinds[0] for found in kinds)
    assert 2 <= kinds[0].count(Kind.BLOCK_END)
