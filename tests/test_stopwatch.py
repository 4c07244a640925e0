"""What is measured beside the engine's own timings: which moments count, and what is not worked out from them."""

from __future__ import annotations

from typing import Any

import pytest
from pieces import DONE, chunk, ndjson, numbered, sse

import headgate
from headgate.conform import check_events
from headgate.events import Event, MessageEnd, StreamError, Timings, Usage
from headgate.stopwatch import Stopwatch
from headgate.translator import Translator

USAGE = {"prompt_tokens": 3, "completion_tokens": 11, "total_tokens": 14}


def end(word: str = "stop", **more: Any) -> bytes:
    """The finish chunk, with `more` beside its choice, and the end."""
    return sse({**chunk({}, word), **more}) + DONE


def says(text: str) -> bytes:
    return sse(chunk({"content": text}))


def measured(*reads: tuple[float, bytes], sent_s: float = 100.0, dialect: str = "openai", **decoding: Any) -> Timings:
    """What the response's usage tells, when these reads came so many seconds after the request was sent."""
    events = noted(*reads, sent_s=sent_s, dialect=dialect, **decoding)
    assert [] == check_events(events)
    [usage] = [event for event in events if isinstance(event, Usage)]
    assert usage.timings is not None
    return usage.timings


def noted(*reads: tuple[float, bytes], sent_s: float = 100.0, dialect: str = "openai", **decoding: Any) -> list[Event]:
    stopwatch, decoder = Stopwatch(), headgate.decoder(dialect, ids=numbered(), **decoding)
    stopwatch.start(sent_s)
    events = [event for at_s, data in reads for event in stopwatch.note(decoder.feed(data), sent_s + at_s)]
    return events + stopwatch.note(decoder.close(), sent_s + reads[-1][0])


def test_each_kind_of_words_has_its_moment_and_the_rate_begins_with_the_first() -> None:
    """Eleven tokens: the first began the time, and ten came within the two seconds after it."""
    timings = measured(
        (0.5, sse(chunk({"role": "assistant", "content": None}))),
        (1.0, sse(chunk({"reasoning_content": "Hm"}))),
        (1.5, sse(chunk({"reasoning_content": "m."}))),
        (2.0, sse(chunk({"content": "Y"}))),
        (2.5, sse(chunk({"content": "es"}))),
        (3.0, end(usage=USAGE)),
    )

    assert (
        Timings(first_reasoning_ms=1000.0, first_content_ms=2000.0, measured_ms=3000.0, measured_per_second=5.0)
        == timings
    )


def test_a_tool_call_is_content() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    arguments = {"index": 0, "function": {"arguments": "{}"}}
    timings = measured(
        (1.0, sse(chunk({"tool_calls": [call]}))),
        (2.0, sse(chunk({"tool_calls": [arguments]}))),
        (3.0, end("tool_calls", usage=USAGE)),
    )

    assert (None, 1000.0, 5.0) == (
        timings.first_reasoning_ms,
        timings.first_content_ms,
        timings.measured_per_second,
    )


def test_the_engines_own_stay_beside_ours() -> None:
    own: dict[str, Any] = {
        "cache_n": 2,
        "predicted_n": 11,
        "predicted_per_second": 7.5,
        "draft_n": 8,
        "draft_n_accepted": 5,
    }
    timings = measured((1.0, says("Yes")), (3.0, end(usage=USAGE, timings=own)))

    assert Timings(**own, first_content_ms=1000.0, measured_ms=3000.0, measured_per_second=5.0) == timings


def test_another_gateways_measurements_give_way_to_ours() -> None:
    """It measured from where it stands; half of its numbers and half of ours would be nobody's."""
    theirs = {"predicted_n": 11, "first_reasoning_ms": 1.0, "first_content_ms": 2.0, "measured_per_second": 9.0}
    timings = measured((1.0, says("Yes") + end(timings=theirs)))

    assert Timings(predicted_n=11, first_content_ms=1000.0, measured_ms=1000.0) == timings


def test_an_engine_that_tells_no_usage_still_has_been_measured() -> None:
    events = noted((1.0, says("Yes")), (2.0, end()))

    assert Usage(timings=Timings(first_content_ms=1000.0, measured_ms=2000.0)) == events[-2]
    assert isinstance(events[-1], MessageEnd)


def test_tokens_that_only_the_timings_count_are_counted() -> None:
    """llama-server tells usage only where it is asked to, its timings always."""
    timings = measured((1.0, says("Yes")), (2.0, end(timings={"predicted_n": 5})))

    assert 4.0 == timings.measured_per_second


def test_a_stream_that_breaks_off_is_measured_up_to_there() -> None:
    *_, usage, error = noted((1.0, says("Yes")), (2.0, says(".")))

    assert Usage(timings=Timings(first_content_ms=1000.0, measured_ms=2000.0)) == usage
    assert isinstance(error, StreamError)


# -- no rate where none was seen ------------------------------------------------------------------------------


def test_what_came_in_one_piece_has_no_rate() -> None:
    timings = measured((1.0, says("Yes") + end(usage=USAGE)))

    assert Timings(first_content_ms=1000.0, measured_ms=1000.0) == timings


def test_a_call_that_came_whole_says_nothing_about_speed() -> None:
    """Ollama sends a call when it has all of it: ten tokens within a millisecond would be ten thousand a second."""
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    timings = measured(
        (1.0, ndjson({"model": "m", "message": {"role": "assistant", "tool_calls": [call]}, "done": False})),
        (1.001, ndjson({"model": "m", "message": {"content": ""}, "done": True, "eval_count": 11})),
        dialect="ollama",
    )

    assert (1000.0, None) == (timings.first_content_ms, timings.measured_per_second)


def test_a_call_that_came_whole_after_streamed_words_does_not_hide_their_rate() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    timings = measured(
        (1.0, ndjson({"model": "m", "message": {"role": "assistant", "thinking": "H"}, "done": False})),
        (2.0, ndjson({"model": "m", "message": {"role": "assistant", "thinking": "m"}, "done": False})),
        (3.0, ndjson({"model": "m", "message": {"role": "assistant", "tool_calls": [call]}, "done": False})),
        (3.0, ndjson({"model": "m", "message": {"content": ""}, "done": True, "eval_count": 11})),
        dialect="ollama",
    )

    assert (1000.0, 3000.0, 5.0) == (
        timings.first_reasoning_ms,
        timings.first_content_ms,
        timings.measured_per_second,
    )


@pytest.mark.parametrize("tokens", [None, 0, 1, -5, 10**400])
def test_what_is_no_number_of_several_tokens_has_no_rate(tokens: int | None) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": tokens}
    timings = measured((1.0, says("Yes")), (2.0, end(usage=usage)))

    assert timings.measured_per_second is None


# -- what looked like something else --------------------------------------------------------------------------


def test_text_that_turns_out_to_be_the_thought_was_no_content() -> None:
    """Only the closing tag tells, where the template opened the thought in the prompt."""
    timings = measured((1.0, b"They greet me."), (2.0, b"</think>"), (3.0, b"Hello!"), (4.0, b" Bye."), dialect="text")

    assert (1000.0, 3000.0, 4000.0) == (timings.first_reasoning_ms, timings.first_content_ms, timings.measured_ms)


def test_the_choice_that_speaks_first_counts() -> None:
    timings = measured(
        (1.0, sse(chunk({"role": "assistant"}, index=0), chunk({"content": "No"}, index=1))),
        (2.0, sse(chunk({"content": "Yes"}, index=0))),
        (3.0, sse(chunk({}, "stop", index=0)) + sse({**chunk({}, "stop", index=1), "usage": USAGE}) + DONE),
    )

    assert (1000.0, 5.0) == (timings.first_content_ms, timings.measured_per_second)


# -- before the end -------------------------------------------------------------------------------------------


def test_what_is_measured_can_be_read_before_the_end() -> None:
    """A client that leaves gives no usage, and the journal still tells what was seen."""
    stopwatch, decoder = Stopwatch(10.0), headgate.decoder("openai")
    assert Timings(measured_ms=500.0) == stopwatch.measured(10.5)

    stopwatch.note(decoder.feed(says("Yes")), 11.0)

    assert Timings(first_content_ms=1000.0, measured_ms=1500.0) == stopwatch.measured(11.5)


def test_after_the_end_the_clock_stands() -> None:
    stopwatch, decoder = Stopwatch(10.0), headgate.decoder("openai")
    stopwatch.note(decoder.feed(says("Yes")), 11.0)
    stopwatch.note(decoder.feed(end(usage=USAGE)), 13.0)

    assert Timings(first_content_ms=1000.0, measured_ms=3000.0, measured_per_second=5.0) == stopwatch.measured(99.0)


def test_deltas_need_not_be_shown() -> None:
    """They take the shortcut in the gateway, and what is measured is the same."""
    reads = [(1.0 + place, says("Yes")) for place in range(4)]
    stopwatch, decoder = Stopwatch(), headgate.decoder("openai")
    for at_s, data in reads:
        events = decoder.feed(data)
        if at_s == 1.0:
            stopwatch.note(events, at_s)
    stopwatch.note(decoder.feed(end(usage=USAGE)), 6.0)

    assert measured(*reads, (6.0, end(usage=USAGE)), sent_s=0.0) == stopwatch.measured(6.0)


def test_the_gateway_asks_for_the_time_a_few_times_whatever_the_length() -> None:
    """Plain deltas take the shortcut, where nobody looks at a clock."""

    def looks(deltas: int) -> int:
        batches: list[list[Event]] = []

        def measure(events: list[Event]) -> list[Event]:
            batches.append(events)
            return events

        translates = Translator(
            headgate.decoder("openai"), headgate.encoder(), lambda _: None, every_delta=False, measure=measure
        )
        for _ in range(deltas):
            translates.feed(says(" word"))
        translates.feed(end())
        assert translates.done
        return len(batches)

    assert looks(20) == looks(2000)
