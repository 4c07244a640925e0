"""What the gateway measures of an engine's answer, where it is told, and when another model answered."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from raw_http import Reply
from test_gateway_life import Stage, asks, life, staged

from headgate.events import Timings
from headgate.gateway import journal
from headgate.gateway.policy import Settlement
from headgate.limits import Limits
from headgate.testing.fake_engine import CUT, Asked, Step, chunk, plain, sse, streamed

USAGE = {**chunk(), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}
OWN = {"prompt_per_second": 50.0, "predicted_n": 4, "predicted_per_second": 20.0}
SPOKEN: list[Step] = [
    0.1,
    sse(chunk({"role": "assistant", "content": None})),
    0.1,
    sse(chunk({"reasoning_content": "Hm."})),
    0.1,
    sse(chunk({"content": "Yes"})),
    0.1,
    sse(chunk(finish="stop"), {**USAGE, "timings": OWN}, done=True),
]
LATE_MS = 200.0
"""How much later than it was sent something may be seen on a busy machine."""


def told(reply: Reply) -> dict[str, Any]:
    """The timings of a reply, streamed or whole."""
    is_stream = reply.headers["content-type"] == "text/event-stream"
    [timings] = [
        record["timings"] for record in (reply.records() if is_stream else [reply.json()]) if "timings" in record
    ]
    return dict(timings)


def lines_of(script: Any, **fields: Any) -> tuple[dict[str, Any], Settlement]:
    """The journal's line of one exchange, and its settlement."""
    lines = io.StringIO()
    handler = journal.write_to(lines)
    try:
        settlement = life(script, asks(stream=True, **fields))
    finally:
        journal.stop_writing(handler)
    [line] = lines.getvalue().splitlines()
    return json.loads(line), settlement


@pytest.mark.parametrize("stream", [True, False])
def test_a_reply_that_asks_for_timings_has_ours_beside_the_engines(*, stream: bool) -> None:
    """A whole reply is read as a stream all the same, so its first words have their moments too."""

    async def play(stage: Stage) -> None:
        timings = told(await stage.client.chat(stream=stream, headers={"x-headgate-extras": "timings"}))

        assert OWN == {name: timings[name] for name in OWN}
        assert 200 <= timings["first_reasoning_ms"] < 200 + LATE_MS
        assert 300 <= timings["first_content_ms"] < 300 + LATE_MS
        assert 400 <= timings["measured_ms"] < 400 + LATE_MS
        assert 3 / 0.4 < timings["measured_per_second"] <= 3 / 0.19

    life(streamed(*SPOKEN), play)


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_without_timings_is_measured_all_the_same(*, stream: bool) -> None:
    async def play(stage: Stage) -> None:
        reply = await stage.client.chat(stream=stream, headers={"x-headgate-extras": "timings"})

        assert {"first_content_ms", "measured_ms"} == told(reply).keys()

    life(streamed(sse(chunk({"content": "Yes"}), chunk(finish="stop"), done=True)), play)


def test_timings_that_nobody_asked_for_are_not_sent() -> None:
    async def play(stage: Stage) -> None:
        assert not any("timings" in record for record in (await stage.client.chat()).records())

    life(streamed(*SPOKEN), play)


def test_the_journal_has_ours_and_the_engines_rates() -> None:
    line, settlement = lines_of(streamed(*SPOKEN))
    measured = settlement.measured

    assert measured is not None
    assert (line["first_reasoning_ms"], line["first_content_ms"], line["measured_ms"]) == (
        measured.first_reasoning_ms,
        measured.first_content_ms,
        measured.measured_ms,
    )
    assert (line["measured_per_second"], 50.0, 20.0) == (
        measured.measured_per_second,
        line["prompt_per_second"],
        line["predicted_per_second"],
    )


def test_a_ledger_is_told_the_engines_usage_and_ours_apart() -> None:
    """What the engine did not report, nobody reported: a bill is not written from a stopwatch."""
    _, settlement = lines_of(streamed(sse(chunk({"content": "Yes"}), chunk(finish="stop"), done=True)))

    assert settlement.usage is None
    assert settlement.measured is not None
    assert settlement.measured.first_content_ms is not None


def test_an_answer_that_broke_off_was_measured_until_then() -> None:
    line, settlement = lines_of(streamed(0.1, sse(chunk({"content": "Yes"})), 0.1, CUT))

    assert "upstream_failed" == line["outcome"]
    assert settlement.measured is not None
    assert 100 <= line["first_content_ms"] <= line["measured_ms"] - 90


def test_a_client_that_leaves_was_kept_waiting_for_so_long() -> None:
    async def play(stage: Stage) -> None:
        stage.client.send_chat(stream=True)
        await asyncio.sleep(0.3)
        stage.client.vanish()

    measured = life(streamed(sse(chunk({"content": "Yes"})), 5.0), play).measured

    assert measured is not None
    assert measured.first_content_ms is not None
    assert measured.first_content_ms < 200 < measured.measured_ms  # type: ignore[operator]
    assert measured.measured_per_second is None


def test_a_request_that_no_engine_was_asked_for_was_not_measured() -> None:
    assert life(plain(b"{}"), asks(stream=True, messages="x")).measured is None


# -- another model --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_answers_under_another_name_is_said_so(*, stream: bool) -> None:
    async def play(stage: Stage) -> None:
        reply = await stage.client.chat(stream=stream, model="gpt-4")

        assert ("gpt-4", "fake") == (reply.headers["x-headgate-model"], reply.headers["x-headgate-answered-model"])

    settlement = life(streamed(*SPOKEN), play)
    assert ("gpt-4", "fake") == (settlement.model, settlement.answered_model)


def test_the_journal_names_the_model_that_answered() -> None:
    line, _ = lines_of(streamed(*SPOKEN), model="gpt-4")

    assert ("gpt-4", "fake") == (line["model"], line["answered_model"])


def test_a_name_that_is_no_header_is_made_one() -> None:
    named = [{**chunk({"content": "x"}), "model": "é\r\nx: y"}, chunk(finish="stop")]

    async def play(stage: Stage) -> None:
        reply = await stage.client.chat()

        assert "%C3%A9%0D%0Ax:%20y" == reply.headers["x-headgate-answered-model"]
        assert "x" not in reply.headers

    assert "%C3%A9%0D%0Ax:%20y" == life(streamed(sse(*named, done=True)), play).answered_model


@pytest.mark.parametrize("asked", ["fake", "Fake", "fake:latest"])
def test_the_same_name_is_not_said_so(asked: str) -> None:
    async def play(stage: Stage) -> None:
        assert "x-headgate-answered-model" not in (await stage.client.chat(model=asked)).headers

    assert life(streamed(*SPOKEN), play).answered_model is None


def test_another_name_that_the_engine_lists_for_the_model_is_not_said_so() -> None:
    """As far as its list has been read: the gateway reads it where a client asks for models, or for an unknown one."""

    def script(asked: Asked) -> Any:
        listing = plain(b'{"data":[{"id":"fake","aliases":["nick"]},{"id":"other"}]}')
        return listing if asked.path == "/v1/models" else streamed(*SPOKEN[1:2], *SPOKEN[5:])

    async def main() -> list[str | None]:
        async with staged(script, Limits()) as stage:
            await stage.client.ask("GET", "/v1/models")
            headers = [(await stage.client.chat(model=model)).headers for model in ("nick", "other")]
            return [each.get("x-headgate-answered-model") for each in headers]

    assert [None, "fake"] == asyncio.run(main())


def test_a_reply_without_a_name_is_nobody_elses() -> None:
    unnamed = sse({**chunk({"content": "x"}), "model": None}, {**chunk(finish="stop"), "model": None}, done=True)

    assert life(streamed(unnamed), asks(stream=True, model="gpt-4")).answered_model is None


def test_what_is_measured_of_nothing_is_left_out_of_the_line() -> None:
    settlement = life(plain(b"{}", 500), asks(stream=True))

    assert settlement.measured is not None
    assert "first_content_ms" not in json.loads(journal.line(settlement))
    assert Timings() != settlement.measured
