"""A question, put to a gateway before a real engine, streamed and whole: what came of it, and what it took.

What the client gets is read by the oracle's naive reader and not by our decoder. Every stream must keep the contract,
and every whole answer must tell its usage, whatever the engine did.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, TypeAlias

from engine.corpus import STORY, Template
from oracle.wire import Choice, read
from recording import Got, ask

from headgate.config import Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.gateway import create_app
from headgate.gateway.policy import MemoryPolicy, Settlement
from headgate.testing.live import serving
from matrix.questions import QUESTIONS, TOO_LONG, Question, Said, said

PATH = "/v1/chat/completions"
WITHIN_S = 10.0

Way: TypeAlias = Literal["streamed", "whole"]
WAYS: tuple[Way, ...] = ("streamed", "whole")


class Outcome(NamedTuple):
    """What a client gets: empty `instead` if it is the model's answer; and the repairs that the reply needed."""

    question: str
    way: Way
    instead: str
    repairs: tuple[str, ...]


class Asker(NamedTuple):
    """A gateway that listens, and what it tells of each request."""

    url: str
    policy: MemoryPolicy

    def ask(self, question: Question, template: Template, way: Way) -> Outcome:
        """Put a question that the model knows with this template.

        Raises:
            AssertionError: if the reply breaks the contract.
        """
        body = json.dumps(question.request | fields_of(way)).encode()
        before = sum(self.policy.outcomes.values())
        got = ask(self.url, "POST", PATH, body, {"content-type": "application/json"})
        settlement = self._settlement(before)
        choice = choice_of(got, way)
        return Outcome(question.name, way, instead_of(question, template, choice), tuple(settlement.repairs))

    def _settlement(self, before: int) -> Settlement:
        """The request is settled a moment after its client has its last byte."""
        deadline_s = time.monotonic() + WITHIN_S
        while sum(self.policy.outcomes.values()) == before and time.monotonic() < deadline_s:
            time.sleep(0.001)
        assert before + 1 == sum(self.policy.outcomes.values())
        return self.policy.settled[-1]


@contextmanager
def gateway(engine_url: str, *, starts_in_reasoning: bool | None = None) -> Generator[Asker]:
    """Serve a gateway before an engine."""
    policy = MemoryPolicy()
    upstream = UpstreamConfig(name="engine", url=engine_url, starts_in_reasoning=starts_in_reasoning)
    with serving(create_app(Config(upstreams=(upstream,)), policy=policy)) as url:
        yield Asker(url, policy)


def fields_of(way: Way) -> dict[str, Any]:
    """What a request says to be answered in this way, with its usage."""
    return {"stream": True, "stream_options": {"include_usage": True}} if way == "streamed" else {"stream": False}


def choice_of(got: Got, way: Way) -> Choice:
    """Read a reply, and check that it is what the contract wants.

    Raises:
        AssertionError: if it is not.
    """
    assert got.whole, got.error
    if got.status < 400 and way == "streamed":
        assert [] == check_stream(got.body)
    (choice,) = read(PATH, got.status, got.body)
    if choice.error is None:
        usage = choice.usage or {}
        assert 0 < usage["prompt_tokens"] < usage["total_tokens"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    else:
        assert choice.error["message"], got
    return choice


def instead_of(question: Question, template: Template, choice: Choice) -> str:
    """What came in place of the answer, for people; empty if it is the answer."""
    if choice.error is not None:
        told = f"{choice.error['status']}: {choice.error['message']}"
        return "" if question is TOO_LONG and choice.error["status"] == 400 else told
    if question is TOO_LONG:
        return "an answer"
    got = said(choice, choice.reason)
    if question.is_cut:
        kept = STORY.startswith(got.content) and got.content and not got.calls
        return "" if kept and got.finish == "length" else shown(got)
    return "" if got == question.answer(template) else shown(got)


def shown(got: Said) -> str:
    """An answer, short."""
    calls = [f"{name}({json.dumps(arguments)})" for name, arguments in got.calls]
    parts = {"reasoning": got.reasoning, "content": got.content, "calls": ", ".join(calls), "finish": got.finish or ""}
    return "; ".join(f"{name} {text!r}" for name, text in parts.items() if text)


def ask_all(asker: Asker, template: Template) -> list[Outcome]:
    """Put every question that the model knows with a template, in both ways."""
    known = [question for question in QUESTIONS if template in question.templates]
    return [asker.ask(question, template, way) for question in known for way in WAYS]
