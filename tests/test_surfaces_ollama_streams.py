"""What a client of Ollama's API understands of whole streams: generated ones, and every recording of every engine.

The reader here is naive on purpose: it knows `json` and what Ollama's documents say, and nothing of Headgate.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import DONE, chunk, cut_at, numbered, sse

import headgate
from headgate.conform import check_events, check_stream
from headgate.dialects.base import Decoder
from headgate.events import (
    BlockEnd,
    Event,
    FinishReason,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    TextDelta,
    TextStart,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.surfaces import surface
from headgate.surfaces.base import Writing
from headgate.testing import Fixture
from headgate.testing.chunking import splits
from headgate.translator import Translator

FIXTURES = Path(__file__).parent / "fixtures" / "dialects"
CASES = sorted(path.parent for name in ("openai", "ollama") for path in (FIXTURES / name).glob("*/message.json"))
STREAMED = [case for case in CASES if Fixture.load(case).status < 400]
NAMES = ("ollama", "ollama_generate")
BOTH = pytest.mark.parametrize("name", NAMES)
WRITING = Writing("i", 7, "m")
PIECES_MAX = 8 * 1024
FINISHES: dict[Any, str] = {"tool_calls": "stop", "unknown": "stop", "cancelled": "stop"}


def understood(data: bytes) -> dict[str, Any]:
    """Read a stream line by line, as a client does."""
    lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
    said = [line.get("message", line) for line in lines]
    last = lines[-1] if lines else {}
    return {
        "text": "".join(one.get("content", one.get("response", "")) for one in said),
        "reasoning": "".join(one.get("thinking", "") for one in said),
        "calls": [
            (call["id"], call["function"]["name"], call["function"]["arguments"])
            for one in said
            for call in one.get("tool_calls", ())
        ],
        "finish": last.get("done_reason") if last.get("done") else None,
        "usage": (last.get("prompt_eval_count"), last.get("eval_count")),
        "error": last.get("error"),
    }


# -- generated --------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8) | st.sampled_from(
    ["\u2028", "\x85", "\n", "\r\n", '"', "\\", "</think>", "é👋", "\x7f", "\0"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(TEXT, VALUE, max_size=3)
SAID: st.SearchStrategy[tuple[str, list[Any]]] = st.tuples(
    st.sampled_from(["text", "reasoning"]), st.lists(TEXT, max_size=4)
)
CALLED: st.SearchStrategy[tuple[str, list[Any]]] = st.tuples(
    st.just("calls"), st.lists(st.tuples(TEXT, ARGUMENTS, st.integers(0, 40)), min_size=1, max_size=3)
)
FINISH: st.SearchStrategy[FinishReason] = st.sampled_from(
    ["stop", "length", "tool_calls", "content_filter", "cancelled", "unknown"]
)
COUNT = st.none() | st.integers(0, 10**9)
MS = st.none() | st.floats(0, 1e9)
USAGE = st.none() | st.builds(
    Usage, COUNT, COUNT, timings=st.none() | st.builds(Timings, prompt_ms=MS, predicted_ms=MS, total_ms=MS)
)


@st.composite
def responses(draw: st.DrawFn) -> tuple[list[Event], dict[str, Any]]:
    """A response's events, and what anybody must understand of them."""
    events: list[Event] = [MessageStart(model=draw(st.none() | TEXT))]
    text, reasoning = "", ""
    calls: list[Any] = []
    index = 0
    for kind, said in draw(st.lists(SAID | CALLED, max_size=4)):
        if kind == "calls":
            events += parallel(draw, index, said)
            calls += [(f"id{index + number}", name, given_) for number, (name, given_, _) in enumerate(said)]
            index += len(said)
            continue
        starts, delta = (TextStart, TextDelta) if kind == "text" else (ReasoningStart, ReasoningDelta)
        events += [starts(index), *(delta(index, piece) for piece in said), BlockEnd(index)]
        index += 1
        text += "".join(said) if kind == "text" else ""
        reasoning += "".join(said) if kind == "reasoning" else ""
    usage, finish = draw(USAGE), draw(FINISH)
    events += [usage] if usage else []
    counts = (usage.input_tokens, usage.output_tokens) if usage else (None, None)
    expected = {"text": text, "reasoning": reasoning, "calls": calls, "usage": counts, "error": None}
    return [*events, MessageEnd(finish)], {**expected, "finish": FINISHES.get(finish, finish)}


def parallel(draw: st.DrawFn, first: int, calls: list[tuple[str, Any, int]]) -> Iterable[Event]:
    """The events of calls that are open together, their fragments and ends in any order."""
    spelled = [json.dumps(given_, ensure_ascii=False, indent=draw(st.none() | st.just(1))) for _, given_, _ in calls]
    queues: list[list[Event]] = [
        [*(ToolCallDelta(first + number, piece) for piece in cut_at(text, [place]) if piece), BlockEnd(first + number)]
        for number, (text, (_, _, place)) in enumerate(zip(spelled, calls, strict=True))
    ]
    for number, (name, _, _) in enumerate(calls):
        yield ToolCallStart(first + number, f"id{first + number}", name)
    while any(queues):
        waiting = [queue for queue in queues if queue]
        yield waiting[draw(st.integers(0, len(waiting) - 1))].pop(0)


@BOTH
@settings(max_examples=300, deadline=None)
@given(response=responses(), batches=st.lists(st.integers(0, 30), max_size=6))
def test_any_response_is_understood(
    name: str, response: tuple[list[Event], dict[str, Any]], batches: list[int]
) -> None:
    events, expected = response
    writes = surface(name).encoder(WRITING)
    data = b"".join(writes.feed(events[start:end]) for start, end in bounds(batches, len(events))) + writes.close()

    assert [] == check_events(events)
    assert [] == check_stream(data, name)
    assert expected == understood(data)


def bounds(places: list[int], length: int) -> list[tuple[int, int]]:
    cuts = [0, *sorted(min(place, length) for place in places), length]
    return list(itertools.pairwise(cuts))


@BOTH
@settings(max_examples=200, deadline=None)
@given(response=responses(), place=st.integers(0, 40))
def test_a_response_that_stops_anywhere_is_a_failure(
    name: str, response: tuple[list[Event], dict[str, Any]], place: int
) -> None:
    """`"done": true` is what a client takes for success; nothing but an end may bring it."""
    events = response[0][: min(place, len(response[0]) - 1)]
    writes = surface(name).encoder(WRITING)
    data = writes.feed(events) + writes.close()

    assert [] == check_stream(data, name)
    assert (None, True, True) == (
        understood(data)["finish"],
        understood(data)["error"] is not None,
        writes.failed,
    )


@BOTH
@settings(max_examples=200, deadline=None)
@given(response=responses())
def test_our_own_decoder_reads_back_what_was_written(name: str, response: tuple[list[Event], dict[str, Any]]) -> None:
    """A gateway behind a gateway changes nothing."""
    events, expected = response
    writes = surface(name).encoder(WRITING)
    message = headgate.collect([writes.feed(events)], "ollama", markup="off", ids=numbered())
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in message.tool_calls]
    usage = message.usage or Usage()

    assert expected["text"] == message.content
    assert (expected["reasoning"] or None, expected["calls"]) == (message.reasoning, calls)
    assert expected["usage"] == (usage.input_tokens, usage.output_tokens)
    assert None is message.error


# -- recorded ---------------------------------------------------------------------------------------------


def translator(case: Path, name: str, *, short: bool = True) -> Translator:
    decoder = headgate.decoder(case.parent.name, ids=numbered(), tools=Fixture.load(case).tools)
    return Translator(decoder, surface(name).encoder(WRITING), None if short else _listen)


def _listen(events: Any) -> None:
    del events


def written(translates: Translator, pieces: Iterable[bytes]) -> bytes:
    return b"".join(map(translates.feed, pieces)) + translates.close()


@pytest.mark.parametrize(
    ("case", "name"),
    [(case, "ollama") for case in STREAMED] + [(case, "ollama_generate") for case in STREAMED[::8]],
    ids=lambda value: value if isinstance(value, str) else f"{value.parent.name}/{value.name}",
)
def test_every_recording_is_written_alike_at_every_split(case: Path, name: str) -> None:
    """Cut anywhere, by the shortcut or the whole way: the contract holds, and what is understood is the same."""
    fixture = Fixture.load(case)
    whole = written(translator(case, name, short=False), [fixture.response])
    expected = understood(unnumbered(whole))

    assert [] == check_stream(whole, name)
    for way, pieces in splits(fixture.response, fixture.lengths):
        if len(pieces) > PIECES_MAX:
            continue
        taken, slow = (written(translator(case, name, short=short), pieces) for short in (True, False))
        assert (way, unnumbered(slow)) == (way, unnumbered(taken))
        assert (way, [], expected) == (way, check_stream(taken, name), understood(unnumbered(taken)))


def unnumbered(data: bytes) -> bytes:
    """Without the ids that we made: the shortcut tries what it learned on a twin, which draws some too."""
    return re.sub(rb'"id":"call_\d+"', b'"id":""', data)


@BOTH
@pytest.mark.parametrize("case", STREAMED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_recording_is_understood_as_it_was_meant(case: Path, name: str) -> None:
    """`message.json` was not made by our code, so neither side can hide a fault of the other."""
    fixture = Fixture.load(case)
    expected = (fixture.messages or [{}])[0]
    got = understood(written(translator(case, name), [fixture.response]))
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in expected.get("tool_calls", ())]
    failed = expected.get("error") is not None or not all(text.lstrip().startswith("{") for _, text in calls)
    if failed or (expected.get("incomplete_calls") and expected.get("finish_reason") != "length"):
        assert (None, True) == (got["finish"], got["error"] is not None)
        return

    reasoning, text = expected.get("reasoning_content", got["reasoning"]) or "", expected.get("content", got["text"])
    text = (text or "") + (expected.get("refusal") or "")  # Ollama has no other place for it
    if (case / "events.jsonl").read_bytes().count(b'"reasoning_unopened"'):
        # The closing tag came after the text had been sent; no stream can call that back.
        reasoning, text = "", reasoning + (text or "")
    assert (reasoning, text or "") in {(got["reasoning"], got["text"]), (got["reasoning"], "*")}
    assert [(function, json.loads(text)) for function, text in calls if text != "*"] == [
        call[1:] for call in got["calls"]
    ]
    finish = expected.get("finish_reason", got["finish"])
    assert got["finish"] in {FINISHES.get(finish, finish), "load", "unload"}
    usage = expected.get("usage")
    assert not usage or (usage.get("prompt_tokens"), usage.get("completion_tokens")) == got["usage"]


@BOTH
def test_plain_deltas_take_the_shortcut(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise what is said of it above would hold of nothing."""
    seen: list[bytes] = []
    decoder = headgate.decoder("openai", ids=numbered())
    feed = type(decoder).feed

    def counted(decoder: Decoder, data: bytes) -> list[Event]:
        seen.append(data)
        return feed(decoder, data)

    monkeypatch.setattr(type(decoder), "feed", counted)
    words = [" word", " and", " another", "."] * 25
    pieces = [*(sse(chunk({"content": word})) for word in words), sse(chunk({}, "stop")), DONE]
    data = written(Translator(decoder, surface(name).encoder(WRITING)), pieces)

    assert ("".join(words), "stop", True) == (*(understood(data)[key] for key in ("text", "finish")), len(seen) < 9)
