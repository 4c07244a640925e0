"""Every markup family on text that nobody wrote: nothing is lost, made up or raised, and no split is seen.

The texts are mixtures and mutations of each family's own cases (`tests/fixtures/markup/`), so that they go deep into
its grammar before they leave it. A new family is found by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markup_cases import CALL_FAMILIES, TOOLS, cases, splits, splitter_of
from pieces import DONE, chunk, cut_at, merged, numbered, raw, sse

import headgate
from headgate.conform import check_events, check_stream
from headgate.events import Event, Repair
from headgate.limits import Limits
from headgate.markup import families_named
from headgate.markup.spans import Kind, Span
from headgate.testing import coalesce

BAR = "\uff5c"
"""The full-width bar of DeepSeek's tokens."""

JSON = [
    *['{"a": 1}', '{"a": "}"}', '{"a": "\\"', "{", "}", "[", "]", '"', "\\", '"}', '""', "{}", "[]", ",", ":"],
    *['"name"', '"name": "get_time"', '"arguments": ', '"arguments": {}', '"parameters": "', '"id": "7"', "-1e999"],
    *['{"name": "get_time", "arguments": {}}', '{"arguments": {"city": "Rom"}, "name": "get_weather"}', "\\u12"],
    *['{"name": "nobody", "arguments": {}}', '{"type": "function", "function": {"name": "get_time"', "tru", "NaN"],
]
PYTHON = [
    *["get_time()", "[get_time()]", "note(text=", "note(text='", "'''", 'r"\\', "None", "True", "(", ")", "=", "b'a'"],
    *["{'a': (1, 2)}", "-1", "1_000", "0x1F", "1j", "# c\n", "lambda: 0", "f'{a}'", "'\\N{BEE}'", "a.b(", "*a", "**a"],
]
XML = [
    *["<a>", "</a>", "<a/>", "&lt;", "&amp;", "<!--", "-->", "<![CDATA[", "]]>", "<", ">", "</", "<|", "|>", f"<{BAR}"],
    *["<parameter=text>", "</parameter>", '<parameter name="text">', "<function=note>", "</function>", "<arg_key>"],
    *['<invoke name="note">', "</invoke>", "</arg_key>", "<arg_value>", "</arg_value>", 'name="', "text", "note", "="],
]
PROSE = [
    *[
        "Hello",
        " world",
        ". ",
        "é",
        "👋",
        "\u200d",
        "\u2028",
        "e\u0301",
        "\ud800",
        "\udc00",
        "\ud83d",
        "\x00",
        "\ufeff",
    ],
    *[
        "to=",
        "[1]",
        "(see",
        "◁",
        "```",
        "`",
        "\n```\n",
        "```json\n",
        "~~~\n",
        " ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\ufeff",
    ],
]
LONG = [letter * size for letter in ("1", "k", " ", "\n") for size in (7, 8, 9, 58, 59, 60, 61, 62)]
"""Just as long as a limit below, or a little more or less."""

DEEP = [
    *[" " * 70, "1" * 5000, "-" * 3000, "[" * 3000, "(" * 3000, '{"a":' * 1500, "<a>" * 1000, "\\" * 3001],
    "[" * 1500 + "]" * 1500,
]
ALIEN = ["<think>", "</think>", "[THINK]", "<|channel|>final<|message|>", "<|start|>", "<|end|>", "<|im_end|>", "</s>"]

NAMES = [tool["function"]["name"] for tool in TOOLS]
_AT_TAGS = re.compile(r"(?<=[>\])}\n\"':,=\uff5c▁|])|(?=[<\[({\"'])")


class Texts(NamedTuple):
    """What a family's texts are made of: its cases, and the pieces that their tags cut them into."""

    whole: list[str]
    fragments: list[str]


@cache
def texts_of(family: str) -> Texts:
    openers = [opener for known in families_named(family).chosen for opener in known.openers]
    whole = [case.text for case in cases() if case.family == family]
    fragments = {piece for text in whole for piece in _AT_TAGS.split(text)} - {""}
    return Texts([*whole, *openers, "word"], [*openers, *sorted(fragments)])


@st.composite
def torn(draw: st.DrawFn, pieces: list[str]) -> str:
    """The beginning, the end, or the middle of a piece."""
    piece = draw(st.sampled_from(pieces))
    start = draw(st.integers(0, len(piece)))
    return piece[start : draw(st.integers(start, len(piece)))] if start < len(piece) else piece


@st.composite
def mutated(draw: st.DrawFn, texts: Texts) -> str:
    """A case with pieces taken out, put in, or said twice."""
    text = draw(st.sampled_from(texts.whole))
    strange = st.sampled_from([*JSON, *PYTHON, *XML, *PROSE, *DEEP, *LONG, *ALIEN, *texts.fragments])
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 30)))
        text = text[:start] + draw(st.just("") | strange | st.just(text[start:end] * 2)) + text[end:]
    return text


def texts(family: str) -> st.SearchStrategy[str]:
    """Texts that are hard for a family."""
    own = texts_of(family)
    fragments = st.sampled_from([*JSON, *PYTHON, *XML, *PROSE, *ALIEN]) | st.text(max_size=4)
    mixed = st.lists(st.sampled_from(own.fragments) | torn(own.fragments) | torn(own.whole) | fragments, max_size=12)
    return mixed.map("".join) | mutated(own)


tools = st.sampled_from([None, [], TOOLS, TOOLS[:1], ["get_weather", "note"]])
limits = st.sampled_from(
    [
        Limits(),
        Limits(),
        Limits(markup_chars_max=8),
        Limits(markup_chars_max=60, arguments_chars_max=30),
        Limits(arguments_chars_max=3),
    ]
)
both_ways = st.booleans()


def read(pieces: Sequence[str], markup: str, declared: Any, limit: Limits) -> list[Span]:
    reads = splitter_of(markup, declared, limit)
    return merged([*(span for piece in pieces for span in reads.feed(piece)), *reads.close()])


def breaches(spans: list[Span], declared: Any) -> list[str]:
    """What is wrong with the order of the spans, or with what they change."""
    found: list[str] = []
    calling = False
    for kind, source, value, _ in spans:
        if kind in {Kind.TEXT, Kind.REASONING} and not (source == value != ""):
            found.append(f"{kind} is rewritten: {source!r} became {value!r}")
        if kind in {Kind.BLOCK_END, Kind.REPAIR} and source:
            found.append(f"{kind} takes {source!r}")
        if kind is Kind.CALL and declared is not None and value not in NAMES:
            found.append(f"a call of {value!r}, which nobody declared")
        if calling is not (kind in {Kind.ARGUMENTS, Kind.CALL_END}) and kind is not Kind.REPAIR:
            found.append(f"{kind} {'inside' if calling else 'outside'} a call")
        if kind is not Kind.REPAIR:
            calling = kind in {Kind.CALL, Kind.ARGUMENTS}
    return [*found, "a call is never over"] if calling else found


@pytest.mark.parametrize("family", CALL_FAMILIES)
@given(data=st.data(), named=both_ways, declared=tools, limit=limits, places=st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=80, deadline=None)
def test_nothing_is_lost_or_made_up_at_any_split(
    family: str, data: st.DataObject, *, named: bool, declared: Any, limit: Limits, places: list[int]
) -> None:
    """Conservation: the raw texts, joined, are the input; and a split is nothing that anybody can see."""
    text = data.draw(texts(family))
    markup = family if named else "auto"
    expected = read([text], markup, declared, limit)

    assert text == raw(expected)
    assert [] == breaches(expected, declared)
    sizes = [1, 3, 8] if len(text) < 1000 else [499]
    ways = [cut_at(text, range(size, len(text), size)) for size in sizes] + [cut_at(text, places)]
    for pieces in ways if len(text) > 1000 else [*ways, *splits(text, places)[-4:-1]]:
        assert expected == read(pieces, markup, declared, limit), pieces


@pytest.mark.parametrize("family", CALL_FAMILIES)
@given(data=st.data(), named=both_ways, declared=tools, places=st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=40, deadline=None)
def test_events_and_client_bytes_keep_their_contracts(
    family: str, data: st.DataObject, *, named: bool, declared: Any, places: list[int]
) -> None:
    """Whatever a family makes of a text, a client gets a well-formed stream, and the same one at every split."""
    text = data.draw(texts(family))
    options: dict[str, Any] = {"markup": family if named else "auto", "tools": declared, "ids": numbered()}
    whole = list(headgate.stream(engine([text]), "openai", **options))
    options["ids"] = numbered()
    pieces = list(headgate.stream(engine(cut_at(text, places)), "openai", **options))
    writer = headgate.encoder("chat", ids=numbered(), now_s=1)

    assert [] == check_events(whole)
    assert told(whole) == told(pieces)
    assert [] == check_stream(writer.feed(whole) + writer.close(), "chat")


def told(events: list[Event]) -> list[Event]:
    """What the markup makes of it: that half a character was replaced is told by the dialect, when it comes."""
    return coalesce(event for event in events if not (isinstance(event, Repair) and event.code == "text_replaced"))


def engine(pieces: list[str]) -> list[bytes]:
    """What an engine sends; half a surrogate pair goes as an escape."""
    return [*(sse(chunk({"content": piece})) for piece in pieces if piece), sse(chunk({}, "stop")) + DONE]


@pytest.mark.parametrize("family", CALL_FAMILIES)
@given(data=st.data(), named=both_ways, declared=tools, place=st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_a_copy_goes_on_alike_and_alone(
    family: str, data: st.DataObject, *, named: bool, declared: Any, place: int
) -> None:
    """A copy that reads something else must leave no trace in the original, nor the other way round."""
    text = data.draw(texts(family))
    other = data.draw(st.sampled_from(texts_of(family).fragments))
    reads = splitter_of(family if named else "auto", declared)
    head = reads.feed(text[:place])
    twin, stray = reads.copy(), reads.copy()
    strayed = [*head, *stray.feed(other), *stray.close()]
    tail = [*reads.feed(text[place:]), *reads.close()]
    again = [*twin.feed(text[place:]), *twin.close()]

    assert tail == again
    assert text[:place] + other == raw(strayed)
    assert text == raw([*head, *tail])


@pytest.mark.parametrize("family", CALL_FAMILIES)
@given(data=st.data(), declared=tools)
@settings(max_examples=30, deadline=None)
def test_a_structured_block_in_between_loses_nothing(family: str, data: st.DataObject, declared: Any) -> None:
    """An engine may parse one call itself and leak the next."""
    parts = data.draw(st.lists(texts(family), min_size=1, max_size=3))
    reads = splitter_of("auto", declared)
    spans = [span for part in parts for span in (*reads.feed(part), *reads.interrupt())]

    assert "".join(parts) == raw([*spans, *reads.close()])
