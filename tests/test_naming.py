"""When an engine that answers under a name is another model than was asked for."""

from __future__ import annotations

import pytest

from headgate.naming import is_other_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-4", "tiny"), ("qwen3:8b", "qwen3:4b"), ("tiny:q8", "tiny"), ("tiny", "tiny:q8"), ("a:latest", "b:latest")],
)
def test_another_name_is_another_model(asked: str, answered: str) -> None:
    assert is_other_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("tiny", "tiny"),
        ("tiny", "tiny:latest"),
        ("tiny:latest", "tiny"),
        ("Qwen/Qwen3-8B", "qwen/qwen3-8b"),
        ("tiny", None),
        ("tiny", ""),
        (None, "tiny"),
        ("", "tiny"),
    ],
)
def test_the_same_name_is_not(asked: str | None, answered: str | None) -> None:
    assert not is_other_model(asked, answered)


def test_a_name_that_the_engine_has_for_it_is_not() -> None:
    assert not is_other_model("fast", "tiny", {"fast", "tiny:latest"})
    assert is_other_model("fast", "other", {"fast", "tiny:latest"})
