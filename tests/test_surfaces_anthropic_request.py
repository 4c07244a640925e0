"""`POST /v1/messages` -> a canonical request: what is read, what is refused and where; nothing else is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_docs import DOCS, table

from headgate.dialects import dialect
from headgate.errors import RequestError
from headgate.messages import ChatMessage, ChatRequest, HttpRequest, ReasoningPart, ToolCall
from headgate.signatures import UNSIGNED, is_foreign
from headgate.surfaces import surface

ANTHROPIC = surface("anthropic")
PAGE: Path = DOCS / "anthropic.md"
BODY: dict[str, Any] = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def parse(body: Any) -> ChatRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ANTHROPIC.parse("/v1/messages", {"anthropic-version": "2023-06-01", "anthropic-beta": "x"}, data)


def asked(engine: str, body: Any) -> HttpRequest:
    return dialect(engine).request(parse(body))


def options_of(chat: ChatRequest) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in chat.options.items()}


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {**BODY, "messages": [{"role": role, "content": list(blocks)}]}


# -- the table ----------------------------------------------------------------------------------------------

SCHEMA = {"type": "json_schema", "schema": {"b": 1, "a": 2}}
ANSWER = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"b": 1, "a": 2}}}
# A field of the table: values for it, with the options and the dropped names that they come to.
EXAMPLES: dict[str, list[tuple[Any, dict[str, Any], list[str]]]] = {
    "max_tokens": [(5, {"max_tokens": 5}, [])],
    "stop_sequences": [(["x"], {"stop": ["x"]}, []), ([], {"stop": []}, [])],
    "temperature": [(0.5, {"temperature": 0.5}, [])],
    "top_p": [(1, {"top_p": 1}, [])],
    "top_k": [(5, {"top_k": 5}, [])],
    "stream": [(True, {}, [])],
    "metadata": [({"user_id": "u", "x": 1}, {"user": "u"}, ["metadata.x"]), ({}, {}, [])],
    "tools": [([TOOL], {}, []), ([], {}, [])],
    "tool_choice": [
        ({"type": "auto"}, {}, []),
        ({"type": "any", "disable_parallel_tool_use": True}, {"parallel_tool_calls": False}, []),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, {"parallel_tool_calls": True}, []),
        ({"type": "none", "x": 1}, {}, ["tool_choice.x"]),
    ],
    "thinking": [
        (
            {"type": "enabled", "budget_tokens": 9, "display": "omitted"},
            {"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget_tokens": 9},
            ["thinking.display"],
        ),
        ({"type": "enabled"}, {"chat_template_kwargs": {"enable_thinking": True}}, []),
        ({"type": "disabled"}, {"chat_template_kwargs": {"enable_thinking": False}}, []),
        ({"type": "adaptive"}, {}, []),
        ({"type": "between_tools", "budget_tokens": 9}, {}, ["thinking.budget_tokens"]),
    ],
    "output_config": [
        ({"effort": "high"}, {"reasoning_effort": "high"}, []),
        ({"format": SCHEMA, "x": 1}, {"response_format": ANSWER}, ["output_config.x"]),
    ],
    "output_format": [({**SCHEMA, "name": "x"}, {"response_format": ANSWER}, ["output_format.name"])],
    "service_tier": [("auto", {}, ["service_tier"])],
    "cache_control": [({"type": "ephemeral"}, {"cache_control": {"type": "ephemeral"}}, [])],
    "context_management": [({"edits": []}, {"context_management": {"edits": []}}, [])],
    "chat_template_kwargs": [({"x": 1}, {"chat_template_kwargs": {"x": 1}}, [])],
    "options": [({"num_ctx": 1}, {"options": {"num_ctx": 1}}, [])],
    "think": [(True, {"think": True}, [])],
    "keep_alive": [("5m", {"keep_alive": "5m"}, [])],
    "min_p": [(0.1, {"min_p": 0.1}, [])],
    "stop": [(["x"], {}, ["stop"])],
}
REFUSED = {"mcp_servers": [{"url": "x"}], "container": "c"}
STRUCTURE = {"model", "system", "messages"}


def test_every_field_of_the_table_has_an_example() -> None:
    documented = {row.split("`")[1] for row in table(PAGE, "field")}

    assert documented == EXAMPLES.keys() | REFUSED.keys() | STRUCTURE


@pytest.mark.parametrize(
    ("field", "value", "options", "dropped"),
    [(field, *example) for field, examples in EXAMPLES.items() for example in examples],
)
def test_what_the_table_says_is_what_happens(
    field: str, value: Any, options: dict[str, Any], dropped: list[str]
) -> None:
    found = parse({**BODY, field: value})

    assert {"max_tokens": 64, **options} == options_of(found)
    assert tuple(dropped) == found.dropped


@pytest.mark.parametrize("field", ["cache_control", "context_management", "no_such_field"])
def test_what_no_engine_takes_is_dropped_and_named(field: str) -> None:
    for engine in ("openai", "ollama"):
        found = asked(engine, {**BODY, field: {"x": 1}})

        assert ((field,), False) == (found.dropped, field in json.loads(found.body))


@pytest.mark.parametrize("field", [*sorted(EXAMPLES.keys() - {"max_tokens"}), *REFUSED, "system", "no_such_field"])
def test_null_asks_for_nothing(field: str) -> None:
    assert parse(BODY) == parse({**BODY, field: None})


def test_what_asks_for_nothing_is_not_refused() -> None:
    assert parse(BODY) == parse({**BODY, "mcp_servers": []})


@pytest.mark.parametrize(
    ("fields", "options", "dropped"),
    [
        (
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
            {"chat_template_kwargs": {"enable_thinking": False}},
            ["output_config.effort"],
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 5}, "output_config": {"effort": "low"}},
            {"thinking_budget_tokens": 5, "reasoning_effort": "low"},
            [],
        ),
        (
            {"thinking": {"type": "enabled"}, "chat_template_kwargs": {"enable_thinking": False, "x": 1}},
            {"chat_template_kwargs": {"enable_thinking": False, "x": 1}},
            [],
        ),
        (
            {"output_config": {"format": SCHEMA}, "output_format": {"type": "json_schema", "schema": {}}},
            {"response_format": ANSWER},
            ["output_format"],
        ),
    ],
)
def test_of_two_fields_for_one_thing_one_counts(
    fields: dict[str, Any], options: dict[str, Any], dropped: list[str]
) -> None:
    """Whichever comes first in the body: a client that sorts its keys means the same."""
    for body in (fields, dict(reversed(fields.items()))):
        found = parse({**BODY, **body})

        assert ({"max_tokens": 64, **options}, tuple(dropped)) == (options_of(found), found.dropped)


def test_the_request_itself_is_read() -> None:
    found = parse({**BODY, "stream": True, "tools": [{**TOOL, "description": "d", "strict": True}]})

    assert ("m", True, True, 1) == (found.model, found.stream, found.include_usage, found.choices)
    assert [("f", "d", b'{"type": "object"}', True)] == [
        (tool.name, tool.description, bytes(tool.parameters or b""), tool.strict) for tool in found.tools or ()
    ]
    assert ["f"] == list(found.declared() or {})
    assert None is parse(BODY).tools


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_a_choice_is_said_in_openais_words(choice: dict[str, Any], written: Any) -> None:
    assert written == json.loads(bytes(parse({**BODY, "tools": [TOOL], "tool_choice": choice}).tool_choice or b""))


# -- messages -----------------------------------------------------------------------------------------------


def test_the_system_prompt_is_the_first_message() -> None:
    for system in ("Be brief.", [{"type": "text", "text": "Be brief."}]):
        first, second = parse({**BODY, "system": system}).messages

        assert (ChatMessage(role="system", content="Be brief."), "user") == (first, second.role)
    empty: list[Any] = ["", [], None]
    for nothing in empty:
        assert parse(BODY) == parse({**BODY, "system": nothing})


def test_results_are_messages_at_their_place() -> None:
    """Engines want a result right behind its call, and what the user says besides where it was said."""
    result = {"type": "tool_result", "tool_use_id": "a"}
    text = {"type": "text", "text": "x"}
    found = parse(said("user", text, {**result, "content": "1", "is_error": True}, {**result, "content": [PNG]}, text))

    assert ["user", "tool", "tool", "user"] == [one.role for one in found.messages]
    assert [("x", False), ("1", True)] == [(one.content, one.is_error) for one in found.messages[:2]]
    assert ["image"] == [getattr(part, "kind", "") for part in found.messages[2].content or ()]
    assert "" == parse(said("user", result)).messages[0].content


def test_an_answer_that_said_nothing_can_be_sent_back() -> None:
    """Headgate itself writes such a message when an engine says nothing."""
    assert (ChatMessage(role="assistant", content=""),) == parse(said("assistant")).messages
    assert (ChatMessage(role="user", content=""),) == parse(said("user")).messages


@pytest.mark.parametrize(
    ("signature", "kept"), [(UNSIGNED, None), ("hg1.later", None), ("", None), (None, None), ("EqQB", "EqQB")]
)
def test_a_signature_is_kept_only_for_who_checks_it(signature: str | None, kept: str | None) -> None:
    """Ours would be refused by an API that checks signatures, and a foreign one is of use to nobody else."""
    block = {"type": "thinking", "thinking": "why", "signature": signature}
    (message,) = parse(said("assistant", block)).messages

    assert ("why", (ReasoningPart("why", signature=kept),) if kept else ()) == (message.reasoning, message.signed)
    for engine in ("openai", "ollama"):
        found = asked(engine, said("assistant", block))
        assert (("messages[].content[].signature",) if kept else ()) == found.dropped
        assert b"hg1." not in found.body
        assert b"why" in found.body
    assert (kept is not None) == is_foreign(signature)


def test_an_encrypted_thought_is_kept_with_the_others_in_order() -> None:
    blocks = [
        {"type": "thinking", "thinking": "a", "signature": "S"},
        {"type": "redacted_thinking", "data": "D"},
        {"type": "thinking", "thinking": "b", "signature": UNSIGNED},
    ]
    (message,) = parse(said("assistant", *blocks)).messages
    expected = (
        ReasoningPart("a", signature="S"),
        ReasoningPart("", signature="D", redacted=True),
        ReasoningPart("b"),
    )

    assert ("ab", expected) == (message.reasoning, message.signed)


@pytest.mark.parametrize(
    ("given_input", "arguments"),
    [(b'{"n": 1.10, "b":1,"a" : 2}', '{"n": 1.10, "b":1,"a" : 2}'), (b"null", "{}"), (b"[1]", "[1]")],
)
def test_arguments_are_the_text_that_the_model_wrote(given_input: bytes, arguments: str) -> None:
    """Written anew, `1.10` would be `1.1` and an engine's cached prompt of no use."""
    data = b'{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[%b]}]}' % (
        b'{"type":"tool_use","id":"a","name":"f","input":%b}' % given_input
    )

    assert (ToolCall("a", "f", arguments),) == parse(data).messages[0].tool_calls


def test_a_call_needs_no_input() -> None:
    (message,) = parse(said("assistant", {"type": "tool_use", "id": "a", "name": "f"})).messages

    assert (None, "{}") == (message.content, message.tool_calls[0].arguments)


def test_what_blocks_hold_besides_is_named_once() -> None:
    text: dict[str, Any] = {
        "type": "text",
        "text": "x",
        "cache_control": {"type": "ephemeral"},
        "citations": None,
        "y": [],
    }
    source = {"type": "text", "data": "d", "media_type": "text/plain", "z": 1}
    document = {"type": "document", "source": source, "title": "t", "context": "c"}
    inner = {"type": "document", "source": {"type": "content", "content": [text]}}
    found = parse(
        {
            **said("user", text, text, document, inner, {"type": "tool_result", "tool_use_id": "a", "content": [text]}),
            "system": [text],
            "tools": [{**TOOL, "input_examples": [1]}],
        }
    )

    assert sorted(found.dropped) == sorted(
        [
            "system[].cache_control",
            "messages[].content[].cache_control",
            "messages[].content[].title",
            "messages[].content[].context",
            "messages[].content[].source.z",
            "messages[].content[].source.content[].cache_control",
            "messages[].content[].content[].cache_control",
            "tools[].input_examples",
        ]
    )


# -- what is refused ----------------------------------------------------------------------------------------


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BODY.items() if key != name}


BLOCK = "/messages/0/content/0"
SERVER_TOOL = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"model":"m","model":"n"}', "/model"),
        (b'{"top_k":NaN}', "/top_k"),
        (b'{"x":' * 65 + b"1" + b"}" * 65, "/x" * 64),
        (without("model"), "/model"),
        (without("messages"), "/messages"),
        (without("max_tokens"), "/max_tokens"),
        ({**BODY, "model": ""}, "/model"),
        ({**BODY, "messages": []}, "/messages"),
        ({**BODY, "max_tokens": 0}, "/max_tokens"),
        ({**BODY, "max_tokens": 1.5}, "/max_tokens"),
        ({**BODY, "max_tokens": "5"}, "/max_tokens"),
        ({**BODY, "temperature": 3}, "/temperature"),
        ({**BODY, "top_p": -1}, "/top_p"),
        ({**BODY, "stop_sequences": "x"}, "/stop_sequences"),
        ({**BODY, "stop_sequences": [1]}, "/stop_sequences/0"),
        ({**BODY, "stream": 1}, "/stream"),
        ({**BODY, "metadata": {"user_id": 5}}, "/metadata/user_id"),
        ({**BODY, "system": [PNG]}, "/system/0/type"),
        ({**BODY, "system": 5}, "/system"),
        ({**BODY, "thinking": {"type": "x"}}, "/thinking/type"),
        ({**BODY, "thinking": {"type": "enabled", "budget_tokens": 0}}, "/thinking/budget_tokens"),
        ({**BODY, "output_config": {"effort": "x"}}, "/output_config/effort"),
        ({**BODY, "output_config": {"format": {"type": "x"}}}, "/output_config/format/type"),
        ({**BODY, "output_config": {"format": {"type": "json_schema"}}}, "/output_config/format/schema"),
        ({**BODY, "output_format": {"type": "json_schema", "schema": 5}}, "/output_format/schema"),
        ({**BODY, "tools": [SERVER_TOOL]}, "/tools/0/type"),
        ({**BODY, "tools": [{"name": "f"}]}, "/tools/0/input_schema"),
        ({**BODY, "tools": [{"input_schema": {}}]}, "/tools/0/name"),
        ({**BODY, "tools": [{"name": "f", "input_schema": []}]}, "/tools/0/input_schema"),
        ({**BODY, "tool_choice": {"type": "x"}}, "/tool_choice/type"),
        ({**BODY, "tool_choice": {"type": "tool"}}, "/tool_choice/name"),
        ({**BODY, "tool_choice": "auto"}, "/tool_choice"),
        ({**BODY, "mcp_servers": [{"url": "x"}]}, "/mcp_servers"),
        ({**BODY, "container": "c"}, "/container"),
        ({**BODY, "chat_template_kwargs": 5}, "/chat_template_kwargs"),
        ({**BODY, "options": []}, "/options"),
        ({**BODY, "messages": [{"role": "tool", "content": "x"}]}, "/messages/0/role"),
        ({**BODY, "messages": [{"role": "user"}]}, "/messages/0/content"),
        ({**BODY, "messages": [{"role": "user", "content": 5}]}, "/messages/0/content"),
        (said("user", {"type": "thinking", "thinking": "x"}), f"{BLOCK}/type"),
        (said("user", {"type": "tool_use", "id": "a", "name": "f"}), f"{BLOCK}/type"),
        (said("assistant", {"type": "tool_result", "tool_use_id": "a"}), f"{BLOCK}/type"),
        (said("assistant", {"type": "server_tool_use", "id": "a", "name": "f"}), f"{BLOCK}/type"),
        (said("user", {"type": "text"}), f"{BLOCK}/text"),
        (said("user", {"type": "text", "text": None}), f"{BLOCK}/text"),
        (said("user", {"text": "x"}), f"{BLOCK}/type"),
        (said("user", {"type": "image"}), f"{BLOCK}/source"),
        (said("user", {"type": "image", "source": {"type": "base64", "data": "x"}}), f"{BLOCK}/source/media_type"),
        (said("user", {"type": "image", "source": {"type": "x"}}), f"{BLOCK}/source/type"),
        (said("user", {"type": "image", "source": {"type": "file", "file_id": "f"}}), f"{BLOCK}/source/type"),
        (said("user", {"type": "image", "source": {"type": "url", "url": "file:///x"}}), f"{BLOCK}/source/url"),
        (said("user", {"type": "document", "source": {"type": "url", "url": "https://x"}}), f"{BLOCK}/source/type"),
        (
            said("user", {"type": "document", "source": {"type": "content", "content": [{"type": "x"}]}}),
            f"{BLOCK}/source/content/0/type",
        ),
        (said("user", {"type": "tool_result"}), f"{BLOCK}/tool_use_id"),
        (
            said("user", {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "x"}]}),
            f"{BLOCK}/content/0/type",
        ),
        (said("assistant", {"type": "tool_use", "name": "f"}), f"{BLOCK}/id"),
        (said("assistant", {"type": "tool_use", "id": "a", "name": ""}), f"{BLOCK}/name"),
        (said("assistant", {"type": "redacted_thinking"}), f"{BLOCK}/data"),
    ],
)
def test_what_is_wrong_is_a_400_that_points_to_it(body: Any, param: str | None) -> None:
    with pytest.raises(RequestError) as refused:
        parse(body)

    assert (400, param) == (refused.value.status, refused.value.param)
    assert refused.value.message.endswith(".")
    assert "expected" in refused.value.message
