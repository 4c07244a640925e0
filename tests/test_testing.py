"""`headgate.testing`: the kit that others check their dialects with must itself notice what is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pieces import DONE, call, chunk, sse

from headgate.dialects.base import Reading, RecordDecoder
from headgate.dialects.openai import OpenAI, OpenAIDecoder
from headgate.dialects.peer_error import error_of
from headgate.errors import RequestError
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    Usage,
)
from headgate.messages import ChatRequest, HttpRequest
from headgate.testing import Fixture, check_folder, coalesce, splits
from headgate.testing.chunking import cut
from headgate.testing.contract import compare

STREAM = sse(chunk({"role": "assistant"}), chunk({"content": "hi there"}), chunk({}, "stop")) + DONE
MESSAGE = {"role": "assistant", "content": "hi there", "finish_reason": "stop"}
TOKEN = (Logprob("x", -1.0),)


@pytest.mark.parametrize(
    ("events", "merged"),
    [
        ([TextDelta(0, "a"), TextDelta(0, "b"), TextDelta(0, "c")], [TextDelta(0, "abc")]),
        ([TextDelta(0, "a", TOKEN), TextDelta(0, "", TOKEN)], [TextDelta(0, "a", TOKEN * 2)]),
        ([ReasoningDelta(0, "a"), ReasoningDelta(0, "b")], [ReasoningDelta(0, "ab")]),
        ([ToolCallDelta(0, "a"), ToolCallDelta(0, "b")], [ToolCallDelta(0, "ab")]),
        ([ToolCallDelta(0, "a"), ToolCallDelta(1, "b"), ToolCallDelta(0, "c")], None),
        ([TextDelta(0, "a"), TextDelta(1, "b")], None),
        ([TextDelta(0, "a"), TextDelta(0, "b", choice=1)], None),
        ([TextDelta(0, "a"), ReasoningDelta(0, "b")], None),
        ([TextDelta(0, "a"), Usage(1), TextDelta(0, "b")], None),
        ([BlockEnd(0), BlockEnd(0)], None),
        ([], None),
    ],
)
def test_only_adjacent_deltas_of_one_block_are_merged(events: list[Event], merged: list[Event] | None) -> None:
    """What merges too much hides a fault of order; what merges too little makes every split differ."""
    assert (events if merged is None else merged) == coalesce(events)


def test_merging_leaves_the_events_alone() -> None:
    events: list[Event] = [TextDelta(0, "a"), TextDelta(0, "b")]
    coalesce(events)

    assert [TextDelta(0, "a"), TextDelta(0, "b")] == events


@pytest.mark.parametrize("size", [0, 1, 5, 1000])
def test_every_split_is_the_data(size: int) -> None:
    data = bytes(range(256)) * 4
    data = data[:size]
    found = dict(splits(data, (3, 0, 2)))

    assert {data} == {b"".join(pieces) for pieces in found.values()}
    assert ([data], size) == (found["whole"], len(found["byte by byte"]))
    assert 7 == len(found)


def test_splits_are_as_recorded_and_at_random_but_the_same_each_time() -> None:
    data = bytes(1000)
    first, again, other = (list(splits(data, (10, 20), seed=seed)) for seed in (0, 0, 1))

    assert ("as recorded", [data[:10], data[10:30], data[30:]]) == first[2]
    assert first == again
    assert first[3:] != other[3:]
    assert "as recorded" not in dict(splits(data))


@pytest.mark.parametrize(
    ("lengths", "sizes"), [((), [5]), ((5,), [5]), ((2, 2), [2, 2, 1]), ((2, 9, 9), [2, 3]), ((0, 5), [0, 5])]
)
def test_what_is_left_over_is_the_last_piece(lengths: tuple[int, ...], sizes: list[int]) -> None:
    assert sizes == [len(piece) for piece in cut(bytes(5), lengths)]


def folder(path: Path, response: bytes = STREAM, messages: Any = None, **meta: Any) -> Path:
    """A fixture folder that holds this."""
    path.mkdir(exist_ok=True)
    fields = {"engine": "x", "status": 200, **meta}
    (path / "meta.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()))
    (path / "request.json").write_text(json.dumps({"tools": [{"type": "function", "function": {"name": "f"}}]}))
    (path / "response.raw").write_bytes(response)
    (path / "chunks.txt").write_text(f"0.5 {len(response) // 2}\n1.0 {len(response) - len(response) // 2}\n")
    (path / "message.json").write_text(json.dumps([MESSAGE] if messages is None else messages))
    return path


def test_a_good_dialect_keeps_every_promise(tmp_path: Path) -> None:
    assert [] == check_folder(OpenAI(), folder(tmp_path / "good"))
    assert [] == check_folder(
        OpenAI(), folder(tmp_path / "failed", b'{"error":"no"}', [{"finish_reason": None}], status=500)
    )


def test_a_fixture_is_read_from_its_folder(tmp_path: Path) -> None:
    fixture = Fixture.load(folder(tmp_path / "case"))

    assert (200, STREAM, [MESSAGE], ["f"]) == (
        fixture.status,
        fixture.response,
        fixture.messages,
        [tool["function"]["name"] for tool in fixture.tools],
    )
    assert len(STREAM) == sum(fixture.lengths)


def test_a_fixture_may_wait_for_its_message(tmp_path: Path) -> None:
    path = folder(tmp_path / "case")
    (path / "message.json").unlink()
    (path / "request.json").write_text('{"tools": [{"name": "f"}], "tool_choice": "none"}')

    assert (None, []) == ((fixture := Fixture.load(path)).messages, fixture.tools)
    assert [] == check_folder(OpenAI(), path)


def test_another_message_is_noticed_field_by_field(tmp_path: Path) -> None:
    wrong = {**MESSAGE, "content": "ho", "finish_reason": "length"}

    assert [
        "case: message 0: content is 'hi there', expected 'ho'",
        "case: message 0: finish_reason is 'stop', expected 'length'",
    ] == check_folder(OpenAI(), folder(tmp_path / "case", messages=[wrong]))
    assert ["case: 1 messages, expected 2"] == check_folder(OpenAI(), folder(tmp_path / "case", messages=[MESSAGE] * 2))


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        ("x", "*", True),
        ("", "*", True),
        (None, "*", False),
        (1, "*", False),
        ({"a": "x"}, {"a": "*"}, True),
        ({"a": "x", "b": 1}, {"a": "*"}, False),
        ([{"id": "x"}], [{"id": "*"}], True),
        ([], [{"id": "*"}], False),
        (["a", "b"], ["a"], False),
        (0, None, False),
        (1.0, 1, True),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else(got: Any, expected: Any, *, equal: bool) -> None:
    """Ids that we mint differ each time; everything else is exact."""
    assert equal is (not compare([{"field": got}], [{"field": expected}]))


# -- broken dialects: each breaks one promise ---------------------------------------------------------------


class Broken:
    """A dialect whose decoder is given."""

    name = "broken"

    def __init__(self, made: type[RecordDecoder]) -> None:
        self._made = made

    def sniff(self, head: bytes, /) -> int:
        return len(head)

    def request(self, chat: ChatRequest, /) -> HttpRequest:
        raise RequestError("unsupported", chat.model)

    def decoder(self, reading: Reading, /) -> RecordDecoder:
        return self._made(reading)

    def error(self, status: int, body: bytes, /) -> StreamError:
        return error_of(body, status=status)


class Naive(OpenAIDecoder):
    """Takes each read for whole records, as a first version of everything does."""

    def _feed(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            if line.startswith(b"data: "):
                self._record(line.removeprefix(b"data: "))

    def _close(self) -> None:
        self._end_of_input()


class Silent(OpenAIDecoder):
    """Says nothing when the stream stops in the middle."""

    def _end_of_input(self) -> None:
        if self.writer.finished:
            super()._end_of_input()


class Forgetful(OpenAIDecoder):
    """Has a copy that shares its state."""

    def copy(self) -> OpenAIDecoder:
        return self


class Endless(OpenAIDecoder):
    """Never ends."""

    def close(self, *, cancelled: bool = False) -> list[Event]:
        del cancelled
        return []

    def feed(self, data: bytes, /) -> list[Event]:
        return [event for event in super().feed(data) if not isinstance(event, MessageEnd)]


class Lossy(OpenAIDecoder):
    """Loses the last word."""

    def feed(self, data: bytes, /) -> list[Event]:
        return [event for event in super().feed(data) if not isinstance(event, TextDelta)]


class Malformed(OpenAIDecoder):
    """Makes its own events."""

    def feed(self, data: bytes, /) -> list[Event]:
        return [TextStart(7) if isinstance(event, TextStart) else event for event in super().feed(data)]


class Twice(OpenAIDecoder):
    """Ends twice."""

    def close(self, *, cancelled: bool = False) -> list[Event]:
        return [*super().close(cancelled=cancelled), MessageStart(choice=1), MessageEnd("stop")]


@pytest.mark.parametrize(
    ("made", "breach"),
    [
        (Naive, "split byte by byte: other events than in one piece"),
        (Silent, "cut after byte"),
        (Endless, "the end: choices [0] have no end"),
        (Lossy, "content is '', expected 'hi there'"),
        (Malformed, "has index 7, expected 0"),
        (Twice, "follows the end"),
    ],
)
def test_a_broken_dialect_is_noticed(tmp_path: Path, made: type[RecordDecoder], breach: str) -> None:
    breaches = check_folder(Broken(made), folder(tmp_path / "case"))

    assert any(breach in each for each in breaches), breaches


def test_a_copy_that_shares_its_state_is_noticed(tmp_path: Path) -> None:
    """Closing the copy closes the original; the kit must say so, whether by a breach or by the error itself."""
    with pytest.raises(ValueError, match="closed"):
        check_folder(Broken(Forgetful), folder(tmp_path / "case"))


def test_a_good_decoder_is_not_called_broken(tmp_path: Path) -> None:
    stream = sse(chunk(call('{"a":1}', id="a", name="f")), chunk({}, "tool_calls")) + DONE

    assert [] == check_folder(Broken(OpenAIDecoder), folder(tmp_path / "case"))
    assert [] == check_folder(
        Broken(OpenAIDecoder), folder(tmp_path / "call", stream, [{"finish_reason": "tool_calls"}])
    )


def test_large_streams_are_cut_around_their_records(tmp_path: Path) -> None:
    """Every byte of a megabyte would take hours; the places near line ends are where decoders break."""
    words = "word " * 16_000
    stream = sse(chunk({"content": words}), chunk({}, "stop")) + DONE

    assert [] == check_folder(Broken(OpenAIDecoder), folder(tmp_path / "case", stream, [{"content": words}]))
    assert any(
        "cut after byte" in each for each in check_folder(Broken(Silent), folder(tmp_path / "case", stream, [{}]))
    )
