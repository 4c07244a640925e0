"""`headgate.dialects.writer`: whatever a decoder says, in whatever order, comes out in the grammar."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import numbered

from headgate.conform import check_events
from headgate.dialects.base import Reading
from headgate.dialects.writer import BlockWriter
from headgate.errors import stream_error
from headgate.events import (
    BlockEnd,
    Event,
    Logprob,
    MessageEnd,
    MessageStart,
    ReasoningDelta,
    ReasoningStart,
    Repair,
    StreamError,
    TextDelta,
    TextStart,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.limits import Limits
from headgate.markup import families_named
from headgate.testing import coalesce

TOKEN = (Logprob("x", -1.0),)


def writer(markup: str = "off", **options: Any) -> BlockWriter:
    return BlockWriter(Reading(ids=numbered(), families=families_named(markup), **options))


def written(writes: BlockWriter) -> list[Event]:
    return coalesce(writes.take())


def test_blocks_open_and_close_by_what_comes() -> None:
    writes = writer()
    writes.start(id="x", model="m")
    writes.reasoning("why")
    writes.text("be")
    writes.text("cause")
    writes.reasoning("hm")
    writes.refusal("no")
    writes.finish("stop")
    writes.end()

    assert [
        MessageStart("x", "m"),
        *[ReasoningStart(0), ReasoningDelta(0, "why"), BlockEnd(0)],
        *[TextStart(1), TextDelta(1, "because"), BlockEnd(1)],
        *[ReasoningStart(2), ReasoningDelta(2, "hm"), BlockEnd(2)],
        *[TextStart(3, refusal=True), TextDelta(3, "no"), BlockEnd(3)],
        MessageEnd("stop", "stop"),
    ] == written(writes)


def test_text_before_the_start_starts_the_message() -> None:
    """An engine may skip its first chunk; the grammar may not."""
    writes = writer()
    writes.text("a")

    assert [MessageStart(), TextStart(0), TextDelta(0, "a")] == writes.take()


def test_calls_stay_open_beside_text_and_beside_each_other() -> None:
    writes = writer()
    writes.call_start("one", "f", "a")
    writes.call_start("two", "g", "b")
    writes.call_arguments("one", "[")
    writes.text("t")
    writes.call_arguments("two", "{}")
    writes.call_arguments("one", "]")
    writes.finish("tool_calls")
    writes.end()

    assert [
        MessageStart(),
        *[
            ToolCallStart(0, "a", "f"),
            ToolCallStart(1, "b", "g"),
            ToolCallDelta(0, "["),
            TextStart(2),
            TextDelta(2, "t"),
        ],
        *[ToolCallDelta(1, "{}"), ToolCallDelta(0, "]"), BlockEnd(2), BlockEnd(0), BlockEnd(1)],
        MessageEnd("tool_calls", "tool_calls"),
    ] == written(writes)


def test_held_text_goes_out_before_everything_the_engine_tells_apart() -> None:
    """With the hold-back outside of the writer, a last `<` came behind a later call."""
    for say in ("reasoning", "refusal", "call_start", "call_arguments", "end"):
        writes = writer("auto")
        if say == "call_arguments":
            writes.call_start("k", "f", "a")
        writes.text("<")
        held = [event for event in writes.take() if isinstance(event, TextDelta)]
        writes.finish("stop")
        {
            "reasoning": lambda writes=writes: writes.reasoning("r"),
            "refusal": lambda writes=writes: writes.refusal("r"),
            "call_start": lambda writes=writes: writes.call_start("k", "f", "a"),
            "call_arguments": lambda writes=writes: writes.call_arguments("k", "{}"),
            "end": lambda writes=writes: writes.end(),
        }[say]()
        first = next(event for event in writes.take() if not isinstance(event, TextStart | MessageStart | Repair))

        assert ([], "<") == (held, first.text if isinstance(first, TextDelta) else None), say


def test_log_probabilities_go_with_the_text_that_they_led_to() -> None:
    writes = writer("auto")
    writes.text("<", 0, TOKEN)
    writes.text("b", 0, TOKEN)

    assert TextDelta(0, "<b", TOKEN * 2) == written(writes)[-1]


def test_log_probabilities_without_text_make_an_empty_delta_of_the_open_block() -> None:
    for kind, expected in [("text", TextDelta(0, "", TOKEN)), ("reasoning", ReasoningDelta(0, "", TOKEN))]:
        writes = writer()
        getattr(writes, kind)("a")
        writes.take()
        writes.text("", 0, TOKEN)

        assert [expected] == writes.take()


def test_log_probabilities_that_nothing_follows_are_not_lost() -> None:
    writes = writer()
    writes.call_start("k", "f", "a")
    writes.text("", 0, TOKEN)
    writes.finish("stop")
    writes.end()

    assert [TextStart(1), TextDelta(1, "", TOKEN), BlockEnd(1)] == [
        event for event in written(writes) if getattr(event, "index", None) == 1
    ]


def test_a_repair_of_a_quirk_is_told_once() -> None:
    writes = writer()
    writes.start()
    for _ in range(3):
        writes.repair("role_repeated")

    assert [Repair("role_repeated")] == writes.take()[1:]


def test_usage_replaces_usage_and_stands_before_the_end() -> None:
    writes = writer()
    writes.text("a")
    writes.usage(Usage(1, 1))
    writes.usage(Usage(1, 2))
    writes.finish("stop")
    writes.end()

    assert [Usage(1, 2), MessageEnd("stop", "stop")] == writes.take()[-2:]


def test_usage_of_choices_is_summed_as_far_as_it_was_told() -> None:
    writes = writer()
    writes.text("a")
    writes.usage(Usage(5, 1, cached_tokens=2), 0)
    writes.usage(Usage(5, None), 1)
    writes.usage(Usage(5, 3, reasoning_tokens=1), 2)
    writes.finish("stop")
    writes.end()

    assert Usage(5, 4, cached_tokens=2, reasoning_tokens=1) == next(
        event for event in writes.take() if isinstance(event, Usage)
    )


def test_nothing_is_written_after_the_end() -> None:
    for finish in ("end", "cancel"):
        writes = writer()
        writes.text("a")
        writes.finish("stop")
        getattr(writes, finish)()
        writes.take()
        _say_everything(writes)

        assert ([], True) == (writes.take(), writes.done)


def _say_everything(writes: BlockWriter) -> None:
    writes.start(1)
    writes.text("a", 0, TOKEN)
    writes.reasoning("a")
    writes.refusal("a")
    writes.call_start("k", "f", None)
    writes.call_arguments("k", "{}")
    writes.call_end("k")
    writes.usage(Usage(1))
    writes.progress(1, 2)
    writes.keep("x", "1")
    writes.repair("role_repeated")
    writes.finish("length")
    writes.fail(stream_error("upstream_error", "x"))
    writes.cancel()
    writes.end()


def test_blocks_up_to_the_limit_pass_and_one_more_is_an_error() -> None:
    for count, failed in [(2, False), (3, True)]:
        writes = writer(limits=Limits(blocks_max=2))
        for number in range(count):
            writes.call_start(number, "f", str(number))
        writes.finish("stop")
        writes.end()

        assert failed is isinstance(writes.take()[-1], StreamError)


def test_ids_are_unique_whatever_the_engine_gave() -> None:
    writes = writer()
    for key, given_id in enumerate(["a", "a", "a_2", "a", None, "", "call_1", "a"]):
        writes.call_start(key, "f", given_id)
    ids = [event.call_id for event in writes.take() if isinstance(event, ToolCallStart)]

    assert ["a", "a_2", "a_2_2", "a_3", "call_1", "call_2", "call_1_2", "a_4"] == ids


def test_the_repair_of_a_late_closer_names_its_block() -> None:
    """The accumulator moves that block; naming a wrong one would turn the answer into reasoning."""
    writes = writer("auto")
    writes.text("why</think>because")
    writes.finish("stop")
    writes.end()

    assert [0] == [
        event.index for event in writes.take() if isinstance(event, Repair) and event.code == "reasoning_unopened"
    ]


WORDS = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<",
        "a",
        "\n\n",
        "<|channel|>final<|message|>",
        "<|end|>",
        "{}",
        "<|channel|>commentary to=functions.f<|message|>",
        "<|start|>",
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("text"), WORDS),
    st.tuples(st.just("reasoning"), st.sampled_from(["", "r"])),
    st.tuples(st.just("refusal"), st.sampled_from(["", "no"])),
    st.tuples(st.just("logprobs"), st.sampled_from(["text", "refusal"])),
    st.tuples(st.just("call"), st.sampled_from(["k", "l"])),
    st.tuples(st.just("arguments"), st.sampled_from(["k", "l"])),
    st.tuples(st.just("close"), st.sampled_from(["k", "l"])),
    st.tuples(st.just("finish"), st.sampled_from(["stop", "tool_calls", "length", "abort", "", "odd"])),
    st.tuples(st.just("usage"), st.just("")),
)


def _take_step(writes: BlockWriter, step: tuple[str, str], number: int, called: set[tuple[str, int]]) -> None:
    what, value = step
    if what == "text":
        writes.text(value, number)
    elif what in {"reasoning", "refusal"}:
        getattr(writes, what)(value, number)
    elif what == "logprobs":
        getattr(writes, value)("", number, TOKEN)
    elif what == "call" and (value, number) not in called:
        called.add((value, number))
        writes.call_start(value, "f", None, number)
    elif what == "arguments" and (value, number) in called:
        writes.call_arguments(value, "1", number)
    elif what == "close" and (value, number) in called:
        called.remove((value, number))
        writes.call_end(value, number)
    elif what == "finish":
        writes.finish(value, number)
    elif what == "usage":
        writes.usage(Usage(1, 1), number)


@given(
    steps=st.lists(st.tuples(STEPS, st.integers(0, 1)), max_size=20),
    end=st.sampled_from(["end", "fail", "cancel"]),
    markup=st.sampled_from(["auto", "off"]),
    whole=st.booleans(),
    blocks_max=st.sampled_from([1, 3, 100]),
)
@settings(max_examples=600, deadline=None)
def test_every_order_of_calls_is_written_in_the_grammar(
    steps: list[tuple[tuple[str, str], int]], end: str, markup: str, *, whole: bool, blocks_max: int
) -> None:
    """No decoder can emit a malformed stream, not even a broken one."""
    writes = writer(markup, whole_calls=whole, limits=Limits(blocks_max=blocks_max))
    writes.start()
    called: set[tuple[str, int]] = set()
    for step, number in steps:
        _take_step(writes, step, number, called)
    if end == "fail":
        writes.fail(stream_error("upstream_error", "x"))
    else:
        getattr(writes, end)()

    assert [] == check_events(writes.take())
