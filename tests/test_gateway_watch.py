"""`headgate.gateway.watch`: what an exchange hears of the events that pass."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from headgate.events import Event, MessageStart, Repair, StreamError, TextDelta, Usage
from headgate.gateway.policy import NO_REPAIRS
from headgate.gateway.watch import Watch
from headgate.messages import ChatRequest
from headgate.tool_names import ToolNames


def watch() -> Watch:
    return Watch(ToolNames(ChatRequest(model="m")), 0.0)


def repair(code: str) -> Event:
    return Repair(code=code)


def test_the_first_name_the_last_usage_and_the_error_are_noted() -> None:
    seen = watch()
    error = StreamError("upstream_error", "no.", retryable=False)
    seen([MessageStart(model=None), TextDelta(0, "hi"), MessageStart(model="a")])
    seen([Usage(output_tokens=1), MessageStart(model="b"), Usage(output_tokens=2), error])

    assert (True, True, "a") == (seen.heard, seen.begun, seen.model)
    assert (Usage(output_tokens=2), error) == (seen.usage, seen.error)


def test_a_keepalive_is_no_beginning() -> None:
    seen = watch()
    seen([])

    assert (True, False, None) == (seen.heard, seen.begun, seen.model)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], {}), (["a"], {"a": 1}), (["a", "a"], {"a": 2}), (["a", "b", "a"], {"a": 2, "b": 1})],
)
def test_each_kind_of_repair_is_counted(codes: list[str], expected: Mapping[str, int]) -> None:
    """Replies share what most of them hold, and must not see each other's."""
    first, second = watch(), watch()
    for code in codes:
        first([repair(code)])
        second([repair(code)])
        second([repair("z")])

    assert expected == first.repairs
    assert {} == NO_REPAIRS
    assert len(codes) == second.repairs.get("z", 0)
