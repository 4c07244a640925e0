"""The tables of what becomes of a text completion's fields: they are the documentation, and they are what happens."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from request_rules import check
from test_docs import DOCS, assert_table, row

from headgate.dialects import dialect, llamacpp_request, ollama_request_table, openai_completion
from headgate.dialects.request_table import Rules
from headgate.errors import RequestError
from headgate.messages import HttpRequest
from headgate.surfaces import surface

TABLES: dict[str, Rules] = {
    "openai": openai_completion.RULES,
    "llamacpp": llamacpp_request.RULES,
    "ollama": ollama_request_table.TEXT_RULES,
}
PAGE = DOCS / "completions.md"
NAMES = sorted({name for table in TABLES.values() for name in table.rules})

# Read by the surface or written from the request's own fields, so that no dialect finds them among the options.
STRUCTURE = {
    *("model", "prompt", "suffix", "echo", "n", "best_of", "stream", "stream_options", "timings_per_token"),
    *("logprobs", "top_logprobs"),
}
FIELDS = [name for name in NAMES if name not in STRUCTURE]
VALUES: dict[str, Any] = {
    "stop": ["x"],
    "response_format": {"type": "json_object"},
    "reasoning_effort": "low",
    "chat_template_kwargs": {"enable_thinking": True},
    "options": {"num_ctx": 5},
    "logit_bias": {"5": 1},
    "format": "json",
    "think": True,
    "user": "u",
}


def value_of(field: str) -> Any:
    return VALUES.get(field, 1)


def asked(engine: str, **fields: Any) -> HttpRequest:
    body = {"model": "m", "prompt": "hi", **fields}
    return dialect(engine).request(surface("completions").parse("/v1/completions", {}, json.dumps(body).encode()))


def cell(engine: str, name: str) -> str:
    return str(TABLES[engine][name])


def test_the_tables_are_documented_as_they_are() -> None:
    rows = [row(f"`{name}`", *(cell(engine, name) for engine in TABLES)) for name in NAMES]

    assert_table(rows, PAGE, "field")


@pytest.mark.parametrize("engine", TABLES)
@pytest.mark.parametrize("field", FIELDS)
def test_what_the_table_says_is_what_happens(engine: str, field: str) -> None:
    """The table is promised to people; a row that did something else would be a silent loss."""
    name = field.replace("*", "x")
    check(name, TABLES[engine][name], value_of(field), partial(asked, engine))


@pytest.mark.parametrize("engine", TABLES)
def test_a_field_that_no_table_knows_is_dropped_and_named(engine: str) -> None:
    assert ("no such field", "messages[].reasoning") == (
        asked(engine, **{"no such field": 1, "messages[].reasoning": 2}).dropped
    )


@pytest.mark.parametrize("engine", TABLES)
@pytest.mark.parametrize("field", NAMES)
def test_null_asks_for_nothing(engine: str, field: str) -> None:
    given = {} if field in {"model", "prompt"} else {field.replace("*", "x"): None}

    assert asked(engine) == asked(engine, **given)


@pytest.mark.parametrize(
    ("engine", "fields", "param"),
    [
        ("llamacpp", {"echo": True}, "/echo"),
        ("ollama", {"echo": True}, "/echo"),
        ("ollama", {"n": 2}, "/n"),
        ("ollama", {"prompt": [1, 2]}, "/prompt"),
        ("ollama", {"prompt": ""}, "/prompt"),
        ("ollama", {"prompt": "", "suffix": "x"}, "/prompt"),
        ("llamacpp", {"prompt": [1, 2], "suffix": "x"}, "/prompt"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_and_named(engine: str, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(engine, **fields)

    assert ("unsupported", param, 400) == (refused.value.code, refused.value.param, refused.value.status)


@pytest.mark.parametrize(
    ("engine", "sent"),
    [
        ("openai", {"logprobs": 3}),
        ("llamacpp", {"n_probs": 3}),
        ("ollama", {"logprobs": True, "top_logprobs": 3}),
    ],
)
def test_log_probabilities_are_asked_for_in_each_engines_words(engine: str, sent: dict[str, Any]) -> None:
    body = json.loads(asked(engine, logprobs=3).body)

    assert sent == {name: body[name] for name in ("logprobs", "top_logprobs", "n_probs") if name in body}


@pytest.mark.parametrize("engine", TABLES)
def test_the_same_request_gives_the_same_bytes(engine: str) -> None:
    """Prefix caches hold as long as the bytes do."""
    fields = {"seed": 1, "stop": ["a"], "temperature": 0.5, "logprobs": 1}

    assert asked(engine, **fields).body == asked(engine, **fields).body
