"""`headgate.explain`: what each record says, what became of it, and what a reader should know of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from explained import FIXTURES, explain, explainer, notes, recorded, repairs, shown, summed
from growth import AT_MOST, WAYS, Case, Pieces, growth
from hypothesis import given
from hypothesis import strategies as st
from pieces import DONE, call, chunk, ndjson, numbered, sse
from test_docs import DOCS, assert_table, row

import headgate
from headgate.events import Repair
from headgate.explain import Effect, Explainer, Folder, Kind, layout, plain
from headgate.explain.draft import KEPT_BYTES_MAX, ends_inside_character
from headgate.explain.effects import effects_of
from headgate.explain.notes import NOTES
from headgate.limits import DEFAULTS
from headgate.surfaces import surfaces
from headgate.testing import Fixture
from headgate.testing.chunking import splits

FOLDERS = sorted(folder for folder in (FIXTURES / "dialects").glob("*/*") if Fixture.load(folder).status < 400)
TRACE = (FIXTURES / "log" / "seed-001.trace.txt").read_bytes()
STOP = sse(chunk({}, "stop")) + DONE


Outline = list[tuple[str, int, int, int]]


def outline(effects: Iterable[Effect]) -> Outline:
    """Each effect's tag, block, choice and characters; adjacent deltas of one block are one."""
    told: Outline = []
    for event, _, characters in effects:
        key = str(event.__struct_config__.tag), getattr(event, "index", -1), getattr(event, "choice", -1)
        before = told.pop()[3] if told and told[-1][:3] == key and key[0].endswith(".delta") else 0
        told.append((*key, before + characters))
    return told


# -- every fixture --------------------------------------------------------------------------------------------


SENT = ("openai/seed-001.two-events-in-one-read", "openai/llamacpp.hermes.tool.pair", "ollama/ollama.tiny.think")


@pytest.mark.parametrize("surface", sorted(surfaces()))
@pytest.mark.parametrize("name", SENT)
def test_what_a_client_is_sent_stands_beside_the_records(name: str, surface: str) -> None:
    fixture = Fixture.load(FIXTURES / "dialects" / name)
    known: dict[str, Any] = {"ids": "{}1".format, "now_s": 0, "include_usage": True}
    translator = headgate.translator(surface=surface, tools=fixture.tools, **known)
    decoder = headgate.decoder("auto", tools=fixture.tools, ids="{}1".format, verbose=True)
    explaining = Explainer(decoder, encoder=headgate.encoder(surface, **known))

    records = [*explaining.feed(fixture.response), *explaining.close()]

    assert translator.feed(fixture.response) + translator.close() == b"".join(record.sent for record in records)
    assert any(record.sent for record in records)


def test_an_http_error_is_no_stream_and_sends_none() -> None:
    decoder = headgate.decoder("auto", ids=numbered(), verbose=True)

    (record,) = Explainer(decoder, encoder=headgate.encoder()).refusal(b'{"error":"no"}', 500)

    assert b"" == record.sent


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_nothing_is_lost_and_nothing_is_told_that_is_not_so(folder: Path) -> None:
    """The records are the bytes, their effects are the stream's events, and their repairs are its repairs."""
    fixture = Fixture.load(folder)
    events = list(headgate.stream([fixture.response], tools=fixture.tools, ids=numbered()))
    codes = dict.fromkeys(event.code for event in events if isinstance(event, Repair))
    effects = effects_of(event for event in events if not isinstance(event, Repair))

    records = explain(fixture.response, tools=fixture.tools)

    assert fixture.response == b"".join(record.raw for record in records)
    assert outline(effects) == outline(effect for record in records for effect in record.effects)
    assert codes == dict.fromkeys(repair.code for record in records for repair in record.repairs)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_the_split_of_the_bytes_changes_no_record(folder: Path) -> None:
    fixture = Fixture.load(folder)
    expected = explain(fixture.response, tools=fixture.tools)
    ways = [pieces for name, pieces in splits(fixture.response, fixture.lengths) if not name.startswith("byte")]

    assert [expected] * len(ways) == [explain(pieces, tools=fixture.tools) for pieces in ways]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_ends_a_record_at_every_split(ends: bytes) -> None:
    data = (b"\xef\xbb\xbf: hi\n\n" + sse(chunk({"content": "Grüße"})) + b"\n\n" + STOP).replace(b"\n", ends)
    expected = explain(data)

    assert [Kind.COMMENT, *[Kind.RECORD] * 3] == [record.kind for record in expected][:4]
    for pieces in ([data[:place], data[place:]] for place in range(len(data))):
        told = [(record.facts, record.effects, record.repairs, record.notes) for record in explain(pieces)]

        assert [(each.facts, each.effects, each.repairs, each.notes) for each in expected] == told, pieces


# -- what the notes of 2025 said by hand ----------------------------------------------------------------------

NAMES = {
    ("openai/seed-001.null-first-content", 1): ['"content":null', "null_dropped"],
    ("openai/seed-001.null-first-content", 2): ["the content is missing", "reasoning.delta"],
    ("openai/seed-001.null-first-content", 3): ["the delta is empty", "statistics: usage and timings", "usage_moved"],
    ("openai/seed-001.two-events-in-one-read", 1): ["two events in one read", "null_dropped"],
    ("openai/seed-001.two-events-in-one-read", 2): ["<|channel|>", "held back"],
    ("openai/seed-001.two-events-in-one-read", 3): ["the event came in two reads"],
    ("openai/seed-001.harmony-text", 4): ["<|channel|>analysis<|message|>", "the tag was split over records 2 to 4"],
    ("openai/seed-001.harmony-text", 5): ["reasoning.start", "reasoning_from_text"],
    ("openai/seed-001.harmony-text", 39): ["`<|end|>`", "stripped", "harmony_end_missing"],
    ("openai/seed-001.harmony-text", 43): ["<|start|>assistant<|channel|>final<|message|>", "records 39 to 43"],
    ("openai/seed-001.harmony-text", 44): ["the border between analysis and final", "text.start"],
    ("openai/seed-001.harmony-text", 54): ["the delta is empty", "statistics: usage and timings"],
    ("openai/seed-001.harmony-text", 55): ["`<|return|>`", "stripped", "harmony_return_missing"],
    ("openai/seed-001.harmony-tool", 25): ["`<|end|>`", "stripped"],
    ("openai/seed-001.harmony-tool", 36): ['tool_call.start "run_command"', "call_from_text", "call_id_minted"],
    ("openai/seed-001.harmony-tool", 42): ["`<|call|>`", "stripped", "tool_calls", "finish_derived"],
    ("openai/seed-001.ollama-reasoning", 1): ["reasoning_renamed"],
    ("openai/seed-003.null-first-content", 1): ['"content":null', "null_dropped"],
    ("openai/seed-003.null-first-content", 2): ["the delta is empty", "statistics: usage and timings"],
}


@pytest.mark.parametrize(("case", "number"), NAMES, ids=str)
def test_what_was_noted_by_hand_is_named_at_its_record(case: str, number: int) -> None:
    records, _ = recorded(case)
    text = shown([record for record in records if record.number == number])

    assert [] == [name for name in NAMES[case, number] if name not in text]


def test_the_log_of_the_notes_is_annotated_as_they_were() -> None:
    """One entry of the log holds two events, which is how the notes came to know of it."""
    records = explain(TRACE, is_log=True)
    text = shown(records)

    assert ['"content":null', "the content is missing", "two events in one read"] == [
        name for name in ('"content":null', "the content is missing", "two events in one read") if name in text
    ]
    assert [False, False, False, True] == ["entry_shared" in notes(record) for record in records[:4]]


# -- records --------------------------------------------------------------------------------------------------


def test_a_record_shows_its_fields_without_the_envelope() -> None:
    record = explain(sse(chunk({"content": "hi"}, "stop", stop_reason=7)))[0]

    assert [("delta", '{"content":"hi"}'), ("finish_reason", '"stop"'), ("stop_reason", "7")] == [*record.facts]


def test_a_repair_is_told_of_each_record_and_explained_once() -> None:
    """A decoder tells a recurring quirk once per response; a reader asks of this record."""
    records = explain(sse(*[chunk({"role": "assistant", "content": "a"})] * 3) + STOP)

    assert [[], ["role_repeated"], ["role_repeated"]] == [repairs(record) for record in records[:3]]
    assert [False, True] == [record.repairs[0].again for record in records[1:3]]
    assert {"role_repeated": 2} == summed(b"".join(record.raw for record in records)).repairs


def test_a_decoder_is_as_talkative_as_it_was_asked_to_be() -> None:
    """Its copies are, too; and markup has its text in a talkative one alone, since that depends on the split."""
    role, tag = sse(chunk({"role": "assistant", "content": "Hi"})), sse(chunk({"content": "<think>a</think>"}))
    told: dict[bool, list[str]] = {}
    for verbose in (False, True):
        decoder = headgate.decoder("openai", verbose=verbose)
        decoder.feed(tag + role * 2)
        events = decoder.copy().feed(role)
        told[verbose] = [event.code for event in events if isinstance(event, Repair)]

    assert {False: [], True: ["role_repeated"]} == told
    assert [] == [event.detail for event in headgate.stream([tag]) if isinstance(event, Repair) and event.detail]


def test_markup_is_shown_where_it_was_taken_out() -> None:
    records = explain(sse(chunk({"content": "<think>why</think>\n\nbecause"})) + STOP)

    assert ["markup_removed <think>", "reasoning_from_text", "markup_removed </think>\n\n"] == repairs(records[0])


def test_text_that_proves_to_be_none_of_a_tag_is_no_tag() -> None:
    records = explain(sse(*(chunk({"content": text}) for text in ("<", "thin", " air"))) + STOP)

    assert [["text_held"], ["text_held"], []] == [notes(record) for record in records[:3]]


@pytest.mark.parametrize(
    ("texts", "split"),
    [
        (["<think>a", "</think>b"], None),
        (["<think>a", "\n\n", "</think>b"], None),
        (["<think>a</th", "ink>b"], "tag_split 1 to 2"),
        (["<think>a</", "th", "ink>b"], "tag_split 1 to 3"),
        (["<think>a\n", "</think>b"], None),
    ],
)
def test_a_tag_that_came_in_several_records_is_noted_and_no_other(texts: list[str], split: str | None) -> None:
    records = explain(sse(*(chunk({"content": text}) for text in texts)) + STOP)
    found = [note for record in records for note in notes(record) if note.startswith("tag_split")]

    assert ([split] if split else []) == found


def test_choices_hold_text_apart() -> None:
    deltas = [chunk({"content": "<thi"}), chunk({"content": "a"}, index=1), chunk({"content": "nk>b</think>"})]
    records = explain(sse(*deltas))

    assert ["text_held"] == notes(records[0])
    assert "tag_split 1 to 3" in notes(records[2])


def test_a_call_of_the_engines_own_is_no_held_text() -> None:
    deltas = [chunk(call("", id="a", name="f")), chunk(call("{}")), chunk({"content": "and so on"})]

    assert [[], [], []] == [notes(record) for record in explain(sse(*deltas))[:3]]


def test_the_engines_own_fields_are_listed_when_they_are_new() -> None:
    records = explain(sse({**chunk({"content": "Hi", "x": 1}, token_ids=[1]), "y": 1}, {**chunk({"z": 1}), "y": 1}))

    assert ["fields_unread `y`, `token_ids`, `x`"] == notes(records[0])
    assert ["fields_unread `z`"] == notes(records[1])


def test_what_comes_after_the_terminal_is_said_to_be_too_late() -> None:
    records = explain(sse({"error": "boom"}, chunk({"content": "a"})) + DONE)

    assert [[], ["after_the_end"], ["after_the_end"]] == [notes(record) for record in records]
    assert ["error"] == [effect.event.__struct_config__.tag for effect in records[0].effects]


def test_a_comment_is_one() -> None:
    records = explain(b": ping\n\n" + STOP)

    assert (Kind.COMMENT, [("", ": ping")]) == (records[0].kind, [*records[0].facts])


def test_an_error_field_and_an_events_name_are_facts_of_the_envelope() -> None:
    assert ("event", "ping") == explain(b"event: ping\ndata: {}\n\n")[0].facts[0]
    assert [("error:", '{"code":500}')] == [*explain(b'data: {"choices":[]}\n\nerror: {"code":500}\n\n')[1].facts]


@pytest.mark.parametrize(
    ("data", "shape", "records"),
    [
        (sse(chunk({"content": "a"})) + STOP, "event stream", 3),
        (ndjson({"model": "m", "response": "a", "done": True}), "JSON lines", 1),
        (b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}', "", 1),
        (b'{\n"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}\n', "one JSON body", 1),
        (b"Once upon a time\n\nthere was", "text", 1),
        (b"data: is what we want\n", "text", 1),
        (b"hi", "text", 1),
        (b"", "", 0),
        (b" \n\n", "", 0),
    ],
)
def test_the_shape_of_a_stream_is_told_from_its_beginning(data: bytes, shape: str, records: int) -> None:
    result = summed(data)

    assert (shape, records, len(data)) == (result.shape, result.records, result.size)


def test_bare_text_has_no_records_so_a_read_stands_for_one() -> None:
    reads = [b"<think>wh", "y</think>Gr\xfc".encode()[:-1], "\xfcße".encode()[1:]]
    records = explain(reads, "text", knows_reads=True)

    assert ['"<think>wh"', '"y</think>Gr\ufffd"', '"\ufffdße"'] == [record.facts[0].json for record in records[:3]]
    assert [[], ["border the thought and the answer", "character_torn"], []] == [notes(each) for each in records[:3]]


def test_an_http_error_is_one_record() -> None:
    explains = explainer(knows_reads=True)
    records = explains.refusal(b"<html>Bad Gateway</html>", 502, 0.1)

    assert [("error", 502)] == [
        (str(effect.event.__struct_config__.tag), getattr(effect.event, "status_hint", 0))
        for effect in records[0].effects
    ]
    assert explains.summary.error is not None


# -- reads and times ------------------------------------------------------------------------------------------

TWO = sse(chunk({"content": "ä"}), chunk({"content": "b"}))
FIRST = len(sse(chunk({"content": "ä"})))


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ([], [["events_in_one_read two"], []]),
        ([FIRST], [[], []]),
        ([10], [["events_in_one_read two", "event_over_reads two"], []]),
        ([10, 20, FIRST], [["event_over_reads three"], []]),
        ([FIRST, FIRST + 9], [[], ["event_over_reads two"]]),
    ],
)
def test_how_records_arrived_is_noted_where_it_is_known(cuts: list[int], expected: list[list[str]]) -> None:
    bounds = [0, *cuts, len(TWO)]
    pieces = [TWO[start:end] for start, end in itertools.pairwise(bounds)]

    assert expected == [notes(record) for record in explain(pieces, knows_reads=True)[:2]]
    assert [[], []] == [notes(record) for record in explain(pieces)[:2]]


def test_a_read_that_ends_inside_a_character_is_noted() -> None:
    data = 'data: {"choices":[{"delta":{"content":"ä"}}]}\n\n'.encode()
    place = data.index("ä".encode()) + 1

    assert ["event_over_reads two", "character_torn"] == notes(
        explain([data[:place], data[place:]], knows_reads=True)[0]
    )


def test_a_record_that_the_end_cuts_off_is_shown_as_far_as_it_came() -> None:
    records, _ = recorded("ollama/quirk-27-cut-in-the-middle")

    assert (["cut_off"], '{"model":"llama3.2"') == (notes(records[1]), records[1].facts[0].json[:19])
    assert [] == notes(explain(ndjson({"response": "Hi", "done": True}).rstrip())[0])


@given(st.text(max_size=6), st.integers(0, 30))
def test_the_inside_of_a_character_is_where_its_bytes_are_torn(text: str, place: int) -> None:
    data = text.encode("utf-8", "replace")[:place]
    whole_characters = data.decode("utf-8", "ignore").encode()

    assert ends_inside_character(data) is (data != whole_characters)


def test_the_first_words_are_when_the_first_deltas_could_be_read() -> None:
    _, result = recorded("openai/llamacpp.hermes.think")
    measured = result.measured

    assert (3.25, 7.31, 9.25) == (measured.first_reasoning_ms, measured.first_content_ms, measured.measured_ms)
    assert (0.00925, 26) == (result.last_s, result.reads)


def test_the_rate_is_that_of_the_tokens_after_the_first() -> None:
    """28 tokens, of which 27 came within the 6 ms after the first."""
    _, result = recorded("openai/llamacpp.hermes.think")

    assert 4500.0 == result.measured.measured_per_second


@pytest.mark.parametrize(
    ("asked", "told"), [("other", ['other_model "other"']), ("m", []), ("m:latest", []), (None, [])]
)
def test_another_model_than_was_asked_for_is_noted(asked: str | None, told: list[str]) -> None:
    explains = Explainer(headgate.decoder(verbose=True), asked_model=asked)
    records = explains.feed(sse(chunk({"content": "Yes"}))) + explains.close()

    codes = [f"{note.code} {note.detail}" for record in records for note in record.notes]
    assert told == [code for code in codes if code.startswith("other_model")]


def test_the_summary_is_what_the_stream_came_to() -> None:
    records, result = recorded("openai/seed-001.harmony-text")
    choice = result.choices[0]

    assert ("openai", "event stream", 55, 13_581) == (result.dialect, result.shape, result.records, result.size)
    assert ({"reasoning": 1, "text": 1}, {"reasoning": 150, "text": 36}) == (choice.blocks, choice.characters)
    assert ("stop", 332) == (choice.reason, result.usage.output_tokens if result.usage else None)
    assert sum(result.repairs.values()) >= sum(len(record.repairs) for record in records)


# -- logs -----------------------------------------------------------------------------------------------------


def test_a_log_shows_its_other_lines_between_the_records() -> None:
    records = explain(b"## notes\n\n# data: " + sse(chunk({"content": "a"}))[6:] + b"done\n", is_log=True)

    assert [Kind.LOG_LINE, Kind.RECORD, Kind.LOG_LINE, Kind.END] == [record.kind for record in records]
    assert ("## notes", 1) == (records[0].facts[0].json, records[1].number)


@pytest.mark.parametrize(
    ("log", "shared"),
    [
        (b"[x] data: data: {}\ndata: {}\n", [False, True]),
        (b"[x] data: data: {}\n\ndata: {}\ndata: {}\n", [False, True, False]),
        (b"data: {}\ndata: {}\n", [False, False]),
        (b"[x] data: {}\n[x] data: {}\n", [False, False]),
        (b"[x] {}\n{}\n", [False, False]),
    ],
)
def test_an_entry_that_holds_two_events_is_told_by_its_prefix(log: bytes, shared: list[bool]) -> None:
    told = [record for record in explain(log, is_log=True) if record.kind is Kind.RECORD]

    assert shared == ["entry_shared" in notes(record) for record in told]


def test_a_line_of_a_log_that_is_too_long_ends_it_in_an_error() -> None:
    result = summed(b"data: {}\n" + b"x" * (DEFAULTS.line_bytes_max + 1), is_log=True)

    assert "line_too_long" == (result.error.code if result.error else None)


# -- whatever comes -------------------------------------------------------------------------------------------


@given(
    st.lists(st.binary(max_size=40), max_size=8), st.sampled_from(["auto", "openai", "ollama", "text"]), st.booleans()
)
def test_no_input_raises_and_no_byte_is_lost(pieces: list[bytes], dialect: str, is_log: bool) -> None:  # noqa: FBT001 - drawn
    records = explain(pieces, dialect, is_log=is_log)

    assert b"".join(pieces).strip() in b"".join(record.raw for record in records) + b" "
    assert "\x1b" not in shown(records, summed(pieces, dialect, is_log=is_log))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["choices", "delta", "content", "index", "message", "text", "usage", "timings", "finish_reason", "x"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=4), st.booleans())
def test_json_of_any_shape_is_explained(values: list[object], lines: bool) -> None:  # noqa: FBT001 - drawn
    data = ndjson(*values) if lines else sse(*values)

    assert shown(explain(data, "openai"), summed(data, "openai"))


def test_a_huge_record_is_decoded_and_kept_only_in_part() -> None:
    text = "word " * (KEPT_BYTES_MAX // 4) + "."
    record = explain(sse(chunk({"content": text})))[0]

    assert (KEPT_BYTES_MAX, ()) == (len(record.raw), record.facts)
    assert len(text) == record.effects[-1].characters
    assert record.size > KEPT_BYTES_MAX


def explained(pieces: Pieces) -> None:
    explains, folder = explainer(knows_reads=True), Folder()
    for piece in pieces:
        for block in layout.blocks(folder.feed(explains.feed(piece))):
            plain.text(block)
    folder.feed(explains.close())


STREAMS = {
    "text": sse(chunk({"content": "word "})),
    "arguments": sse(chunk(call('"x"', id="a", name="f"))),
    "roles": sse(chunk({"role": "assistant", "content": "a"})),
    "tags": sse(chunk({"content": "<think>a</think>"})),
    "half tags": sse(chunk({"content": "<"})),
    "comments": b": ping\n\n",
    "blank lines": b"\n",
    "data lines": b"data: {}\n",
    "one line": b"word ",
    "lines of JSON": ndjson({"message": {"content": "a"}, "done": False}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", STREAMS)
def test_explaining_is_linear(name: str, way: str) -> None:
    assert growth(Case(explained, WAYS[way](STREAMS[name]))) <= AT_MOST


def test_every_note_is_made_somewhere() -> None:
    """A name that nothing says would be a promise that nobody keeps."""
    source = "".join(path.read_text("utf-8") for path in Path(layout.__file__).parent.glob("*.py"))

    assert [] == [code for code in NOTES if source.count(f'"{code}"') < 2]


def test_every_note_is_documented_as_it_is() -> None:
    expected = [row(note.phrase.replace("{}", "…"), note.why) for note in NOTES.values()]

    assert_table(expected, DOCS / "explain.md", "note")
