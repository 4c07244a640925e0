"""The tables of what becomes of a request's fields: they are the documentation, and they are what happens."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from request_rules import check
from test_docs import DOCS, assert_table, row

from headgate.dialects import dialect, ollama_request_table, openai_request
from headgate.dialects.ollama_request import _CHANGES
from headgate.dialects.request_table import DROP, Rule, Rules, asks_for_nothing
from headgate.messages import HttpRequest
from headgate.surfaces import surface

TABLES: dict[str, Rules] = {"openai": openai_request.RULES, "ollama": ollama_request_table.RULES}
PAGE = DOCS / "requests.md"
THINKS = {"enable_thinking": True}
KWARG = "chat_template_kwargs.enable_thinking"
NAMES = list(dict.fromkeys(name for table in TABLES.values() for name in table.rules))
FIELDS = [name for name in NAMES if "[]" not in name]

# Read by the surface or written from the request's own fields, so that no dialect finds them among the options.
STRUCTURE = {"model", "prompt", "messages", "tools", "stream", "stream_options", "timings_per_token"}
VALUES: dict[str, Any] = {
    "stop": "x",
    "response_format": {"type": "json_object"},
    "reasoning_effort": "low",
    "chat_template_kwargs": {"enable_thinking": True},
    "options": {"num_ctx": 5},
    "logit_bias": {"5": 1},
    "metadata": {"a": "b"},
    "modalities": ["audio"],
    "tool_choice": "required",
    "logprobs": True,
    "parallel_tool_calls": True,
    "format": "json",
    "think": True,
    "user": "u",
    "n": 2,
}


def value_of(field: str) -> Any:
    return VALUES.get(field, 1)


def asked(engine: str, **fields: Any) -> HttpRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    chat = surface("chat").parse("/v1/chat/completions", {}, json.dumps(body).encode())
    return dialect(engine).request(chat)


def cell(engine: str, name: str) -> str:
    rule = TABLES[engine].rules.get(name)
    if rule is None:
        return str(TABLES[engine][name]) if "[]" not in name else ""
    return str(rule)


@pytest.mark.parametrize("heading", ["field", "inside"])
def test_the_tables_are_documented_as_they_are(heading: str) -> None:
    names = sorted(name for name in NAMES if ("[]" in name) == (heading == "inside"))

    assert_table([row(f"`{name}`", cell("openai", name), cell("ollama", name)) for name in names], PAGE, heading)


@pytest.mark.parametrize("engine", TABLES)
@pytest.mark.parametrize("field", [field for field in FIELDS if field not in STRUCTURE])
def test_what_the_table_says_is_what_happens(engine: str, field: str) -> None:
    """The table is promised to people; a row that did something else would be a silent loss."""
    name = field.replace("*", "x")
    check(name, TABLES[engine][name], value_of(field), partial(asked, engine))


@pytest.mark.parametrize("engine", TABLES)
def test_a_field_that_no_table_knows_is_dropped_and_named(engine: str) -> None:
    found = asked(engine, **{"no such field": 1, "messages[].reasoning": 2, "": 3})

    assert ("no such field", "messages[].reasoning", "") == found.dropped
    assert {"model", "messages", "stream"} == set(json.loads(found.body)) - {"stream_options"}


@pytest.mark.parametrize("engine", TABLES)
@pytest.mark.parametrize("field", [field for field in FIELDS if field not in STRUCTURE])
def test_null_asks_for_nothing(engine: str, field: str) -> None:
    assert asked(engine) == asked(engine, **{field: None})


@pytest.mark.parametrize("value", [False, {}, [], ""])
def test_what_is_empty_is_not_refused(value: Any) -> None:
    """Clients send `"echo": false` and mean it."""
    assert asked("ollama") == asked("ollama", echo=value)
    assert asked("ollama") == asked("ollama", modalities=["text"])
    assert not asks_for_nothing(b"0")


@pytest.mark.parametrize(
    ("fields", "sent", "dropped"),
    [
        ({"reasoning_effort": "low", "think": True}, {"think": True}, "reasoning_effort"),
        ({"chat_template_kwargs": THINKS, "think": False}, {"think": False}, KWARG),
        ({"chat_template_kwargs": THINKS, "reasoning_effort": "none"}, {"think": False}, KWARG),
        ({"response_format": {"type": "json_object"}, "format": {"a": 1}}, {"format": {"a": 1}}, "response_format"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, {"options": {"num_predict": 2}}, "max_tokens"),
        ({"max_completion_tokens": 2, "num_predict": 3}, {"options": {"num_predict": 3}}, "max_completion_tokens"),
        ({"seed": 1, "options": {"seed": 2}}, {"options": {"seed": 1}}, "options.seed"),
        ({"stop": "x", "options": {"stop": ["y"]}}, {"options": {"stop": ["x"]}}, "options.stop"),
        ({"options": {"seed": 1, "tempo": 2, "top_k": None}}, {"options": {"seed": 1}}, "options.tempo"),
    ],
)  # fmt: skip
def test_of_two_fields_for_one_thing_one_counts_and_the_other_is_named(
    fields: dict[str, Any], sent: dict[str, Any], dropped: str
) -> None:
    """Whichever comes first in the body: a client that sorts its keys means the same."""
    for body in (fields, dict(reversed(fields.items()))):
        found = asked("ollama", **body)

        assert (dropped,) == found.dropped
        assert sent == {name: value for name, value in json.loads(found.body).items() if name in sent}


def test_every_change_of_ollamas_is_made_by_code() -> None:
    changes = {name for name, rule in TABLES["ollama"].rules.items() if rule.action == "change" and "[]" not in name}

    assert changes - STRUCTURE == set(_CHANGES)


def test_a_name_with_a_star_stands_for_all_that_begin_so() -> None:
    rules = Rules({"dry_*": Rule("pass"), "a": Rule("refuse", note="why"), "b[].c": Rule("pass")})

    assert ["pass", "refuse"] == [rules[name].action for name in ("dry_base", "a")]
    assert [DROP] * 4 == [rules[name] for name in ("dry", "ab", "b[].c", "x_dry_")]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule("pass"), "passes"),
        (Rule("pass", note="vLLM"), "passes: vLLM"),
        (Rule("rename", "options.seed"), "→ `options.seed`"),
        (Rule("change", "stop", "a list"), "→ `stop`: a list"),
        (Rule("change", note="as it is"), "read by Headgate: as it is"),
        (DROP, "dropped and named"),
        (Rule("refuse", note="but auto"), "400: but auto"),
    ],
)
def test_a_rule_reads_as_a_cell_of_the_table(rule: Rule, text: str) -> None:
    assert text == str(rule)
