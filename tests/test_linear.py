"""Four times the input takes at most six times the time, whole and one by one, for every parser and writer.

What is quadratic looks fast in every other test, and stops a gateway with one long answer. The minimum of five runs is
compared; the sizes are found by measuring, so that a fast machine gets longer inputs.
"""

from __future__ import annotations

from typing import Any

import pytest
from growth import AT_MOST, SIZE_MAX, WAYS, Case, Pieces, Run, growth, no_collection, one_by_one, whole
from pieces import DONE, call, chunk, ndjson, numbered, splitter, sse

import headgate
from headgate import Accumulator
from headgate.auto import AutoDecoder
from headgate.dialects.base import Reading
from headgate.events import (
    BlockEnd,
    Event,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
)
from headgate.framing.lines import Lines
from headgate.framing.log import LogRecords
from headgate.framing.ndjson import Records
from headgate.framing.sse import Blocks, Reader
from headgate.limits import Limits
from headgate.markup.code import Code
from headgate.markup.readers.json_text import JsonText

__all__ = ["no_collection"]  # a fixture for every test here

LIMITS = Limits(blocks_max=10**9)


# -- runs: each makes its parser anew and takes the pieces one after the other ---------------------------------


def lines(pieces: Pieces) -> None:
    parser = Lines(line_bytes_max=10**9, carriage_returns=True)
    for piece in pieces:
        parser.feed(piece)


def blocks(pieces: Pieces) -> None:
    parser = Blocks(Limits(line_bytes_max=10**9, event_bytes_max=10**9))
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def reader(pieces: Pieces) -> None:
    parser = Reader(Limits(line_bytes_max=10**9, event_bytes_max=10**9))
    for piece in pieces:
        parser.feed(piece)


def records(pieces: Pieces) -> None:
    parser = Records()
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def log(pieces: Pieces) -> None:
    parser = LogRecords()
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def json_text(pieces: Pieces) -> None:
    parser = JsonText()
    for piece in pieces:
        place = 0
        while place < len(piece):
            place = max(parser.advance(piece, place), place + 1)


def code(pieces: Pieces) -> None:
    parser = Code()
    for piece in pieces:
        parser.feed(piece)
        assert parser.inside in {True, False}


def markup(pieces: Pieces) -> None:
    parser = splitter()
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def decoder(dialect: str) -> Run:
    def run(pieces: Pieces) -> None:
        parser = headgate.decoder(dialect, ids=numbered(), limits=LIMITS)
        for piece in pieces:
            parser.feed(piece)
        parser.close()

    return run


def auto(pieces: Pieces) -> None:
    parser = AutoDecoder(Reading(ids=numbered()))
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def translator(pieces: Pieces) -> None:
    parser = headgate.translator("openai", ids=numbered(), now_s=1, limits=LIMITS)
    for piece in pieces:
        parser.feed(piece)
    parser.close()


def encoder(pieces: Pieces) -> None:
    writer = headgate.encoder("chat", ids=numbered(), now_s=1)
    for piece in pieces:
        writer.feed(piece)
    writer.close()


def accumulator(pieces: Pieces) -> None:
    gathered = Accumulator()
    for piece in pieces:
        gathered.feed_all(piece)
    assert gathered.message.finish_reason


# -- inputs ---------------------------------------------------------------------------------------------------


STOP = sse(chunk({}, "stop")) + DONE
OPENER = chunk(call(id="a", name="f"))
LOGPROBS = {"content": [{"token": "x", "logprob": -1.0, "bytes": [120], "top_logprobs": []}], "refusal": None}
LINE = {"model": "m", "message": {"role": "assistant", "content": "word "}, "done": False}
CALL_LINE = {"message": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"a": 1}}}]}, "done": False}
HARMONY_CALL = '<|channel|>commentary to=functions.f<|message|>{"a":"'

REPEATED = sse(chunk(call("{}", id="a", name="f")))
BODY = b'{"choices":[{"message":{"content":"', b'"},"finish_reason":"stop"}]}'

INPUTS: dict[str, tuple[Run, Any, Any, Any]] = {
    "Lines, short": (lines, b"a\r\nb\rc\n", None, None),
    "Lines, one": (lines, b"word ", None, b"\n"),
    "Lines, CR": (lines, b"\r", None, None),
    "Blocks, events": (blocks, b"event: a\ndata: b\nid: 1\n\n", None, None),
    "Blocks, one event": (blocks, b"data: a\n", None, b"\n"),
    "Blocks, one line": (blocks, b"word ", b"data: ", b"\n\n"),
    "Blocks, comments": (blocks, b": ping\n\n", None, None),
    "Blocks, blank": (blocks, b"\n", None, None),
    "Blocks, retry": (blocks, b"9", b"retry:", b"\n"),
    "Reader, events": (reader, b"event: a\ndata: b\nid: 1\n\n", None, None),
    "Reader, one event": (reader, b"data: a\n", None, b"\n"),
    "Reader, one line": (reader, b"\xff", b"data: ", b"\n\n"),
    "Records, short": (records, b'{"a":1}\n', None, None),
    "Records, one": (records, b"word ", b'{"a":"', b'"}\n'),
    "Records, blank": (records, b" \n", None, None),
    "LogRecords, quoted": (log, b'[x] data: data: {"a":{}}\n', None, None),
    "LogRecords, one": (log, b"{word ", b"data: ", b"\n"),
    "LogRecords, marks": (log, b"data:", None, b"\n"),
    "LogRecords, marks and space": (log, b"data: ", None, b"{}\n"),
    "JsonText, string": (json_text, "word ", '{"a":"', '"}'),
    "JsonText, escapes": (json_text, "\\\\", '{"a":"', '"}'),
    "JsonText, braces": (json_text, "{", None, None),
    "JsonText, angles": (json_text, "<", "{", None),
    "Code, prose": (code, "word ", None, None),
    "Code, lines": (code, "word\n", None, None),
    "Code, spans": (code, "`a` ", None, None),
    "Code, backticks": (code, "`", None, None),
    "Code, tildes": (code, "~", None, None),
    "Code, fences": (code, "```\na\n```\n", None, None),
    "Splitter, prose": (markup, "word ", None, None),
    "Splitter, lines of code": (markup, "`a`\n```\n", None, None),
    "Splitter, thought": (markup, "word ", "<think>", "</think>word"),
    "Splitter, thought without an end": (markup, "word\n", "<think>", None),
    "Splitter, thoughts": (markup, "<think>a</think>\n", None, None),
    "Splitter, openers": (markup, "<think>", None, None),
    "Splitter, openers in prose": (markup, "<think>", "a", None),
    "Splitter, closers": (markup, "</think>", None, None),
    "Splitter, closers in code": (markup, "</think>", "`", None),
    "Splitter, half closers": (markup, "</thin", "a", None),
    "Splitter, half openers": (markup, "<thin", None, None),
    "Splitter, space": (markup, " ", None, None),
    "Splitter, line ends": (markup, "\n", None, None),
    "Splitter, space in prose": (markup, " ", "a", None),
    "Splitter, space in a thought": (markup, " ", "<think>", None),
    "Splitter, space behind a word of a thought": (markup, " ", "<think>a", None),
    "Splitter, space behind a thought": (markup, " ", "<think>a</think>", None),
    "Splitter, backticks": (markup, "`", None, None),
    "Splitter, backticks and closers": (markup, "`</think>", None, None),
    "Splitter, harmony": (markup, "<|channel|>analysis<|message|>a<|end|><|start|>assistant", None, None),
    "Splitter, harmony answer": (markup, "word\n", "<|channel|>final<|message|>", None),
    "Splitter, harmony call": (markup, "word ", HARMONY_CALL, '"}<|call|>'),
    "Splitter, harmony calls": (markup, "<|channel|>commentary to=functions.f<|message|>{}<|call|>", None, None),
    "Splitter, angles in a call": (markup, "<", HARMONY_CALL + '":', None),
    "Splitter, channels": (markup, "<|channel|>", None, None),
    "Splitter, starts": (markup, "<|start|>", None, None),
    "Splitter, messages": (markup, "<|message|>", None, None),
    "Splitter, ends": (markup, "<|end|>", "<|message|>", None),
    "Splitter, ends in code": (markup, "<|end|>", "<|message|>`", None),
    "Splitter, half tokens": (markup, "<|chann", "<|message|>", None),
    "Splitter, stripped tokens": (markup, "assistantfinal", "analysisa", None),
    "Splitter, half stripped tokens": (markup, "assistantfina", "analysisa", None),
    "Splitter, header without an end": (markup, "word ", "<|channel|>final ", None),
    "Splitter, header of one word": (markup, "a", "<|channel|>", None),
    "Splitter, space in a header": (markup, " ", "<|channel|>final", None),
    "Splitter, space between messages": (markup, " ", "<|message|>a<|end|>", None),
    "Splitter, space before arguments": (markup, " ", "<|channel|>commentary to=functions.f<|message|>", None),
    "openai, text": (decoder("openai"), sse(chunk({"content": "word "})), None, STOP),
    "openai, reasoning": (decoder("openai"), sse(chunk({"reasoning": "word "})), None, STOP),
    "openai, arguments": (decoder("openai"), sse(chunk(call('\\"'))), sse(OPENER), STOP),
    "openai, repeated headers": (
        decoder("openai"),
        sse(chunk(call("{}", id="a", name="f"))),
        sse(chunk(call("{", id="a", name="f"))),
        STOP,
    ),
    "openai, arguments before the name": (decoder("openai"), sse(chunk(call("{"))), None, STOP),
    "openai, calls": (decoder("openai"), sse(chunk(call("{}", id="a", name="f"))), None, STOP),
    "openai, log probabilities": (decoder("openai"), sse(chunk(call("1"), logprobs=LOGPROBS)), sse(OPENER), STOP),
    "openai, one line": (decoder("openai"), b"word ", sse(chunk({"content": "@"})).split(b"@")[0], b'"}}]}\n\n' + STOP),
    "openai, one body": (
        decoder("openai"),
        b"word\\n ",
        b'{"choices":[{"message":{"content":"',
        b'"},"finish_reason":"stop"}]}',
    ),
    "openai, bare lines": (decoder("openai"), ndjson(chunk({"content": "word "})), None, None),
    "openai, surrogates": (
        decoder("openai"),
        b"\\ud800",
        b'data: {"choices":[{"delta":{"content":"',
        b'"}}]}\n\n' + STOP,
    ),
    "ollama, text": (decoder("ollama"), ndjson(LINE), None, None),
    "ollama, calls": (decoder("ollama"), ndjson(CALL_LINE), None, None),
    "ollama, one line": (decoder("ollama"), b"word ", b'{"message":{"content":"', b'"},"done":true}\n'),
    "text, prose": (decoder("text"), "wörd ".encode(), None, None),
    "text, bytes that are none": (decoder("text"), b"\xff", None, None),
    "auto, space": (auto, b" ", None, None),
    "auto, braces": (auto, b"{", None, None),
    "auto, event stream": (auto, sse(chunk({"content": "word "})), None, STOP),
    "Translator, text": (translator, sse(chunk({"content": "word "})), None, STOP),
    "Translator, calls": (translator, sse(chunk(call("{}", id="a", name="f"))), None, STOP),
    "Translator, arguments": (translator, sse(chunk(call("1"))), sse(OPENER), STOP),
}

START: list[Event] = [MessageStart()]
END: list[Event] = [MessageEnd("stop")]
EVENTS: dict[str, tuple[list[Event], list[Event], list[Event]]] = {
    "text": ([*START, TextStart(0)], [TextDelta(0, "word ")], [BlockEnd(0), *END]),
    "reasoning": ([*START, ReasoningStart(0)], [ReasoningDelta(0, "word ")], [BlockEnd(0), *END]),
    "arguments": ([*START, ToolCallStart(0, "a", "f")], [ToolCallDelta(0, "1")], [BlockEnd(0), *END]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INPUTS)
def test_reading_is_linear(name: str, way: str) -> None:
    run, unit, head, tail = INPUTS[name]

    assert growth(Case(run, WAYS[way](unit, head, tail))) <= AT_MOST


# Where every tag or record costs a look at the rest, only a large piece with many of them shows it.
MANY = [
    *(
        name
        for name in INPUTS
        if name.startswith(("Splitter, thoughts", "Splitter, harmony", "Splitter, ends in code"))
    ),
    *[
        "Splitter, closers in code",
        "Splitter, channels",
        "Splitter, stripped tokens",
        "Blocks, events",
        "Reader, events",
    ],
]


@pytest.mark.parametrize("name", MANY)
def test_many_tags_and_records_in_one_piece_are_read_in_linear_time(name: str) -> None:
    run, unit, head, tail = INPUTS[name]

    assert growth(Case(run, whole(unit, head, tail)), SIZE_MAX) <= AT_MOST


@pytest.mark.parametrize("run", [accumulator, encoder])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EVENTS)
def test_gathering_and_writing_are_linear(name: str, way: str, run: Run) -> None:
    head, unit, tail = EVENTS[name]

    assert growth(Case(run, WAYS[way](unit, head, tail))) <= AT_MOST


def test_many_blocks_are_gathered_and_written_in_linear_time() -> None:
    def made(size: int) -> Pieces:
        blocks_of = ([TextStart(n), TextDelta(n, "a"), BlockEnd(n)] for n in range(size // 3 + 1))
        return [[*START, *(event for block in blocks_of for event in block), *END]]

    assert growth(Case(accumulator, made)) <= AT_MOST
    assert growth(Case(encoder, made)) <= AT_MOST


def test_the_measure_finds_what_is_quadratic() -> None:
    """A test of time that cannot fail would be worse than none."""

    def quadratic(pieces: Pieces) -> None:
        for place in range(len(pieces)):
            pieces[place:]

    assert growth(Case(quadratic, one_by_one("word "))) > AT_MOST
