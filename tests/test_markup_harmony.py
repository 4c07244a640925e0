"""`markup.families.harmony`: gpt-oss's channels in every form that leaks, and everything that only looks like them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import Said, cuts, raw, repairs, said, spans_of, splitter

from headgate.limits import Limits
from headgate.markup.families.harmony_header import HeaderReader
from headgate.markup.spans import Kind

END, RETURN, CALL, CONSTRAIN = "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"
STRIPPED = [subset for size in range(5) for subset in itertools.combinations((END, RETURN, CALL, CONSTRAIN), size)]
ARGUMENTS = '{"a": {"b": [1, "}"]}}'
CALLED = (("f", ARGUMENTS),)

FORMS = {
    "a, final": (
        "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>because<|return|>",
        Said("why", "because"),
    ),
    "a, call": (
        (
            "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>commentary to=functions.f "
            f"<|constrain|>json<|message|>{ARGUMENTS}<|call|>"
        ),
        Said("why", "", CALLED),
    ),
    "spaces behind the tokens, call": (
        (
            "<|channel|> analysis<|message|> why<|end|><|start|> assistant<|channel|> commentary to=functions.f "
            f"<|constrain|>  json<|message|> {ARGUMENTS}<|call|>"
        ),
        Said("why", "", CALLED),
    ),
    "spaces behind the tokens, answer": (
        "<|channel|> analysis<|message|> why<|end|><|start|> assistant<|channel|> final<|message|>  because<|return|>",
        Said("why", " because"),
    ),
    "b, json without its token": (
        f"<|start|>assistant<|channel|>commentary to=functions.f json<|message|>{ARGUMENTS}<|call|>",
        Said("", "", CALLED),
    ),
    "b, structured output": (
        '<|channel|>final <|constrain|>json<|message|>{"a": 1}<|return|>',
        Said("", '{"a": 1}'),
    ),
    "d, every token": ("analysiswhyassistantfinalbecause", Said("why", "because")),
    "d, every token of a call": (
        f'analysis"why"assistantcommentary to=functions.f json{ARGUMENTS}',
        Said('"why"', "", CALLED),
    ),
    "d, call alone": (f"commentary to=functions.f json{ARGUMENTS}", Said("", "", CALLED)),
    "d, call without a content type": (f"commentary to=functions.f {ARGUMENTS}", Said("", "", CALLED)),
    "d, preamble": (
        f"analysiswhyassistantcommentaryI look.assistantcommentary to=functions.f json{ARGUMENTS}",
        Said("why", "I look.", CALLED),
    ),
    "e, channel behind the name": (
        f"<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
        Said("", "", CALLED),
    ),
    "e, content type glued to the name": (
        f"<|channel|>commentary to=functions.f<|constrain|>json<|message|>{ARGUMENTS}<|call|>",
        Said("", "", CALLED),
    ),
    "e, recipient without a namespace": (
        f"<|channel|>commentary to=f <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
        Said("", "", CALLED),
    ),
    "f, no message token": (
        f"<|channel|>analysiswhy<|end|><|start|>assistant<|channel|>commentary to=functions.f json{ARGUMENTS}<|call|>",
        Said("why", "", CALLED),
    ),
    "f, start twice": (
        "<|start|>assistant<|start|>assistant<|channel|>final<|message|>because<|return|>",
        Said("", "because"),
    ),
    "f, text after the call": (
        f"<|channel|>commentary to=functions.f<|message|>{ARGUMENTS}<|call|>And so on.",
        Said("", "And so on.", CALLED),
    ),
    "recipient first of all": (
        f" to=functions.f<|channel|>commentary <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
        Said("", "", CALLED),
    ),
    "call in the analysis channel": (
        f"<|channel|>analysis to=functions.f code<|message|>{ARGUMENTS}<|call|>",
        Said("", "", CALLED),
    ),
    "no channel": ("<|message|>because<|return|>", Said("", "because")),
    "no channel after the role": ("<|start|>assistant<|message|>because<|return|>", Said("", "because")),
    "several analysis blocks": (
        (
            "<|channel|>analysis<|message|>one <|end|><|start|>assistant<|channel|>analysis<|message|>two<|end|>"
            "<|start|>assistant<|channel|>final<|message|>because<|return|>"
        ),
        Said("one two", "because"),
    ),
    "preamble": (
        (
            "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
            f"<|constrain|>json<|message|>{ARGUMENTS}<|call|>"
        ),
        Said("", "I look.", CALLED),
    ),
    "two calls": (
        (
            f"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{ARGUMENTS}<|call|>"
            "<|start|>assistant<|channel|>commentary to=functions.g <|constrain|>json<|message|>{}<|call|>"
        ),
        Said("", "", (*CALLED, ("g", "{}"))),
    ),
    "noise to the assistant": (
        (
            "<|channel|>commentary to=assistant<|channel|>analysis<|message|>why<|end|>"
            "<|start|>assistant<|channel|>final<|message|>because<|return|>"
        ),
        Said("why", "because"),
    ),
    "white space around": (
        (
            " \n<|channel|>analysis<|message|>why<|end|>\n"
            "<|start|>assistant<|channel|>final<|message|> because \n<|return|>"
        ),
        Said("why", " because \n"),
    ),
}


def strip(text: str, tokens: tuple[str, ...]) -> str:
    for token in tokens:
        text = text.replace(token, "")
    return text


@pytest.mark.parametrize("stripped", STRIPPED, ids=lambda tokens: "".join(tokens) or "none")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_understood_with_any_of_its_tokens_stripped(form: str, stripped: tuple[str, ...]) -> None:
    """Servers render only the tokens that they were told to keep, and every server keeps others."""
    text, expected = FORMS[form]
    if form == "white space around" and END in stripped:
        expected = Said("why\n", expected.text)  # nothing tells any more that the line end is not the thought's
    text = strip(text, stripped)
    spans = spans_of(text, tools=["f", "g"])

    assert expected == said(spans)
    assert text == raw(spans)
    assert said(spans) == said(spans_of(list(text), tools=["f", "g"]))


ANALYSIS = "<|channel|>analysis<|message|>why"
FINAL = "<|start|>assistant<|channel|>final<|message|>because"
CALLING = "<|start|>assistant<|channel|>commentary to=functions.f<|message|>{}"
NO_END, NO_RETURN = "harmony_end_missing", "harmony_return_missing"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (ANALYSIS + END + FINAL + RETURN, []),
        (ANALYSIS + FINAL + RETURN, [NO_END]),
        (ANALYSIS + FINAL, [NO_END, NO_RETURN]),
        (ANALYSIS + END + FINAL, [NO_RETURN]),
        (ANALYSIS + END + "because", [NO_RETURN]),
        (ANALYSIS + END + CALLING + CALL, []),
        (ANALYSIS + END + CALLING, [NO_RETURN]),
        (CALLING + CALLING + CALL, [NO_END]),
        (CALLING + FINAL + RETURN, [NO_END]),
        (CALLING + "\n" + CALL + FINAL + RETURN, []),
        (CALLING + "Done." + RETURN, [NO_END]),
        (ANALYSIS + END + "<|start|>assistant", ["markup_cut"]),
        ("analysiswhyassistantfinalbecause", [NO_END, NO_RETURN]),
    ],
)
def test_a_closing_token_that_is_missing_is_told_where_it_is(text: str, missing: list[str]) -> None:
    """llama-server strips some of them, and the border between thought and answer with them."""
    for pieces in cuts(text):
        assert missing == repairs(spans_of(pieces, tools=["f"])), pieces


def test_a_message_that_is_given_back_misses_nothing() -> None:
    text = ANALYSIS + END + CALLING.replace(".f", ".unknown") + FINAL

    assert ["markup_given_back", NO_RETURN] == repairs(spans_of(text, tools=["f"]))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_understood_at_every_split(form: str) -> None:
    text, expected = FORMS[form]
    for pieces in cuts(text):
        spans = spans_of(pieces, tools=["f", "g"])

        assert expected == said(spans), pieces
        assert text == raw(spans), pieces


@pytest.mark.parametrize("form", FORMS)
def test_every_form_may_stop_anywhere(form: str) -> None:
    """At a length limit, and when the engine dies: nothing is lost, nothing raises, no call is made up."""
    text, expected = FORMS[form]
    for place in range(len(text)):
        spans = spans_of(text[:place], tools=["f", "g"])
        calls = said(spans).calls

        assert text[:place] == raw(spans)
        assert [name for name, _ in calls] == [name for name, _ in expected.calls[: len(calls)]]
        assert all(whole.startswith(cut) for (_, whole), (_, cut) in zip(expected.calls, calls, strict=False))


def test_an_answer_behind_the_analysis_may_have_lost_its_header() -> None:
    """Form c: llama-server with `reasoning_format: none` takes the final channel's markers out, and no others."""
    for pieces in cuts("<|channel|>analysis<|message|>why<|end|>because <|x"):
        assert Said("why", "because <|x") == said(spans_of(pieces)), pieces


def test_an_answer_that_lost_everything_between_stays_with_the_thought() -> None:
    """Without `<|end|>` nobody can tell where the thought ended; nothing is lost all the same."""
    assert Said("whybecause", "") == said(spans_of("<|channel|>analysis<|message|>whybecause"))


@pytest.mark.parametrize("recipient", ["browser.search", "browser.open", "browser.find", "python", "container.exec"])
def test_calls_of_built_in_tools_are_part_of_the_thought(recipient: str) -> None:
    """The model was trained with tools that no client declared; what it does with them is thinking aloud."""
    text = f'<|channel|>analysis to={recipient} code<|message|>{{"q": 1}}<|call|>'

    assert Said('{"q": 1}', "") == said(spans_of(text, tools=["f"]))
    assert Said("", text) == said(spans_of(text, tools=["f"], parse_reasoning=False))


@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>commentary to=functions.unknown <|constrain|>json",
        "<|channel|>commentary to=functions.f2",
        "<|channel|>commentary to=functions.",
        "<|channel|>commentary to=somebody",
        "<|start|>system",
        "<|start|>functions.f to=assistant<|channel|>commentary",
        "<|channel|>unheard",
    ],
)
def test_a_message_that_may_not_be_acted_on_is_given_back_whole(header: str) -> None:
    """A call of an undeclared tool, or one to somebody unknown, must neither be run nor vanish."""
    text = f'{header}<|message|>{{"a": "x"}}<|call|>'
    for pieces in cuts(text):
        spans = spans_of(pieces, tools=["f"])

        assert (Said("", text), ["markup_given_back"]) == (said(spans), repairs(spans)), pieces


def test_what_surrounds_a_message_that_is_given_back_is_still_understood() -> None:
    back = "<|start|>assistant<|channel|>commentary to=functions.g<|message|>{}<|end|>"
    text = f"<|channel|>analysis<|message|>why<|end|>{back}<|start|>assistant<|channel|>final<|message|>because"
    for pieces in cuts(text):
        assert Said("why", back + "because") == said(spans_of(pieces, tools=["f"])), pieces


def test_declared_tools_decide_what_is_a_call() -> None:
    text = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"

    assert (("f", "{}"),) == said(spans_of(text, tools=["f"])).calls
    assert (("f", "{}"),) == said(spans_of(text, tools=None)).calls
    assert Said("", text) == said(spans_of(text, tools=[]))
    assert Said("", text) == said(spans_of(text, tools=["f"], parse_tools=False))


def test_a_tool_whose_own_name_ends_in_json_keeps_it() -> None:
    """The stripped content type sticks to the name; only a declared tool tells which it is."""
    text = "<|channel|>commentary to=functions.to_json<|message|>{}<|call|>"

    assert "to_json" == said(spans_of(text, tools=["to_json", "to_"])).calls[0][0]
    assert "to_" == said(spans_of(text, tools=["to_"])).calls[0][0]
    assert "to_json" == said(spans_of(text)).calls[0][0]


def test_analysis_stays_text_when_reasoning_is_not_parsed() -> None:
    text = "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>because<|return|>"
    for pieces in cuts(text):
        spans = spans_of(pieces, parse_reasoning=False)

        assert Said("", "<|channel|>analysis<|message|>why<|end|>because") == said(spans), pieces


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": "<|end|><|start|>assistant<|channel|>final<|message|>x<|return|><|call|>"}',
        '{"a": "\\"<|call|>", "b": "}"}',
        '{"a": "<think>x</think>", "b": "assistantfinal"}',
        '{"a": "\\\\", "b": {"c": ["]", "{"]}}',
        '{"\u20ac": "\U0001f600\\ud83d"}',
        "{}",
    ],
)
def test_json_strings_hide_every_tag(arguments: str) -> None:
    """A tool that writes files gets text about tags sooner or later."""
    for pieces in cuts(f"<|channel|>commentary to=functions.f<|message|>{arguments}<|call|>Done."):
        assert Said("", "Done.", (("f", arguments),)) == said(spans_of(pieces, tools=["f"])), pieces


def test_a_tag_outside_of_strings_ends_arguments_that_are_cut_off() -> None:
    for pieces in cuts('<|channel|>commentary to=functions.f<|message|>{"a": <|end|><|start|>assistant<|message|>b'):
        assert Said("", "b", (("f", '{"a": '),)) == said(spans_of(pieces, tools=["f"])), pieces


def test_an_angle_that_is_no_tag_is_part_of_broken_arguments() -> None:
    for pieces in cuts('<|channel|>commentary to=functions.f<|message|>{"a": <b><|endx}<|call|>c'):
        assert Said("", "c", (("f", '{"a": <b><|endx}'),)) == said(spans_of(pieces, tools=["f"])), pieces


@pytest.mark.parametrize(
    "body", ["", " \n", "prose", " <b>", "[1]", "<|start|>assistant<|message|>x", "<|channel|>final"]
)
def test_a_call_without_arguments_is_given_back(body: str) -> None:
    """A header alone is no call: nobody could run it, and prose behind one must not become its arguments."""
    header = "<|channel|>commentary to=functions.f<|message|>"
    for pieces in cuts(header + body):
        spans = spans_of(pieces, tools=["f"])

        assert () == said(spans).calls, pieces
        assert said(spans).text.startswith(header), pieces
        assert header + body == raw(spans), pieces


@pytest.mark.parametrize("closer", [END, RETURN, CALL])
def test_a_call_that_is_closed_at_once_is_a_call_without_arguments(closer: str) -> None:
    for pieces in cuts(f"<|channel|>commentary to=functions.f<|message|>{closer}"):
        assert Said("", "", (("f", ""),)) == said(spans_of(pieces, tools=["f"])), pieces


@pytest.mark.parametrize(
    "text",
    [
        "analysis",
        "analysis of the data",
        "analysis\nof the data",
        "analysis: a data set",
        "analysis, as you know",
        "analysis-based",
        "analyses differ",
        "Analysis shows",
        "commentary",
        "commentary on the text",
        "commentary to the editor",
        "commentary to",
        "commentary: none",
        "final",
        "final answer: 4",
        "finally",
        "assistant",
        "assistantfinal",
        "to",
        "to be or not to be",
        "to=function",
        "to=x",
        "json",
        "a <|channel|>analysis<|message|>b<|end|>",
        "Say <|start|>assistant first.",
        "<|channel",
        "<| channel|>",
        "`<|channel|>analysis`",
    ],
)
def test_prose_that_only_looks_like_harmony_is_text(text: str) -> None:
    """Harmony counts at the start of a message, and without tokens only where prose never goes on like that."""
    for pieces in cuts(text):
        spans = spans_of(pieces, tools=["f"])

        assert [(Kind.TEXT, text)] == [(span.kind, span.raw) for span in spans], pieces


@pytest.mark.parametrize("code", ["`<|end|>`", "\n```\n<|start|>assistant<|channel|>final\n```\n", "``a <|call|>``"])
def test_tokens_in_the_code_of_an_answer_are_text(code: str) -> None:
    """An answer may explain harmony itself."""
    for pieces in cuts(f"<|channel|>final<|message|>Use {code} so.<|end|>"):
        assert Said("", f"Use {code} so.") == said(spans_of(pieces)), pieces


def test_nothing_follows_a_return_even_in_code() -> None:
    """The model stopped there; a fence that it left open is no reason to show the token."""
    assert Said("", "```\nx") == said(spans_of("<|channel|>final<|message|>```\nx<|return|>"))


def test_tokens_in_the_code_of_a_thought_end_it() -> None:
    text = "<|channel|>analysis<|message|>`<|end|><|start|>assistant<|channel|>final<|message|>because"

    assert Said("`", "because") == said(spans_of(text))


def test_tags_of_another_family_are_text_inside_harmony() -> None:
    text = "<|channel|>final<|message|><think>a</think>b<|return|>"

    assert Said("", "<think>a</think>b") == said(spans_of(text))


def test_harmony_follows_a_thought_in_think_tags() -> None:
    for pieces in cuts("<think>a</think><|channel|>final<|message|>b"):
        assert Said("a", "b") == said(spans_of(pieces)), pieces


@pytest.mark.parametrize("filler", ["x", " ", "<|channel|>", "<|start|>"])
def test_a_header_of_exactly_the_limit_counts_and_one_character_more_does_not(filler: str) -> None:
    """A header is held until it ends; a hostile one must not be held for ever, nor make splits differ."""
    head, tail = "<|channel|>final ", "<|message|>because"
    limit = len(head) + len(filler) * 4 + len("<|message|>")
    for count, expected in [(4, "because"), (5, None)]:
        text = head + filler * count + tail
        results = {said(spans_of(pieces, limits=Limits(markup_chars_max=limit))).text for pieces in cuts(text)}

        assert 1 == len(results), filler
        assert (results == {expected}) is (expected is not None and filler != "x")


def test_white_space_before_arguments_is_held_up_to_the_limit() -> None:
    header = "<|channel|>commentary to=functions.f<|message|>"
    for count, calls in [(60, (("f", "{}"),)), (61, ())]:
        text = header + " " * count + "{}"
        for pieces in cuts(text):
            spans = spans_of(pieces, tools=["f"], limits=Limits(markup_chars_max=60))

            assert (calls, text) == (said(spans).calls, raw(spans)), pieces


@pytest.mark.parametrize("form", FORMS)
def test_a_structured_block_may_interrupt_anywhere(form: str) -> None:
    """The engine may find a call by itself in the middle of what it leaks; held text goes out before it."""
    text, _ = FORMS[form]
    for place in range(len(text)):
        splits = splitter(tools=["f", "g"])
        before = [*splits.feed(text[:place]), *splits.interrupt()]

        assert text[:place] == raw(before)
        assert text[place:] == raw([*splits.feed(text[place:]), *splits.close()])


HEADERS = st.lists(
    st.sampled_from(
        [
            "<|start|>",
            "<|channel|>",
            "<|message|>",
            CONSTRAIN,
            END,
            "assistant",
            "analysis",
            "commentary",
            "final",
            "to=functions.f",
            "to=",
            "json",
            "code",
            " ",
            "\n",
            "{",
            "<",
            "x",
            '"',
        ]
    ),
    max_size=8,
).map("".join)


@given(text=HEADERS, more=HEADERS, glued=st.booleans())
def test_a_header_once_read_is_not_changed_by_what_follows(text: str, more: str, *, glued: bool) -> None:
    """`None` means "not yet decided", so anything else must be final; otherwise splits would differ."""
    header = HeaderReader(glued=glued).read(text)
    if header is not None:
        assert header == HeaderReader(glued=glued).read(text + more)
        assert text.startswith(header.raw)


@given(text=HEADERS, glued=st.booleans())
def test_a_header_is_read_the_same_in_one_go_and_step_by_step(text: str, *, glued: bool) -> None:
    """What was decided is not read again, or a long header would cost its length for every character."""
    reading = HeaderReader(glued=glued)
    steps = (reading.read(text[:end]) for end in range(len(text) + 1))

    assert HeaderReader(glued=glued).read(text) == next((header for header in steps if header is not None), None)
