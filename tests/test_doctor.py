"""`headgate.doctor`: a good engine is exact, and each thing that an engine does wrong is found and named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeAlias

import doctored
import pytest

from headgate import repairs
from headgate.dialects import dialect
from headgate.discovery import Engine
from headgate.doctor import findings
from headgate.doctor.asking import Facts
from headgate.doctor.battery import CHECKS
from headgate.doctor.report import Outcome, Report, excerpt, worst
from headgate.doctor.runner import Visit, examine, limits, report_on
from headgate.testing.fake_engine import CUT, HANG, Answer, Asked, FakeEngine, Script, chunk, plain, said, sse, streamed
from headgate.upstream.http import HttpUpstream

NAMES = [check.name for check in CHECKS]
NAME_ASKED = [{"role": "user", "content": "what is your name?"}]
Change: TypeAlias = Callable[[dict[str, Any]], Script | None]


def talk(text: str) -> Script:
    """An exact stream that says this."""
    return streamed(sse(chunk({"role": "assistant"}), chunk({"content": text}), chunk(finish="stop"), done=True))


def report(answer: Answer, *names: str, engine: str = "vllm", timeout_s: float = 5.0, silence_s: float = 2.0) -> Report:
    """Examine a scripted engine."""

    async def run() -> Report:
        async with FakeEngine(answer) as fake:
            upstream = HttpUpstream("fake", fake.url, limits=limits(timeout_s))
            facts = Facts(dialect("openai"), doctored.MODEL, engine, doctored.CONTEXT, silence_s)
            found = Engine("vllm", fake.url, models=(doctored.MODEL,))
            try:
                return await examine(Visit(upstream, facts, timeout_s), report_on("URL", found, facts), names)
            finally:
                await upstream.close()

    return asyncio.run(run())


def spoilt(change: Change) -> Answer:
    """The good engine, but for what `change` says to a chat request; None leaves it as it is."""

    def answer(asked: Asked) -> Script:
        try:
            body = asked.json()
        except ValueError:
            body = {}
        found = change(body) if asked.method == "POST" else None
        return doctored.answer(asked) if found is None else found

    return answer


def edited(change: Callable[[dict[str, Any]], None]) -> Answer:
    """The good engine, which understands every request as something else."""

    def changed(body: dict[str, Any]) -> Script | None:
        if body.get("model") != doctored.MODEL or not isinstance(body.get("messages"), list) or not body.get("stream"):
            return None
        change(body)
        return doctored.said(body)

    return spoilt(changed)


def without(*names: str) -> Answer:
    """An engine that ignores these fields."""

    def drop(body: dict[str, Any]) -> None:
        for name in names:
            body.pop(name, None)

    return edited(drop)


def instead(check: str, text: str) -> Answer:
    """An engine that says something else to one question."""

    def changed(body: dict[str, Any]) -> Script | None:
        asked = body.get("messages") or [{}]
        return talk(text) if isinstance(asked, list) and asked[-1].get("content") == check else None

    return spoilt(changed)


def mistaken(script: Script) -> Answer:
    """An engine that answers so to a body that is no JSON."""
    return spoilt(lambda body: script if not body else None)


def always_usage(body: dict[str, Any]) -> None:
    body["stream_options"] = {"include_usage": True}


def untyped(body: dict[str, Any]) -> Script | None:
    return streamed(sse(*doctored.chunks(body), done=True), content_type="text/plain") if body.get("stream") else None


def late(body: dict[str, Any]) -> Script | None:
    is_story = isinstance(body.get("messages"), list) and body["messages"][-1]["content"] == "tell me a story"
    return [0.3, *doctored.said(body)] if is_story else None


def too_long(body: dict[str, Any]) -> Script | None:
    messages = body.get("messages")
    return talk("Well.") if isinstance(messages, list) and len(str(messages[-1]["content"])) > 100 else None


def slotted() -> Answer:
    """An engine whose slot is never free again once it has ticked."""
    busy: list[bool] = []

    def answer(asked: Asked) -> Script:
        if asked.path == "/slots":
            return plain(json.dumps([{"id": 0, "is_processing": bool(busy)}]).encode())
        if b"tick forever" in asked.body:
            busy.append(True)
        return doctored.answer(asked)

    return answer


SPOILT: dict[str, tuple[str, Answer]] = {
    "content_type_wrong": ("plain", spoilt(untyped)),
    "stop_ignored": ("stop", without("stop")),
    "length_ignored": ("length", without("max_tokens")),
    "text_torn": ("unicode", instead("say something in unicode", "Gr\ufffd")),
    "usage_missing": ("usage", without("stream_options")),
    "usage_unasked": ("usage-unasked", edited(always_usage)),
    "choices_missing": ("n", without("n")),
    "logprobs_missing": ("logprobs", without("logprobs")),
    "schema_ignored": ("schema", instead("answer in json", "It is 42.")),
    "model_ignored": ("unknown-model", spoilt(lambda body: talk("Hi.") if body.get("model") else None)),
    "mistake_ignored": ("bad-json", mistaken(talk("Hello."))),
    "prompt_truncated": ("too-long", spoilt(too_long)),
    "error_status": ("bad-json", mistaken(doctored.refused(500, "no JSON"))),
    "error_shape": ("bad-json", mistaken(plain(b"no JSON", 400, "text/plain"))),
    "generation_kept": ("cancel", slotted()),
    "silence": ("silence", spoilt(late)),
}


def by_name(found: Report) -> dict[str, Outcome]:
    return {result.name: result.outcome for result in found.results}


def test_a_good_engine_is_all_exact() -> None:
    found = report(doctored.answer)

    assert (0, None) == (found.status, found.failure)
    assert [(name, Outcome.EXACT) for name in NAMES] == list(by_name(found).items())
    assert found.times.first_token_s is not None


def test_every_finding_is_shown_below_and_says_what_breaks() -> None:
    assert set(findings.CODES) == set(findings.BREAKS) == {*SPOILT, "contract_broken"}
    assert not set(findings.CODES) & set(repairs.CODES)
    assert all(findings.sentence(code) and findings.breaks(code) for code in [*findings.CODES, *repairs.CODES])


@pytest.mark.parametrize("code", SPOILT)
def test_what_an_engine_does_wrong_is_found(code: str) -> None:
    name, answer = SPOILT[code]
    found = report(answer, name, silence_s=0.2)
    (result,) = [result for result in found.results if result.name == name]

    assert (1, Outcome.DEVIATES) == (found.status, result.outcome)
    assert code in [finding.code for finding in result.findings]


def test_what_the_decoder_repairs_deviates() -> None:
    null = spoilt(
        lambda body: streamed(said("My name.")) if body.get("stream") else None
    )  # an empty `content` with the role
    found = report(null, "plain")

    assert {"empty_dropped": ["plain"]} == found.found()


def test_an_endpoint_that_claims_to_be_exact_is_held_to_the_contract() -> None:
    with_comment = spoilt(lambda body: streamed(b"event: x\n" + sse(*doctored.chunks(body), done=True)))

    assert {"contract_broken": ["plain"]} == report(with_comment, "plain", engine="headgate").found()
    assert {} == report(with_comment, "plain").found()


def test_an_honest_no_is_no_deviation() -> None:
    no = spoilt(lambda body: doctored.refused(400, "no logprobs here") if body.get("logprobs") else None)
    found = report(no, "logprobs")

    assert (0, Outcome.REFUSED) == (found.status, by_name(found)["logprobs"])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("calls", instead("list the files twice", "I would rather not.")),
        ("call", instead("list the files", "ls")),
        ("results", instead("list the files", "ls")),
        ("reasoning", instead("think: what is 2 + 2?", "4")),
        ("unicode", instead("say something in unicode", "unicode")),
        ("stop", instead("count to forty", "No.")),
        ("length", instead("tell me a story", "No.")),
    ],
)
def test_what_a_model_does_not_do_is_no_fault_of_its_engine(name: str, answer: Answer) -> None:
    assert Outcome.NOT_SHOWN is by_name(report(answer, name))[name]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([HANG], "no end within"),
        (streamed(HANG), "no end within"),
        (plain(b"<!doctype html><title>Welcome</title>", content_type="text/html"), "got text/html"),
        (streamed(sse({"error": {"message": "out of memory", "code": 500}})), "out of memory"),
        (plain(b'{"error": {"message": "loading", "code": 503}}', 503), "HTTP 503"),
        (streamed(sse(doctored.chunks({"messages": [{"role": "user", "content": ""}]})[0]), CUT), "upstream_truncated"),
        (streamed(sse(doctored.chunks({"messages": [{"role": "user", "content": ""}]})[0])), "upstream_truncated"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n", HANG], "upstream_protocol"),
    ],
)
def test_an_engine_that_is_broken_ends_the_visit_in_time(answer: Answer, why: str) -> None:
    found = report(answer, timeout_s=0.5)

    assert (2, ()) == (found.status, found.results)
    assert why in (found.failure or "")


def test_a_check_that_hangs_costs_its_own_deadline_and_no_more() -> None:
    hangs = spoilt(lambda body: [HANG] if body.get("stop") else None)
    found = report(hangs, "stop", "length", timeout_s=0.5)

    assert 1 == found.status
    assert {"plain": Outcome.EXACT, "stop": Outcome.FAILED, "length": Outcome.EXACT} == by_name(found)


def test_all_checks_together_have_a_deadline() -> None:
    """Ten times a check's own: what is left over then has failed, and was not asked."""
    hangs = spoilt(lambda body: [HANG] if body.get("messages", [{}]) != NAME_ASKED else None)
    found = report(hangs, timeout_s=0.1)

    assert 1 == found.status
    assert sum(result.seconds for result in found.results) < 1.5
    assert Outcome.FAILED is by_name(found)["at-once"]


def test_an_excerpt_is_short_and_holds_nothing_that_a_terminal_obeys() -> None:
    assert '"a\\u001b[31m\\n\\u202e\\u009b"' == excerpt("a\x1b[31m\n\u202e\x9b")
    assert 82 == len(excerpt("x" * 1000))


def test_the_worst_of_several_visits_counts() -> None:
    assert 2 == worst([])
    assert 2 == worst([Report(url="a", failure="no"), report(doctored.answer, "plain")])


def test_no_two_checks_have_one_name() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert all(check.expects.endswith(".") for check in CHECKS)
