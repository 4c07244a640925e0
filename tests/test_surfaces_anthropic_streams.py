"""Anthropic's surface over whole streams: every recording, any events, any mixture, with the shortcut and without.

What a client reads is worked out by `anthropic_reader`, which shares no code with what is tested.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic_reader import Block, Reply, read, read_whole
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import DONE, call, chunk, cut_at, numbered, sse
from test_surfaces_anthropic import ANTHROPIC, WRITING, encoder

import headgate
from headgate.accumulate import Accumulator
from headgate.conform import check_events, check_stream
from headgate.dialects.base import Reading
from headgate.dialects.writer import BlockWriter
from headgate.errors import stream_error
from headgate.events import Event, ReasoningDelta, TextDelta, Usage
from headgate.messages import Message, ReasoningPart, TextPart, ToolCallPart
from headgate.translator import Translator

FIXTURES = Path(__file__).parent / "fixtures" / "dialects"
CASES = sorted(path.parent for name in ("openai", "ollama") for path in (FIXTURES / name).glob("*/message.json"))


def translators(dialect: str) -> tuple[Translator, Translator]:
    """One that may take the shortcut, and one by definition."""
    one, other = (
        (
            headgate.decoder(dialect, ids=numbered()),
            headgate.encoder("anthropic", ids=numbered(), now_s=1),
        )
        for _ in range(2)
    )
    return Translator(*one), Translator(*other, tap=_listen)


def _listen(events: Any) -> None:
    del events


def written(translator: Translator, pieces: list[bytes]) -> bytes:
    return b"".join(map(translator.feed, pieces)) + translator.close()


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recording_conforms_in_any_split_and_says_what_its_message_says(case: Path) -> None:
    data = (case / "response.raw").read_bytes()
    gathered = Accumulator()
    gathered.feed_all(headgate.stream([data], case.parent.name, ids=numbered()))
    for pieces in ([data], *(cut_at(data, range(size, len(data), size)) for size in (1, 7, 64))):
        short, whole = translators(case.parent.name)
        bytes_by_definition = written(whole, pieces)

        assert bytes_by_definition == written(short, pieces)
        assert [] == check_stream(bytes_by_definition, "anthropic")
        assert_says(gathered.message, read(bytes_by_definition))


def assert_says(message: Message, reply: Reply) -> None:
    """Check that a client read the message that the canonical events say."""
    moved = any(repair.code == "reasoning_unopened" for repair in message.repairs)  # a stream cannot take text back
    parts, blocks = [blocks_of(part) for part in message.parts], reply.blocks
    if moved:
        assert "".join(one.text for one in parts) == "".join(one.text for one in blocks)
    elif reply.error is None:
        assert [one for one in parts if not one.cut] == [one for one in blocks if not one.cut]
    assert (message.error is not None or bool(message.incomplete_calls)) >= (reply.error is not None)
    assert (reply.error is None) == reply.stopped
    if reply.stopped and message.usage is not None:
        told = message.usage
        counts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        assert (told.input_tokens or 0) == sum(reply.usage.get(name, 0) for name in counts)
        assert (told.output_tokens or 0) == reply.usage["output_tokens"]


def blocks_of(part: TextPart | ReasoningPart | ToolCallPart) -> Block:
    if isinstance(part, TextPart):
        return Block("text", part.text)
    if isinstance(part, ReasoningPart):
        return Block("thinking", part.text, part.signature or "hg1.unsigned")
    one = part.call
    given = json.loads(one.arguments) if one.complete else None
    return Block("tool_use", id=one.id, name=one.name, input=given, cut=not one.complete)


@pytest.mark.parametrize("field", ["content", "reasoning_content"])
def test_plain_deltas_take_the_shortcut(field: str) -> None:
    """Otherwise what holds of it above would hold of nothing."""
    words = [" word", " and", " another", "."] * 25
    decoder = headgate.decoder("openai", markup="off", ids=numbered())
    heard: list[Event] = []
    encoder = headgate.encoder("anthropic", ids=numbered(), now_s=1)
    translator = Translator(decoder, encoder, tap=heard.extend, every_delta=False)
    out = b"".join(translator.feed(sse(chunk({field: word}))) for word in words)

    assert out.count(b"event: content_block_delta") == len(words)
    assert sum(isinstance(event, TextDelta | ReasoningDelta) for event in heard) <= 4


# -- any events ---------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["a", " b", "\n", "é👋", "\u2028", '"}', "\\", "event: x\n\n"]) | st.text(
    min_size=1, max_size=5
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=3).map(json.dumps) | st.sampled_from(
    ["{", "[1]", "3", '{"a"', "{} {}"]
)


@st.composite
def responses(draw: st.DrawFn) -> list[Event]:
    """One response's events, as the only producer of them makes them: calls may be open together."""
    writer = BlockWriter(Reading(ids=numbered()))
    waiting: dict[int, list[str]] = {}
    writer.start(model=draw(st.sampled_from([None, "m2"])))
    for number in range(draw(st.integers(0, 8))):
        match draw(st.sampled_from(["text", "text", "reasoning", "refusal", "call", "call"])):
            case "text":
                writer.text(draw(TEXTS))
            case "reasoning":
                writer.reasoning(draw(TEXTS))
            case "refusal":
                writer.refusal(draw(TEXTS))
            case _:
                writer.call_start(number, draw(TEXTS), draw(st.none() | TEXTS))
                waiting[number] = cut_text(draw(ARGUMENTS), draw(st.lists(st.integers(0, 20), max_size=3)))
        for key in draw(st.lists(st.sampled_from(sorted(waiting)), max_size=6)) if waiting else ():
            if waiting[key]:
                writer.call_arguments(key, waiting[key].pop(0))
    for key, pieces in waiting.items():
        for piece in pieces:
            writer.call_arguments(key, piece)
        if draw(st.booleans()):
            writer.call_end(key)
    return ended(writer, draw)


def cut_text(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted(place for place in places if 0 < place < len(text)), len(text)]
    return [piece for start, end in itertools.pairwise(bounds) if (piece := text[start:end])]


def ended(writer: BlockWriter, draw: st.DrawFn) -> list[Event]:
    count = st.none() | st.integers(0, 1000)
    if draw(st.booleans()):
        writer.usage(Usage(draw(count), draw(count), draw(count), draw(count), draw(count)))
    match draw(st.sampled_from(["end", "end", "end", "fail", "cancel"])):
        case "end":
            sequence = draw(st.none() | st.just("END"))
            word = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "pause_turn", "x", None]))
            writer.finish(word, stop_sequence=sequence)
            writer.end()
        case "fail":
            writer.fail(stream_error("upstream_truncated", "gone"))
        case _:
            writer.cancel()
    return writer.take()


@settings(max_examples=400, deadline=None)
@given(responses(), st.lists(st.integers(0, 60), max_size=5))
def test_any_response_conforms_and_a_client_reads_what_it_says(events: list[Event], places: list[int]) -> None:
    assert [] == check_events(events)
    gathered = Accumulator()
    gathered.feed_all(events)
    message, data = gathered.message, encoder().feed(events)
    batches = encoder()
    bounds = [0, *sorted(place for place in places if place < len(events)), len(events)]

    assert data == b"".join(batches.feed(events[start:end]) for start, end in itertools.pairwise(bounds))
    assert [] == check_stream(data, "anthropic")
    reply = read(data)
    if message.usage is None or (message.usage.input_tokens or 0) >= cached(message.usage):
        assert_says(message, reply)
    if reply.error is None:
        assert said(message) == (reply.text("thinking"), reply.text(), reply.calls())
        assert_ended(message, reply)
        assert_whole(message, reply)


def cached(usage: Usage) -> int:
    return (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)


def said(message: Message) -> tuple[str, str, list[tuple[str, str, Any]]]:
    text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    calls = [(one.id, one.name, json.loads(one.arguments)) for one in message.tool_calls]
    return message.reasoning or "", text, calls


def assert_ended(message: Message, reply: Reply) -> None:
    assert reply.stop_reason == expected_stop(message)
    assert (message.stop_sequence if reply.stop_reason == "stop_sequence" else None) == reply.stop_sequence


def expected_stop(message: Message) -> str:
    match message.finish_reason:
        case "length":
            return "max_tokens"
        case "tool_calls":
            return "tool_use"
        case "content_filter":
            return "refusal"
        case "unknown" if message.raw_reason == "pause_turn":
            return "pause_turn"
        case "stop" | "unknown" if message.refusal:
            return "refusal"
        case "stop" if message.stop_sequence is not None:
            return "stop_sequence"
        case _:
            return "end_turn"


def assert_whole(message: Message, reply: Reply) -> None:
    """Check that a client that asked for no stream reads the same."""
    whole = read_whole(ANTHROPIC.whole([message], WRITING))

    assert [block for block in reply.blocks if not block.cut] == whole.blocks
    assert reply.ended() == whole.ended()


# -- from an engine's bytes -----------------------------------------------------------------------------------


def interleaved() -> Iterator[bytes]:
    yield sse(chunk(call("", id="a", name="f")))
    yield sse(chunk(call("", id="b", name="g", index=1)))
    for piece in ('{"x"', ": ", "1}"):
        yield sse(chunk(call(piece)))
        yield sse(chunk(call(piece, index=1)))
    yield sse(chunk({"content": "done"})) + sse(chunk({}, "tool_calls")) + DONE


def test_calls_that_an_engine_interleaves_arrive_one_after_the_other() -> None:
    data = b"".join(interleaved())
    for size in (1, 50, len(data)):
        translator = headgate.translator("openai", "anthropic", ids=numbered())
        out = written(translator, cut_at(data, range(size, len(data), size)))

        assert [] == check_stream(out, "anthropic")
        assert ([("a", "f", {"x": 1}), ("b", "g", {"x": 1})], "done") == (read(out).calls(), read(out).text())


RUNS = st.one_of(
    st.lists(
        st.sampled_from([" the", "a", "é", "\u2028", '"', "<think>", "</think>", "`"]), min_size=3, max_size=8
    ).map(lambda texts: [chunk({"content": text}) for text in texts]),
    st.lists(st.sampled_from([" why", "b"]), min_size=3, max_size=8).map(
        lambda texts: [chunk({"reasoning_content": text}) for text in texts]
    ),
    st.tuples(st.integers(0, 2), st.sampled_from(["{", '"x":', "1", "}", "{}", " "])).map(
        lambda said: [chunk(call(said[1], index=said[0], id=f"c{said[0]}", name="f"))]
    ),
)
FINISHES = st.sampled_from([b"", DONE, *(sse(chunk({}, word)) + DONE for word in ("stop", "length"))])


@settings(max_examples=200, deadline=None)
@given(st.lists(RUNS, max_size=8), FINISHES, st.lists(st.integers(0, 4000), max_size=8))
def test_any_mixture_of_texts_and_calls_conforms_with_the_shortcut_and_without(
    runs: list[list[dict[str, Any]]], end: bytes, places: list[int]
) -> None:
    """A frame that outlived its block would write text into a call."""
    records = [sse(record) for run in runs for record in run]
    data = b"".join(records) + end
    for pieces in ([data], [*records, end], cut_at(data, places)):
        short, whole = translators("openai")
        bytes_by_definition = written(whole, pieces)

        assert bytes_by_definition == written(short, pieces)
        assert [] == check_stream(bytes_by_definition, "anthropic")
