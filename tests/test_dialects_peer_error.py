"""`headgate.dialects.peer_error`: an error in any shape that an engine has, and in shapes that none has yet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.peer_error import error_of, holds_error

SHAPES = [
    pytest.param({"error": "boom"}, id="Ollama and mlx-lm: a string"),
    pytest.param({"error": "boom", "signin_url": "x"}, id="Ollama 401"),
    pytest.param({"error": {"message": "boom", "type": "x", "param": None, "code": None}}, id="OpenAI"),
    pytest.param(
        {"error": {"code": 400, "message": "boom", "type": "exceed_context_size_error", "n_ctx": 9}}, id="llama-server"
    ),
    pytest.param({"error": {"message": "boom", "type": "BadRequestError", "param": "x", "code": 400}}, id="vLLM"),
    pytest.param({"object": "error", "message": "boom", "type": "x", "param": None, "code": 400}, id="SGLang, flat"),
    pytest.param({"error": {"object": "error", "message": "boom", "code": 400}}, id="SGLang in a stream"),
    pytest.param({"error": {"message": "boom"}, "message": "boom"}, id="LM Studio"),
    pytest.param({"error": {}, "message": "boom"}, id="LM Studio, empty inside"),
    pytest.param({"code": 500, "message": "boom", "type": "server_error"}, id="llama-server messages, bare"),
    pytest.param({"type": "error", "error": {"type": "x", "message": "boom"}}, id="Anthropic"),
    pytest.param({"detail": "boom"}, id="FastAPI"),
    pytest.param({"message": "boom"}, id="a message alone"),
    pytest.param({"error": {"error": "boom"}}, id="wrapped twice"),
    pytest.param({"error": None, "message": "boom"}, id="an error of null beside a message"),
    pytest.param("boom", id="a JSON string"),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_message_is_found_in_every_shape(shape: Any) -> None:
    """A client that reads "the engine gave no reason" cannot tell a wrong model name from a full card."""
    error = error_of(json.dumps(shape).encode())

    assert ("upstream_error", "boom") == (error.code, error.message)
    assert error.vendor is not None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"boom", "boom"),
        (b"  Internal Server Error\n", "Internal Server Error"),
        (b"", "the engine gave no reason."),
        (b"<html><body>502 Bad Gateway</body></html>", "the engine gave no reason."),
        (b"{}", "the engine gave no reason."),
        (b"null", "null"),
        (b'{"error":', "the engine gave no reason."),
        (b'{"error":"caf\xe9"}', "caf\ufffd"),
        (b'{"error":{"message":"a\\ud800b"}}', "a\ufffdb"),
        (b"caf\xe9", "caf\ufffd"),
        (b'{"detail":[{"loc":["body"],"msg":"no"}]}', '[{"loc":["body"],"msg":"no"}]'),
        (b'{"error":{"message":{"a":1}}}', '{"a":1}'),
    ],
)
def test_what_is_no_shape_at_all_still_says_something(body: bytes, message: str) -> None:
    """Proxies answer in HTML, crashed engines in half a line."""
    assert message == error_of(body).message


def test_half_an_object_nested_without_end_raises_nothing() -> None:
    for body in (b'{"error":' * 100_000, b'{"error":' + b"[" * 900 + b"]" * 900 + b"}", b"[" * 100_000):
        assert "upstream_error" == error_of(body).code


def test_a_long_message_is_cut() -> None:
    """Some engines quote the whole prompt in their error."""
    error = error_of(json.dumps({"error": "x" * 10_000}).encode())

    assert (2000, 2000) == (len(error.message), len(error.vendor or ""))


@pytest.mark.parametrize(
    ("shape", "status", "expected", "retryable"),
    [
        ({"error": "x"}, None, 502, True),
        ({"error": "x"}, 404, 404, False),
        ({"error": {"message": "x", "code": 503}}, None, 503, True),
        ({"error": {"message": "x", "code": "429"}}, None, 429, True),
        ({"error": {"message": "x", "code": 400}}, None, 400, False),
        ({"error": {"message": "x", "code": 400}}, 500, 500, True),
        ({"error": {"message": "x", "status": 500}}, None, 500, True),
        ({"message": "x", "code": 401}, None, 401, False),
        ({"error": {"message": "x", "code": "invalid_api_key"}}, None, 502, True),
        ({"error": {"message": "x", "code": 42}}, None, 502, True),
        ({"error": {"message": "x", "code": 4000}}, None, 502, True),
        ({"error": {"message": "x", "code": True}}, None, 502, True),
        ({"error": {"message": "x", "code": 400.0}}, None, 502, True),
        ({"error": {"message": "x", "code": None}}, None, 502, True),
    ],
)
def test_the_status_is_the_replys_or_else_the_errors_own(
    shape: Any,
    status: int | None,
    expected: int,
    retryable: bool,  # noqa: FBT001
) -> None:
    error = error_of(json.dumps(shape).encode(), status=status)

    assert (expected, retryable) == (error.status_hint, error.retryable)


def test_the_engines_own_value_is_kept_for_whoever_runs_it() -> None:
    shape = {"error": {"message": "boom", "n_prompt_tokens": 9000, "n_ctx": 4096}}

    assert shape["error"] == json.loads(error_of(json.dumps(shape).encode()).vendor or "")


@pytest.mark.parametrize(
    ("record", "holds"),
    [
        ({"object": "error", "message": "x"}, True),
        ({"object": "error"}, True),
        ({"code": 500, "message": "x", "type": "y"}, True),
        ({"message": "x", "type": "y"}, True),
        ({"detail": "x"}, True),
        ({"message": "x"}, False),
        ({"message": {"role": "assistant"}, "type": "y"}, False),
        ({"message": "x", "code": 1, "choices": []}, False),
        ({"detail": "x", "id": "y"}, False),
        ({"object": "chat.completion.chunk"}, False),
        ({}, False),
    ],
)
def test_flat_errors_are_told_from_records(record: dict[str, Any], *, holds: bool) -> None:
    assert holds is holds_error(record)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "status", "type", "object"]), inner)
    ),
    max_leaves=8,
)


@given(value=json_values, status=st.none() | st.integers(400, 599))
def test_every_json_value_is_an_error_with_a_message_and_a_status(value: Any, status: int | None) -> None:
    error = error_of(json.dumps(value).encode(), status=status)

    assert error.message
    assert status in {None, error.status_hint}
    assert 400 <= error.status_hint < 600


@given(body=st.binary(max_size=60))
def test_all_bytes_are_an_error_with_a_message(body: bytes) -> None:
    assert error_of(body).message
