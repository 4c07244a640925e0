"""The seam of keys, quotas and ledgers: what a policy hears of a request, and what the journal writes of it."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import CODES, PeerError, RequestError, UpstreamError
from headgate.events import Usage
from headgate.gateway import journal
from headgate.gateway.policy import Entry, MemoryPolicy, Outcome, Settlement
from headgate.limits import DEFAULTS

PAGE = (Path(__file__).parents[1] / "docs" / "reliability.md").read_text(encoding="utf-8")
FORBIDDEN = RequestError("forbidden", "this key may not use this model.")


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Closed(MemoryPolicy):
    """Lets nobody in."""

    def authorise(self, principal: str, action: str, model: str | None, /) -> None:
        super().authorise(principal, action, model)
        raise FORBIDDEN


class Broken(MemoryPolicy):
    """A policy of somebody else, with a fault."""

    def authorise(self, principal: str, action: str, model: str | None, /) -> None:
        super().authorise(principal, action, model)
        raise KeyError("my secret key")

    def settle(self, settlement: Settlement, /) -> None:
        super().settle(settlement)
        raise KeyError("my secret key")


# Exactly once


def test_a_request_is_authorised_once_and_settled_once() -> None:
    policy = MemoryPolicy()
    entry = Entry(policy, "chat", "somebody")
    for _ in range(2):
        entry.authorise("m")
        entry.settle(Outcome.OK, None, 200)
    entry.settle(Outcome.CLIENT_GONE)
    entry.gone()
    entry.refuse(FORBIDDEN)

    assert (1, {Outcome.OK: 1}) == (policy.authorised, policy.outcomes)


def test_a_policy_hears_who_asks_for_what() -> None:
    heard: list[Any] = []

    class Listening(MemoryPolicy):
        def authorise(self, *asked: Any) -> None:
            heard.append(asked)

    Entry(Listening(), "chat", "somebody").authorise("m")

    assert [("somebody", "chat", "m")] == heard


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RequestError("invalid_request", "no."), Outcome.REFUSED),
        (UpstreamError("upstream_connect", "no."), Outcome.UPSTREAM_FAILED),
        (PeerError("internal", "no."), Outcome.INTERRUPTED),
        (PeerError("shutting_down", "no."), Outcome.INTERRUPTED),
    ],
)
def test_a_request_without_an_exchange_is_settled_too(error: PeerError, outcome: Outcome) -> None:
    policy = MemoryPolicy()

    assert error is Entry(policy, "chat").refuse(error)
    assert [(outcome, error.code, error.status)] == [(one.outcome, one.code, one.status) for one in policy.settled]
    assert 1 == policy.authorised


def test_a_client_that_goes_before_its_request_is_whole_is_settled_too() -> None:
    policy = MemoryPolicy()
    Entry(policy, "chat").gone()

    assert (1, {Outcome.CLIENT_GONE: 1}) == (policy.authorised, policy.outcomes)
    assert ("cancelled", 0) == (policy.settled[0].code, policy.settled[0].status)


def test_who_may_not_ask_is_not_told_what_is_wrong_with_the_request() -> None:
    policy = Closed()

    assert FORBIDDEN is Entry(policy, "chat").refuse(RequestError("invalid_request", "messages: expected a list."))
    assert (1, "forbidden") == (policy.authorised, policy.settled[0].code)


def test_who_was_refused_by_the_policy_is_settled_as_refused() -> None:
    policy = Closed()
    entry = Entry(policy, "chat")
    with pytest.raises(RequestError) as caught:
        entry.authorise("m")

    assert FORBIDDEN is entry.refuse(caught.value)
    assert (1, [Outcome.REFUSED]) == (policy.authorised, [one.outcome for one in policy.settled])


def test_a_policy_that_fails_lets_nobody_in_and_says_no_value(caplog: pytest.LogCaptureFixture) -> None:
    policy = Broken()
    told = Entry(policy, "chat").refuse(RequestError("invalid_request", "no."))

    assert ("internal", Outcome.INTERRUPTED) == (told.code, policy.settled[0].outcome)
    assert 2 == caplog.text.count("KeyError while a request was answered")
    assert "secret" not in caplog.text.replace('raise KeyError("my secret key")', "")


def test_what_memory_remembers_is_bounded() -> None:
    policy = MemoryPolicy()
    for _ in range(1200):
        Entry(policy, "chat").refuse(FORBIDDEN)

    assert (1200, 1000) == (policy.outcomes[Outcome.REFUSED], len(policy.settled))


# What is known of a request


def test_a_settlement_says_when_and_how_much() -> None:
    clock = Clock()
    policy = MemoryPolicy()
    entry = Entry(policy, "chat", "somebody", "id-1", clock=clock)
    entry.authorise("m")
    entry.upstream = "u"
    entry.usage = Usage(input_tokens=1)
    entry.bytes_in = 10
    entry.repairs = {"role_repeated": 2}
    for size in (0, 3, 4):
        clock.now_s += 1
        entry.wrote(size)
    clock.now_s += 1
    entry.settle(Outcome.OK, None, 200)

    assert policy.settled[0] == Settlement(
        request_id="id-1",
        principal="somebody",
        action="chat",
        outcome=Outcome.OK,
        code=None,
        status=200,
        upstream="u",
        model="m",
        usage=Usage(input_tokens=1),
        started_s=100.0,
        first_byte_s=102.0,
        ended_s=104.0,
        bytes_in=10,
        bytes_out=7,
        repairs={"role_repeated": 2},
    )


@pytest.mark.parametrize("given_id", ["a", "0af7651916cd43dd8448eb211c80319c", "req_1.2:3-4", "x" * 128])
def test_a_short_and_plain_request_id_is_the_clients(given_id: str) -> None:
    assert given_id == Entry(MemoryPolicy(), "chat", given_id=given_id).request_id


@pytest.mark.parametrize("given_id", [None, "", "x" * 129, "a b", "a\r\nset-cookie: x", "é", "a,b", '{"a":1}', "a\n"])
def test_any_other_request_id_is_ours(given_id: str | None) -> None:
    first, second = (Entry(MemoryPolicy(), "chat", given_id=given_id).request_id for _ in range(2))

    assert first.startswith("req_")
    assert 28 == len(first)
    assert first != second


@given(st.text(max_size=400))
def test_a_name_is_made_safe_for_headers_and_lines(name: str) -> None:
    shown = journal.safe(name)

    assert len(shown) <= 256
    assert shown.isascii()
    assert shown.isprintable()
    assert not set(shown) & set(" \"'\\<>,;")


@pytest.mark.parametrize("name", ["qwen3:8b", "Qwen/Qwen3-0.6B-GGUF", "hf.co/a/b:Q4_K_M", "a+b@c~d"])
def test_a_real_models_name_stays_as_it_is(name: str) -> None:
    assert name == journal.safe(name)


# The journal


@pytest.fixture
def lines() -> Generator[io.StringIO]:
    """What the journal writes."""
    stream = io.StringIO()
    handler = journal.write_to(stream)
    yield stream
    journal.stop_writing(handler)


def test_a_settled_request_is_one_line_of_json(lines: io.StringIO) -> None:
    clock = Clock()
    entry = Entry(MemoryPolicy(), "chat", "somebody", "id-1", clock=clock)
    entry.authorise("m\r\n{}")
    entry.upstream = "u"
    entry.usage = Usage(input_tokens=3, output_tokens=4)
    entry.bytes_in = 10
    clock.now_s += 0.5
    entry.wrote(7)
    clock.now_s += 0.25
    entry.settle(Outcome.UPSTREAM_FAILED, "upstream_truncated", 200)

    assert 1 == lines.getvalue().count("\n")
    told = json.loads(lines.getvalue())
    assert told.pop("time").endswith("Z")
    assert told == {
        "request_id": "id-1",
        "principal": "somebody",
        "action": "chat",
        "outcome": "upstream_failed",
        "code": "upstream_truncated",
        "status": 200,
        "upstream": "u",
        "model": "m%0D%0A%7B%7D",
        "first_byte_ms": 500.0,
        "total_ms": 750.0,
        "bytes_in": 10,
        "bytes_out": 7,
        "input_tokens": 3,
        "output_tokens": 4,
    }


@given(st.text(), st.text(), st.text())
def test_nothing_from_outside_makes_a_second_line(principal: str, model: str, given_id: str) -> None:
    policy = MemoryPolicy()
    entry = Entry(policy, "chat", principal, given_id)
    entry.authorise(model)
    entry.gone()
    line = journal.line(policy.settled[0])

    assert line.isascii()
    assert line.isprintable()
    assert entry.request_id == json.loads(line)["request_id"]


def test_a_library_does_not_log_requests_unless_asked_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "headgate"):
        Entry(MemoryPolicy(), "chat").gone()

    assert "" == caplog.text


# The page


def shown(name: str) -> str:
    """A limit's default, as the page has it."""
    value = getattr(DEFAULTS, name)
    if name.endswith("_s"):
        return f"{value:g} s"
    if not re.search(r"_(bytes|chars)_|_rate_", name):
        return str(value)
    return f"{value // 2**20} MiB" if value >= 2**20 else f"{value // 2**10} KiB"


def test_the_page_lists_every_limit_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE)

    assert [(name, shown(name)) for name in DEFAULTS.__struct_fields__] == rows


def test_the_page_names_only_codes_outcomes_and_tests_that_exist() -> None:
    root = Path(__file__).parents[1]
    ends = PAGE.partition("## Ends\n")[2].partition("\n## ")[0]
    outcomes = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", ends, re.MULTILINE)

    assert [outcome.value for outcome in Outcome] == outcomes
    assert all((root / path).is_file() for path in re.findall(r"tests/\w+\.py", PAGE))
    assert set(re.findall(r"`(upstream_\w+)`", PAGE)) <= {*CODES, Outcome.UPSTREAM_FAILED.value}
