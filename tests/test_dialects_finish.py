"""`headgate.dialects.finish`: what the engine's last word comes to."""

from __future__ import annotations

import pytest

from headgate.dialects.finish import decide


@pytest.mark.parametrize(
    ("word", "calls", "reason", "repair"),
    [
        ("stop", 0, "stop", ""),
        ("stop", 1, "tool_calls", "finish_derived"),
        ("tool_calls", 2, "tool_calls", ""),
        ("tool_calls", 0, "stop", "finish_derived"),
        ("function_call", 1, "tool_calls", "finish_mapped"),
        ("function_call", 0, "stop", "finish_derived"),
        ("length", 0, "length", ""),
        ("length", 3, "length", ""),
        ("max_tokens", 0, "length", "finish_mapped"),
        ("content_filter", 0, "content_filter", ""),
        ("content_filter", 1, "content_filter", ""),
        ("", 0, "stop", ""),
        ("", 1, "tool_calls", "finish_derived"),
        ("eos", 0, "stop", "finish_mapped"),
        ("end_turn", 0, "stop", "finish_mapped"),
        ("load", 0, "stop", "finish_mapped"),
        ("unload", 0, "stop", "finish_mapped"),
        ("never heard of", 0, "unknown", "finish_mapped"),
        ("never heard of", 1, "tool_calls", "finish_derived"),
    ],
)
def test_length_wins_over_calls_and_calls_over_the_word(word: str, calls: int, reason: str, repair: str) -> None:
    """A cut answer must not look whole, and an agent must not stop at "stop" with calls to run."""
    outcome = decide(word, calls=calls)

    assert (reason, repair, None) == (outcome.reason, outcome.repair, outcome.error)


@pytest.mark.parametrize("word", ["abort", "error"])
@pytest.mark.parametrize("calls", [0, 1])
def test_a_generation_that_was_given_up_is_an_error(word: str, calls: int) -> None:
    error = decide(word, calls=calls).error

    assert error is not None
    assert ("upstream_aborted", True) == (error.code, error.retryable)
