"""`markup.readers.tag_calls`: calls written with tags, whatever their values hold, wherever the text is cut."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from markup_cases import TOOLS, splits, splitter_of
from pieces import Said, cuts, merged, raw, repairs, said

from headgate.limits import DEFAULTS, Limits
from headgate.markup.spans import Kind, Span


def spans(
    pieces: Iterable[str], markup: str = "qwen3-coder", tools: Any = TOOLS, limits: Limits = DEFAULTS
) -> list[Span]:
    reads = splitter_of(markup, tools, limits)
    return merged([*(span for piece in pieces for span in reads.feed(piece)), *reads.close()])


def check(text: str, expected: Said, **options: Any) -> None:
    """The text means this at every split, and is still all there."""
    for pieces in [*cuts(text)] if len(text) < 300 else splits(text):
        found = spans(pieces, **options)

        assert expected == said(found), pieces
        assert text == raw(found), pieces


def call(*parameters: tuple[str, str], name: str = "note") -> str:
    inside = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in parameters)
    return f"<tool_call>\n<function={name}>\n{inside}</function>\n</tool_call>"


def noted(text: str) -> Said:
    return Said("", "", (("note", json.dumps({"text": text}, ensure_ascii=False)),))


# -- what a value holds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "a </parameter> b",
        "a </function> b",
        "a </tool_call> b",
        "</parameter></parameter> b",
        "<function=note>",
        "<tool_call>\n<function=note>\n<parameter=text>\na\n</parameter>\n</function>\n</tool_call>",
        "<parameter=text>\na\n</parameter>",
        "<parameter=other>\na\n</parameter>",
        "</",
        "</param",
        "\n",
        "\n\na\n\n",
        "",
        " ",
        "&lt;&amp;",
        "</Parameter>",
    ],
)
def test_a_tag_in_a_value_is_data(value: str) -> None:
    """A model that writes code about such tags means every one of them."""
    check(call(("text", value)), noted(value))


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\n<function=note>\n<parameter=text>\na\n</function>\n</tool_call>",
        "<tool_call>\n<function=note>\n<parameter=text>\na\n</parameter>\n</tool_call>",
        "<tool_call>\n<function=note>\n<parameter=text>\na\n</tool_call>",
        "<tool_call>\n<function=note>\n<parameter=text>\na\n</parameter>\n</function>",
        "<function=note>\n<parameter=text>\na\n</parameter>\n</function>",
        "<function=note><parameter=text>a</parameter></function></tool_call>",
    ],
)
def test_a_closer_may_be_missing(text: str) -> None:
    check(text, noted("a"))


def test_the_next_parameter_ends_one_that_was_not_closed() -> None:
    text = "<function=get_weather>\n<parameter=city>\nParis\n<parameter=days>\n3\n</parameter>\n</function>"

    check(text, Said("", "", (("get_weather", '{"city": "Paris", "days": 3}'),)))


def test_a_parameter_that_there_is_not_ends_none() -> None:
    """Only what is declared, and still missing, can be meant."""
    text = "<function=get_weather>\n<parameter=city>\nParis\n<parameter=zip>\n3\n</parameter>\n</function>"

    check(text, Said("", "", (("get_weather", '{"city": "Paris\\n<parameter=zip>\\n3"}'),)))


def test_one_call_follows_another() -> None:
    both = call(("text", "a")) + "\n" + call(name="get_time")

    check(f"before\n{both}\n\nafter", Said("", "beforeafter", (("note", '{"text": "a"}'), ("get_time", "{}"))))


def test_calls_may_share_a_block() -> None:
    text = "<tool_call><function=get_time></function>\n<function=get_time></function></tool_call>"

    check(text, Said("", "", (("get_time", "{}"),) * 2))


# -- when a call is one -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>",
        "<tool_call> and <function=note> are tags",
        "<tool_call>\n<function=note>\nno parameter",
        "<function=>\n</function>",
        "<function=note",
        "<function=note>",
        call(("text", "a"), name="nobody"),
        call(("text", "a"), name="nobody") + call(("text", "b"), name="no one"),
    ],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    check(text, Said("", text))


def test_a_refused_call_is_reported_and_the_next_one_is_read() -> None:
    refused = call(("text", "a"), name="nobody")
    found = spans([f"{refused}\n{call(name='get_time')}"])

    assert Said("", refused, (("get_time", "{}"),)) == said(found)
    assert ["markup_given_back"] == repairs(found)


def test_a_header_that_is_too_long_is_text() -> None:
    text = f"<tool_call>\n<function={'a' * 100}>\n</function>\n</tool_call>"

    check(text, Said("", text), limits=Limits(markup_chars_max=60), tools=None)


def test_white_space_in_a_header_counts() -> None:
    text = f"<seed:tool_call>{' ' * 100}<function=get_time></function></seed:tool_call>"

    check(text, Said("", text), markup="seed-oss", limits=Limits(markup_chars_max=60))
    check(text, Said("", "", (("get_time", "{}"),)), markup="seed-oss")


# -- how it comes out ---------------------------------------------------------------------------------------------


def test_a_call_starts_at_its_first_parameter() -> None:
    reads = splitter_of("qwen3-coder", TOOLS)

    assert [] == reads.feed("<tool_call>\n<function=note>\n")
    assert [Kind.CALL, Kind.ARGUMENTS] == [span.kind for span in merged(reads.feed("<parameter=text>\na"))]


def test_a_string_goes_out_as_it_comes() -> None:
    reads = splitter_of("qwen3-coder", TOOLS)
    reads.feed("<tool_call>\n<function=note>\n<parameter=text>\n")
    found = [reads.feed(f'line "{number}"\n') for number in range(3)]

    assert ['"line \\"0\\"', '\\nline \\"1\\"', '\\nline \\"2\\"'] == [spans[0].value for spans in found]


def test_anything_else_goes_out_with_what_follows_it() -> None:
    """So that a call that is cut is never whole JSON."""
    reads = splitter_of("qwen3-coder", TOOLS)
    reads.feed("<function=get_weather>\n<parameter=days>\n")

    assert [] == reads.feed("3\n</parameter>\n")
    assert ["3}", ""] == [span.value for span in reads.feed("</function>")]


def test_a_value_that_is_longer_than_the_limit_is_a_string() -> None:
    filters = json.dumps({"lang": "x" * 50})
    text = call(("query", "tea"), ("filters", filters), name="search")

    check(
        text,
        Said("", "", (("search", json.dumps({"query": "tea", "filters": filters})),)),
        limits=Limits(arguments_chars_max=40),
    )


def test_a_call_that_is_cut_is_never_whole() -> None:
    text = call(("city", "Paris"), ("days", "3"), name="get_weather")
    for size in range(text.index("</function>") + len("</function>")):
        found = spans([text[:size]])

        assert text[:size] == raw(found)
        for _, source in said(found).calls:
            with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
                json.loads(source)


def test_half_a_closing_tag_is_no_part_of_a_cut_value() -> None:
    for cut in ("\n</", "\n</param", "\n</parameter", "\n</function"):
        check(f"<function=note>\n<parameter=text>\na{cut}", Said("", "", (("note", '{"text": "a'),)))
    check("<function=note>\n<parameter=text>\na <", Said("", "", (("note", '{"text": "a <'),)))


def test_a_copy_goes_on_alone() -> None:
    reads = splitter_of("qwen3-coder", TOOLS)
    head = reads.feed("<function=search>\n<parameter=query>\na </parameter> b\n</parameter>\n<parameter=filters>\n{")
    twin = reads.copy()
    ends = {"1": reads, "2": twin}
    for number, one in ends.items():
        tail = [*one.feed(f'"n": {number}}}\n</parameter>\n</function>'), *one.close()]

        expected = f'{{"query": "a </parameter> b", "filters": {{"n": {number}}}}}'
        assert Said("", "", (("search", expected),)) == said([*head, *tail])


# -- other forms --------------------------------------------------------------------------------------------------


def test_an_object_in_the_calls_tag_goes_out_as_it_comes() -> None:
    inside = '{"text": "</tool_call> and \\"<\\"", "n": [1, {}]}'
    text = f"<tool_call>note\n{inside}\n</tool_call>"

    check(text, Said("", "", (("note", inside),)), markup="glm45")
    reads = splitter_of("glm45", TOOLS)
    assert ['{"text": "a'] == [span.value for span in reads.feed('<tool_call>note\n{"text": "a')[1:]]


def test_an_object_that_is_broken_ends_at_the_calls_closer() -> None:
    text = '<tool_call>note\n{"text": [<b>}</tool_call> and on'

    check(text, Said("", "and on", (("note", '{"text": [<b>}'),)), markup="glm45")


@pytest.mark.parametrize(
    "value", ["a]]>b", "]]", "</param></function>", " \n ", "", "<![CDATA[a", "a]]]", "]]> </para"]
)
def test_a_section_holds_anything_but_its_end(value: str) -> None:
    text = f'<function name="note"><param name="text"><![CDATA[{value}]]></param></function>'

    check(text, noted(value), markup="minicpm5")


def test_a_section_may_be_split_around_its_own_end() -> None:
    """The only way to write `]]>` in one (https://www.w3.org/TR/xml/#sec-cdata-sect)."""
    text = '<function name="note"><param name="text"><![CDATA[a]]]]><![CDATA[>b]]></param></function>'

    check(text, noted("a]]>b"), markup="minicpm5")


def test_a_label_may_stand_before_a_call() -> None:
    bar = "\uff5c"
    text = (
        f"<{bar}tool_calls_begin{bar}><{bar}tool_call_begin{bar}>function<{bar}tool_sep{bar}>get_time"
        f'<steptml:invoke name="get_time"></steptml:invoke><{bar}tool_call_end{bar}><{bar}tool_calls_end{bar}>'
    )

    check(text, Said("", "", (("get_time", "{}"),)), markup="step3")


def test_attributes_may_be_escaped() -> None:
    text = (
        '<|open|>tools<|sep|><|open|>call tool="a&amp;&quot;b" index="1"<|sep|>'
        '<|open|>argument key="&lt;" type="number"<|sep|>1<|close|>argument<|sep|><|close|>call<|sep|>'
        "<|close|>tools<|sep|>"
    )

    check(text, Said("", "", (('a&"b', '{"<": 1}'),)), markup="kimi-k3", tools=None)
