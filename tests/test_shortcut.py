"""`headgate.shortcut`: the same bytes as the whole way, on every recording and on streams made for it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import DONE, chunk, cut_at, ndjson, numbered, sse

import headgate
from headgate.events import Event
from headgate.translator import Translator

FIXTURES = Path(__file__).parent / "fixtures" / "dialects"
CASES = sorted(path.parent for name in ("openai", "ollama") for path in (FIXTURES / name).glob("*/message.json"))
SIZES = (1, 64)


def translators(dialect: str, **options: Any) -> tuple[Translator, Translator]:
    """One that may take the shortcut, and one by definition."""
    one, other = (
        (
            headgate.decoder(dialect, ids=numbered(), **options),
            headgate.encoder(include_usage=True, ids=numbered(), now_s=1),
        )
        for _ in range(2)
    )
    return Translator(*one), Translator(*other, tap=_listen)


def _listen(events: Any) -> None:
    del events


def written(translator: Translator, pieces: list[bytes]) -> bytes:
    return b"".join(map(translator.feed, pieces)) + translator.close()


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
@pytest.mark.parametrize("dialect", ["auto", ""], ids=["auto", "named"])
def test_every_recording_is_translated_as_by_definition(case: Path, dialect: str) -> None:
    data = (case / "response.raw").read_bytes()
    ways = [[data], *(cut_at(data, range(size, len(data), size)) for size in SIZES)]
    ways += [data.splitlines(keepends=True), [part + b"\n\n" for part in data.split(b"\n\n")]]
    for pieces in ways:
        for markup in ("auto", "off"):
            short, whole = translators(dialect or case.parent.name, markup=markup)
            assert written(whole, pieces) == written(short, pieces)


texts = st.sampled_from(
    [" the", "a", "\n", " ", "", "é", "👋", "\u2028", '"', "\\", "<", "<think>", "</think>", "`", "```\n", "[", "\x7f"]
) | st.text(max_size=5)
deltas: st.SearchStrategy[dict[str, str]] = st.tuples(
    st.sampled_from(["content", "content", "reasoning_content"]), texts
).map(lambda said: {said[0]: said[1]})
odd = st.sampled_from(
    [
        chunk({"role": "assistant", "content": ""}),
        chunk({}, "stop"),
        {**chunk({"content": "x"}), "created": 2},
        {**chunk({"content": "x"}), "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
        chunk({"content": "y", "reasoning_content": "z"}),
        chunk({"content": "other"}, index=1),
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}),
        {"error": {"message": "no"}},
    ]
)
runs = st.lists(deltas.map(chunk), min_size=3, max_size=12)
records = st.lists(runs | odd.map(lambda record: [record]), max_size=5).map(lambda found: [*itertools.chain(*found)])
ends = st.sampled_from([b"", DONE, sse(chunk({}, "stop")) + DONE])


@given(records=records, end=ends, places=st.lists(st.integers(0, 4000), max_size=10), dense=st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_event_stream_is_translated_as_by_definition(
    records: list[dict[str, Any]], end: bytes, places: list[int], *, dense: bool
) -> None:
    separators = (",", ":") if dense else None
    encoded = [json.dumps(record, separators=separators, ensure_ascii=dense).encode() for record in records]
    blocks = [b"data: %b\n\n" % record for record in encoded]
    data = b"".join(blocks) + end
    for pieces in ([data], [*blocks, end], cut_at(data, places)):
        short, whole = translators("openai")
        assert written(whole, pieces) == written(short, pieces)


@given(found=st.lists(texts, max_size=30), places=st.lists(st.integers(0, 4000), max_size=10), key=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_ollama_stream_is_translated_as_by_definition(found: list[str], places: list[int], *, key: bool) -> None:
    name = "content" if key else "thinking"
    lines = [
        ndjson(
            {
                "model": "m",
                "created_at": f"2026-11-21T00:00:{number % 60:02}.{number}Z",
                "message": {"role": "assistant", name: text},
                "done": False,
            }
        )
        for number, text in enumerate(found)
    ]
    end = ndjson({"model": "m", "done": True, "done_reason": "stop"})
    data = b"".join(lines) + end
    for pieces in ([data], [*lines, end], cut_at(data, places)):
        short, whole = translators("ollama")
        assert written(whole, pieces) == written(short, pieces)


def test_a_thought_in_the_text_and_one_apart_are_not_confused() -> None:
    """Both go on in one block, but text ends the one and belongs to the other."""
    said = [{"content": "<think>"}, *({"content": f" a{n}"} for n in range(9)), {"reasoning_content": " b\n"}]
    said += [*({"reasoning_content": f" c{n}"} for n in range(9)), {"content": " d"}, {"content": "</think>e"}]
    pieces = [*(sse(chunk(delta)) for delta in said), sse(chunk({}, "stop")) + DONE]

    short, whole = translators("openai")
    assert written(whole, pieces) == written(short, pieces)


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
@pytest.mark.parametrize("markup", ["auto", "off"])
@pytest.mark.parametrize("read_bytes", [None, 10_000], ids=["record by record", "large reads"])
@pytest.mark.parametrize(("said", "thought"), [("content", "content"), ("reasoning_content", "thinking")])
def test_plain_deltas_take_it(dialect: str, markup: str, read_bytes: int | None, said: str, thought: str) -> None:
    """Otherwise everything above would hold of a shortcut that is never taken."""
    words = [" word", " <b", " x[0", ".", ' "é"'] * 50
    if dialect == "openai":
        pieces = [sse(chunk({said: word})) for word in words]
    else:
        pieces = [
            ndjson({"model": "m", "created_at": f"{number}Z", "message": {thought: word}, "done": False})
            for number, word in enumerate(words)
        ]
    if read_bytes is not None:
        data = b"".join(pieces)
        pieces = cut_at(data, range(read_bytes, len(data), read_bytes))
    heard: list[Event] = []
    decoder = headgate.decoder(dialect, markup=markup, ids=numbered())
    translator = Translator(decoder, headgate.encoder(ids=numbered(), now_s=1), heard.extend, every_delta=False)
    out = b"".join(map(translator.feed, pieces))

    assert len(words) + 1 == out.count(b"\n\n")
    # Only what teaches the envelope goes the whole way, and of each large read what is cut at its borders.
    assert len(heard) <= (8 if read_bytes is None else 15 * len(pieces))
