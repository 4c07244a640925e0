"""What is written of a stream: folding, words, columns, colours, a page; and that none of it can be misused."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from explained import explain, explainer, shown, summed
from hypothesis import given
from hypothesis import strategies as st
from pieces import DONE, chunk, ndjson, sse

from headgate.events import BlockEnd, Extra, MessageEnd, Progress, TextDelta, Timings, Usage
from headgate.explain import Effect, Folded, Folder, Item, Record, ansi, html, layout, plain, summary, words
from headgate.explain.fold import FOLD_MIN
from headgate.explain.harmless import harmless

STOP = sse(chunk({}, "stop")) + DONE
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b1m\u202edesrever\u2066\r\n<script>alert(1)</script>\"'&\ud800\x00\u2028"


def folded(records: list[Record]) -> list[Item]:
    folder = Folder()
    return [*folder.feed(records), *folder.close()]


def outline(items: list[Item]) -> list[str]:
    """Each item in a word or two: a record's number, or what was folded and how often."""
    return [f"{item.records} {item.what}" if isinstance(item, Folded) else str(item.number) for item in items]


def texts(*pieces: str, more: bytes = STOP) -> list[Record]:
    return explain(sse(*(chunk({"content": piece}) for piece in pieces)) + more)


# -- folding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, FOLD_MIN - 1])
def test_a_short_run_is_shown(count: int) -> None:
    expected = [str(number) for number in range(1, count + 4)]

    assert expected == outline(folded(texts("One", *["x"] * count)))


def test_a_long_run_is_folded_into_one_line_with_what_it_comes_to() -> None:
    items = folded(texts("One", *[" two"] * 212))

    assert ["1", "212 text delta", "214", "215"] == outline(items)
    assert isinstance(items[1], Folded)
    assert (848, 2, 213, " two two") == (items[1].characters, items[1].first, items[1].last, items[1].text[:8])
    assert "… 212 more text deltas, 848 characters …" in "".join(map(plain.text, layout.blocks(items)))


def test_a_record_with_something_new_stands_for_itself() -> None:
    roles = [chunk({"content": "x"}), *[chunk({"role": "assistant", "content": "x"})] * 9]
    usage = {**chunk({"content": "x"}), "usage": {"prompt_tokens": 1}}

    assert ["1", "2", "3", "7 text delta"] == outline(folded(explain(sse(*roles))))[:4]
    assert ["1", "4 text delta", "6", "4 text delta"] == outline(
        folded(explain(sse(*[roles[0]] * 5, usage, *[roles[0]] * 4)))
    )[:4]


def test_a_run_ends_where_its_kind_does() -> None:
    deltas = [{"reasoning_content": "x"}] * 6 + [{"content": "x"}] * 6
    items = folded(explain(sse(*map(chunk, deltas)) + STOP))

    assert ["1", "5 reasoning delta", "7", "5 text delta", "13", "14"] == outline(items)


def test_text_that_was_held_back_for_nothing_folds_with_the_rest() -> None:
    assert ["1", "12 text delta", "14", "15"] == outline(folded(texts("One", *["\n", "x", "<", "y"] * 3)))


def test_text_that_was_held_back_for_a_tag_is_shown() -> None:
    split = ["<|chan", "nel", "|>", "final<|message|>", "One"]

    assert ["1", "2", "3", "4", "5", "6", "7"] == outline(folded(texts(*split)))
    split = ["<", "|", "c", "h", "a", "n", "nel|>final<|message|>"]

    assert ["1", "5 held-back record", "7", "8", "9"] == outline(folded(texts(*split)))


def test_comments_reports_of_progress_and_log_lines_fold() -> None:
    progress = [{"choices": [], "prompt_progress": {"total": 9, "processed": done}} for done in range(6)]
    log = explain(b"x\n" * 6, is_log=True)

    assert ["7 comment"] == outline(folded(explain(b": ping\n\n" * 7)))[:1]
    assert ["1", "2", "5 progress report"] == outline(folded(explain(sse(chunk({"content": "x"}), *progress))))[:3]
    assert ["6 log line", "0"] == outline(folded(log))


def test_what_is_folded_is_counted_and_not_kept() -> None:
    """Ten million records must not be a list of ten million records."""
    folder, explains = Folder(), explainer()
    items = [item for _ in range(300) for item in folder.feed(explains.feed(sse(chunk({"content": "word"}))))]

    assert ["1"] == outline(items)
    assert len(folder.close()) == 1


# -- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (Effect(TextDelta(0, "a"), "a", 1), 'text.delta "a"'),
        (Effect(TextDelta(0, ""), "", 0), "text.delta with log probabilities alone"),
        (Effect(TextDelta(0, "a", choice=2), "a", 1), 'text.delta "a" (choice 2)'),
        (Effect(TextDelta(0, ""), "x" * 200, 1500), f'text.delta "{"x" * 72}"…, 1,500 characters'),
        (Effect(BlockEnd(0, complete=False)), "block.end, incomplete"),
        (Effect(Progress(1, 1200)), "progress: 1 of 1,200 prompt tokens"),
        (Effect(Extra("a.b", "{}")), 'extra "a.b"'),
        (Effect(Usage()), "usage"),
        (
            Effect(Usage(9, 8, 7, 6, 5)),
            "usage: 9 input, 7 of them cached, 6 written to the cache, 8 output, 5 of them reasoning",
        ),
        (Effect(MessageEnd("stop", "eos")), 'message.end: stop (the engine said "eos")'),
    ],
)
def test_an_effect_is_told_in_a_few_words(effect: Effect, expected: str) -> None:
    assert expected == words.effect(effect)


def test_every_timing_has_its_unit() -> None:
    timings = Timings(1, 2, 3.25, 0.18944516129032257, 5292.52, 6, 7.0, 8.0, 9.0, 10, 11, 12.0, 1234567.891)

    assert [
        ("cache_n", "1 tokens"),
        ("prompt_n", "2 tokens"),
        ("prompt_ms", "3.25 ms"),
        ("prompt_per_token_ms", "0.189 ms per token"),
        ("prompt_per_second", "5,292.52 tokens/s"),
        ("predicted_n", "6 tokens"),
        ("predicted_ms", "7 ms"),
        ("predicted_per_token_ms", "8 ms per token"),
        ("predicted_per_second", "9 tokens/s"),
        ("draft_n", "10 tokens"),
        ("draft_n_accepted", "11 tokens"),
        ("load_ms", "12 ms"),
        ("total_ms", "1,234,567.891 ms"),
    ] == words.timings(timings)


def test_the_summary_shows_every_timing() -> None:
    line = {"model": "m", "response": "", "done": True, "eval_count": 3, "eval_duration": 2_000_000, "load_duration": 9}
    text = plain.text(summary.block(summed(ndjson(line))))

    assert [
        "predicted_n 3 tokens, predicted_ms 2 ms, predicted_per_second 1,500 tokens/s",
        "load_ms 0 ms",
    ] == re.findall(r"timings  (.*)", text)


# -- what is harmless -----------------------------------------------------------------------------------------


@given(st.text())
def test_only_printable_characters_are_written(text: str) -> None:
    assert harmless(text).isprintable()
    assert not text.isprintable() or harmless(text) == text


def test_what_is_not_printable_is_shown_as_an_escape() -> None:
    assert r"\x1b[31m\n\t\u202e\U000e0001" == harmless("\x1b[31m\n\t\u202e\U000e0001")


STREAMS = {
    "text": sse(chunk({"content": HOSTILE})),
    "name": sse(
        chunk({"tool_calls": [{"index": 0, "id": HOSTILE, "function": {"name": HOSTILE, "arguments": HOSTILE}}]})
    ),
    "keys": sse({HOSTILE: HOSTILE, "choices": [{HOSTILE: HOSTILE, "delta": {HOSTILE: 1}}]}),
    "identity": sse({"id": HOSTILE, "model": HOSTILE, "choices": [{"delta": {}, "finish_reason": HOSTILE}]}),
    "error": sse({"error": {"message": HOSTILE}}),
    "error field": b"error: " + HOSTILE.encode("utf-8", "replace").replace(b"\r\n", b"") + b"\n\n",
    "event": b"event: \x1b[2J<script>\ndata: {}\n\n",
    "comment": b": \x1b[2J<script>\xff\n\n",
    "raw bytes": b"data: {\x1b[2J\x9b\xff<script>}\n\n",
    "line": ndjson({"model": HOSTILE, "response": HOSTILE, "done": True, "done_reason": HOSTILE}),
    "bare text": HOSTILE.encode("utf-8", "replace"),
}


class Page(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("is_log", [False, True])
def test_what_an_engine_sends_cannot_act_on_a_reader(name: str, *, is_log: bool) -> None:
    """No control character reaches a terminal, no markup a page; whatever the field, and whatever the renderer."""
    records, result = explain(STREAMS[name], is_log=is_log), summed(STREAMS[name], is_log=is_log)
    blocks = [layout.title(HOSTILE, HOSTILE), *layout.blocks(records, raw=True), summary.block(result)]
    lines = "".join(map(plain.text, blocks))
    coloured = re.sub(r"\x1b\[(?:0|1|2|3[2-6]|1;31)m", "", "".join(map(ansi.text, blocks)))
    page = Page()
    page.feed(html.begin(HOSTILE) + "".join(map(html.text, blocks)) + html.END)

    assert all(line.isprintable() for line in lines.split("\n"))
    assert lines == coloured
    assert {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "section",
        "p",
        "b",
        "span",
        "div",
        "pre",
    } >= page.tags
    assert {"lang", "charset", "http-equiv", "content", "name", "class"} == page.attributes
    assert all(line.isprintable() for text in page.text for line in text.split("\n"))


# -- colours and a page ---------------------------------------------------------------------------------------


def test_colours_change_no_word() -> None:
    blocks = layout.blocks(texts("<think>a</think>b"), raw=True)

    assert "\x1b[33mmarkup_removed\x1b[0m" in "".join(map(ansi.text, blocks))
    assert "".join(map(plain.text, blocks)) == re.sub(r"\x1b\[[\d;]*m", "", "".join(map(ansi.text, blocks)))


def test_times_have_a_column_where_they_are_known() -> None:
    record = texts("One")[0]._replace(at_s=1.2345)
    block = layout.blocks([record])[0]

    assert "     1   1,234.50 ms      162 B  delta " in plain.text(block, timed=True)
    assert "     1      162 B  delta " in plain.text(block)


def test_a_page_allows_nothing_but_its_own_style() -> None:
    page = html.begin("x")
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'\"" in page
    assert [] == re.findall(r"https?:|//|url\(|@import|<script|<link|<img|style=|\son\w+=", page + html.END)
    assert "prefers-color-scheme: dark" in style


def test_raw_bytes_that_are_no_text_are_shown_and_long_ones_cut() -> None:
    assert r"data: \xff{" in shown_raw(b"data: \xff{\n\n")
    assert "… 5,912 more bytes …" in shown_raw(b"data: " + b"x" * 10_000 + b"\n\n" + STOP)


def shown_raw(data: bytes) -> str:
    return "".join(map(plain.text, layout.blocks(explain(data, "openai"), raw=True)))


def test_many_events_of_one_record_are_cut_short() -> None:
    assert re.search(r"; … \d+ more events …\n", shown(explain(b"<think>a</think>" * 40, "text")))
