"""Every markup family against its cases (`tests/fixtures/markup/<family>/cases.toml`), named and with `auto`.

The cases are the specification: what a whole message comes to. Here each is read in every split, cut after every
character, without tools, and through the chat surface.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from markup_cases import (
    CALL_FAMILIES,
    FILES,
    MARKUP,
    REQUIRED,
    TOOLS,
    Case,
    cases,
    decoder_of,
    edges,
    enveloped,
    read_cases,
    splits,
    splitter_of,
    translated,
)
from pieces import cut_at, merged, raw, said

import headgate
from headgate.conform import check_events, check_stream
from headgate.events import Event
from headgate.limits import DEFAULTS
from headgate.markup.spans import Kind, Span
from headgate.markup.thoughts import ANY_CLOSER, MORE_CLOSERS, PAIRS
from headgate.messages import Message, ToolCall
from headgate.testing import coalesce

CASES = cases()
READ = [(case, markup) for case in CASES for markup in case.ways]
PROSE = sorted((MARKUP / "prose").glob("*.md"))
PLAIN = ("one call", "two calls", "thought then call")

HELD_MAX = DEFAULTS.markup_chars_max
HOLDS = {
    "bare-json": "a message that is one call must be whole before it is known to be nothing else",
    "xlam": "the same",
}
"""The families that cannot give out a long argument before it is whole, and why."""

ENVELOPED = {
    "inkling": "every part of a message begins with a token of its own",
    "kimi-k3": "the answer has tags as calls have",
    "muse": "every message has a header",
}
"""The families whose texts have an envelope that is no call, so that more than thoughts is taken out, and why."""

NAMED_PAIRS = {
    "apriel": {"Here are my reasoning steps:": "[BEGIN FINAL RESPONSE]"},
    "gemma4": {"<|channel>": "<channel|>"},
    "hyperclovax": {"/think\n": "<|im_end|>\n<|im_start|>assistant\n"},
}
NAMED_AROUND = {
    "apriel": ("", "[END FINAL RESPONSE]"),
    "ernie45": ("<response>", "</response>"),
    "hunyuan": ("<answer>", "</answer>"),
    "plamo3": ("", "<|plamo:tag|>"),
}
"""What counts as a thought's tags, and as the answer's, only where the family is named."""


def read_id(value: object) -> str:
    return str(value)


every_reading = pytest.mark.parametrize(("case", "markup"), READ, ids=read_id)


def events(case: Case, markup: str, pieces: Iterable[str], **options: Any) -> list[Event]:
    """The events of one reading."""
    decoder = decoder_of(case, markup, **options)
    return [*(event for data in enveloped(case, pieces) for event in decoder.feed(data)), *decoder.close()]


def message(found: Iterable[Event]) -> Message:
    gathered = headgate.Accumulator()
    gathered.feed_all(found)
    return gathered.message


def spans(case: Case, markup: str, pieces: Iterable[str]) -> list[Span]:
    """The spans of one reading, adjacent ones of one kind merged."""
    reads = splitter_of(markup, case.tools)
    return merged([*(span for piece in pieces for span in reads.feed(piece)), *reads.close()])


def canonical(value: Any) -> str:
    """A JSON value so that 1, 1.0 and true differ, and the order of keys does not."""
    return json.dumps(value, sort_keys=True)


def parsed(calls: Iterable[ToolCall]) -> list[tuple[str, str]]:
    return [(call.name, canonical(json.loads(call.arguments))) for call in calls]


@every_reading
def test_case_comes_to_its_message(case: Case, markup: str) -> None:
    got = message(events(case, markup, [case.text]))

    assert [(call.name, canonical(call.arguments)) for call in case.calls] == parsed(got.tool_calls)
    assert list(case.incomplete) == [(call.name, call.arguments) for call in got.incomplete_calls]
    assert case.content.strip() == got.content.strip()
    assert case.reasoning.strip() == (got.reasoning or "").strip()
    for expected, call in zip(case.calls, got.tool_calls, strict=True):
        assert expected.id in {None, call.id}


@every_reading
def test_case_finishes_as_it_should(case: Case, markup: str) -> None:
    """A limit wins, then a whole call, then stop; a cut call is nobody's reason to run anything."""
    expected = case.finish if case.finish == "length" else "tool_calls" if case.calls else "stop"

    assert expected == message(events(case, markup, [case.text])).finish_reason


@every_reading
def test_spans_are_the_text_and_the_same_at_every_split(case: Case, markup: str) -> None:
    """Conservation, and the first promise of all: a split is nothing that anybody can see."""
    expected = spans(case, markup, [case.text])

    assert case.text == raw(expected)
    for pieces in splits(case.text):
        assert expected == spans(case, markup, pieces), pieces


@every_reading
def test_events_are_well_formed_and_the_same_at_every_split(case: Case, markup: str) -> None:
    expected = events(case, markup, [case.text])

    assert [] == check_events(expected)
    for pieces in splits(case.text)[1:4]:
        assert coalesce(expected) == coalesce(events(case, markup, pieces)), pieces


@every_reading
def test_chat_surface_keeps_its_contract(case: Case, markup: str) -> None:
    for size in (len(case.text), 1):
        pieces = cut_at(case.text, range(size, len(case.text), size))

        assert [] == check_stream(translated(case, markup, pieces), "chat")


@every_reading
def test_text_cut_after_any_character_loses_nothing(case: Case, markup: str) -> None:
    """A stream may stop anywhere, and what came until then must be there, once."""
    reads = splitter_of(markup, case.tools)
    said = ""
    for place, character in enumerate(case.text, 1):
        said += raw(reads.feed(character))

        assert case.text[:place] == said + raw(reads.copy().close())


@every_reading
def test_events_are_well_formed_wherever_the_stream_stops(case: Case, markup: str) -> None:
    """At every tag's edge; after every character the spans are checked above, which are what can go wrong."""
    decoder = decoder_of(case, markup)
    so_far: list[Event] = []
    for data in enveloped(case, cut_at(case.text, dict.fromkeys(edges(case.text)))):
        so_far = coalesce([*so_far, *decoder.feed(data)])

        assert [] == check_events([*so_far, *decoder.copy().close()])


@every_reading
def test_calls_held_until_they_are_whole_are_the_same_calls(case: Case, markup: str) -> None:
    """`whole_calls`: what is never whole stays text, and nothing else changes."""
    found = events(case, markup, [case.text], whole_calls=True)
    got = message(found)

    assert [] == check_events(found)
    assert [(call.name, canonical(call.arguments)) for call in case.calls] == parsed(got.tool_calls)
    assert () == got.incomplete_calls
    if case.incomplete:
        assert len(case.content) < len(got.content)
    else:
        assert case.content.strip() == got.content.strip()


def whole_calls(found: Iterable[Span]) -> list[tuple[str, str]]:
    """The calls that a client would run: those whose arguments are whole, or that have none."""
    return [(name, canonical(json.loads(source or "{}"))) for name, source in said(found).calls if is_json(source)]


def is_json(source: str) -> bool:
    try:
        json.loads(source or "{}")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("case", "markup"), [read for read in READ if read[0].name in PLAIN], ids=read_id)
def test_stream_that_stops_makes_no_other_call(case: Case, markup: str) -> None:
    """Half a number is a number, and a brace too many is none: what is run must be what the model was going to say."""
    expected = whole_calls(spans(case, markup, [case.text]))
    reads = splitter_of(markup, case.tools)
    found: list[Span] = []
    known = 0
    for place, character in enumerate(case.text, 1):
        found += reads.feed(character)
        calls = whole_calls([*found, *reads.copy().close()])

        assert expected[: len(calls)] == calls, case.text[:place]
        assert known <= len(calls), case.text[:place]
        known = len(calls)


@pytest.mark.parametrize("family", sorted({case.family for case in CASES} - HOLDS.keys()))
def test_long_string_of_arguments_comes_as_it_is_written(family: str) -> None:
    """A file that a model writes in an argument takes minutes; a client must see it grow."""
    case = next(case for case in CASES if case.family == family and case.name == "one call")
    value = next(value for value in case.calls[0].arguments.values() if isinstance(value, str))
    long = value + " and so on" * 1000
    reads = splitter_of(family, case.tools)
    found: list[Span] = []
    fed = held = 0
    for piece in cut_at(text := case.text.replace(value, long), range(0, len(text), 10)):
        found += reads.feed(piece)
        fed += len(piece)
        held = max(held, fed - len(raw(found)))
    expected = json.dumps(case.calls[0].arguments, sort_keys=True).replace(value, long)

    assert [(case.calls[0].name, expected)] == whole_calls([*found, *reads.close()])
    assert held <= HELD_MAX


# -- what harms nobody --------------------------------------------------------------------------------------------


def thought_and_rest(text: str, markup: str) -> tuple[str, str]:
    """What a text without tools comes to, read naively: its thought, and everything else."""
    thought, rest = "", text
    pairs = PAIRS | NAMED_PAIRS.get(markup, {})
    while opener := next((opener for opener in pairs if rest.lstrip().startswith(opener)), None):
        behind = rest.lstrip().removeprefix(opener)
        found = [(behind.index(tag), tag) for tag in (pairs[opener], *MORE_CLOSERS.get(opener, ())) if tag in behind]
        inside, _, rest = behind.partition(min(found)[1]) if found else (behind, "", "")
        thought += inside.strip()
    closers = sorted((text.index(closer), closer) for closer in ANY_CLOSER.all if closer in text)
    if rest == text and closers and "`" not in text[: closers[0][0]]:
        thought, _, rest = text.partition(closers[0][1])  # the thought was opened in the prompt
    opener, closer = NAMED_AROUND.get(markup, ("", ""))
    return thought.strip(), rest.strip().removeprefix(opener).removesuffix(closer).strip()


@every_reading
def test_without_tools_the_text_stays_as_it_is(case: Case, markup: str) -> None:
    """`tools=[]`: the request declared none, so that no text can be a call of one."""
    got = message(events(case, markup, [case.text], tools=[]))

    assert () == got.tool_calls == got.incomplete_calls
    if case.family in ENVELOPED:
        assert all(call.name in (got.reasoning or "") + got.content for call in case.calls)
        return
    assert "markup_given_back" not in {repair.code for repair in got.repairs}
    assert thought_and_rest(case.text, markup) == ((got.reasoning or "").strip(), got.content.strip())


@pytest.mark.parametrize("file", PROSE, ids=lambda file: file.stem)
@pytest.mark.parametrize("markup", ["auto", *CALL_FAMILIES])
def test_prose_about_markup_is_never_changed(markup: str, file: Path) -> None:
    """Long answers that quote tags, show parsers and document formats: not one character may move.

    Those that write out calls of tools that nobody declared can only be told from calls where tools are declared;
    and who names a family and no tools trusts it with any name.
    """
    text = file.read_text(encoding="utf-8")
    known: list[Any] = [TOOLS, []]
    for tools in known if markup != "auto" or file.stem.endswith(".declared") else [*known, None]:
        reads = splitter_of(markup, tools)
        pieces = cut_at(text, range(0, len(text), 7))
        found = [*(span for piece in pieces for span in reads.feed(piece)), *reads.close()]

        assert text == raw(found)
        assert [] == [span for span in found if span.kind not in {Kind.TEXT, Kind.REPAIR}]


# -- the folders --------------------------------------------------------------------------------------------------


def test_there_are_families_and_prose() -> None:
    """An empty glob would make every other test here pass."""
    assert "hermes" in CALL_FAMILIES
    assert len(PROSE) >= 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_file_of_cases_can_be_read(file: Path) -> None:
    assert read_cases(file)


@pytest.mark.parametrize("family", CALL_FAMILIES)
def test_family_shows_every_required_case(family: str) -> None:
    names = [case.name for case in CASES if case.family == family]

    assert [] == [name for name in REQUIRED if name not in names]
    assert len(names) == len(set(names))
    assert all(case.shows for case in CASES if case.family == family)


def test_no_folder_is_without_a_family() -> None:
    folders = {folder.name for folder in MARKUP.iterdir() if folder.is_dir()} - {"prose"}

    assert set() == folders - set(CALL_FAMILIES)
