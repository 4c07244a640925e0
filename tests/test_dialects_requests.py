"""The requests that the dialects send: the same request gives the same bytes, and nothing is dropped in silence."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from headgate.dialects import dialect
from headgate.dialects.ollama_request_table import RULES as OLLAMA_RULES
from headgate.errors import RequestError
from headgate.messages import ChatRequest, HttpRequest
from headgate.surfaces import surface

USER = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["b"]}
TOOL = {"type": "function", "function": {"name": "f", "description": "Does f", "parameters": SCHEMA, "strict": True}}
PNG = "data:image/png;base64,aGk="


def parsed(**body: Any) -> ChatRequest:
    """A request as a client sends it."""
    whole = {"model": "m", "messages": [USER], **body}
    return surface("chat").parse("/v1/chat/completions", {}, json.dumps(whole).encode())


def sent(engine: str, **body: Any) -> dict[str, Any]:
    """The body that an engine is sent."""
    return dict(json.loads(request(engine, **body).body))


def request(engine: str, **body: Any) -> HttpRequest:
    return dialect(engine).request(parsed(**body))


@pytest.mark.parametrize("engine", ["openai", "ollama"])
def test_the_same_request_gives_the_same_bytes(engine: str) -> None:
    """Prompt caches compare bytes; a tool schema whose keys move costs the whole prompt again."""
    body = {"tools": [TOOL], "temperature": 0.1, "stop": ["x"], "seed": 7, "user": "u"}

    assert request(engine, **body) == request(engine, **body)
    assert b'"properties":{"b"' in request(engine, **body).body.replace(b" ", b"")


# -- openai ------------------------------------------------------------------------------------------------


def test_openai_is_asked_to_stream_and_for_usage_whatever_the_client_wants() -> None:
    for body in ({}, {"stream": False}, {"stream": True, "stream_options": {"include_usage": False}}):
        found = request("openai", **body)

        assert ("POST", "/v1/chat/completions", ()) == (found.method, found.path, found.dropped)
        assert {
            "model": "m",
            "messages": [USER],
            "stream": True,
            "stream_options": {"include_usage": True},
        } == json.loads(found.body)


def test_openai_gets_every_option_verbatim_in_its_order() -> None:
    """Engines have dozens of options that nobody else needs to know."""
    options = {
        "min_p": 0.05,
        "logit_bias": {"5": -100},
        "chat_template_kwargs": {"enable_thinking": False},
        "n_probs": 2,
    }
    found = request("openai", **options, temperature=None)

    assert options == {name: value for name, value in json.loads(found.body).items() if name in options}
    assert b"temperature" not in found.body
    assert list(options) == [name for name in json.loads(found.body) if name in options]


def test_openai_gets_the_conversation_as_it_was() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "why",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"b": "x"}'}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "a"},
    ]

    assert messages == sent("openai", messages=messages)["messages"]


def test_openai_gets_reasoning_under_one_name() -> None:
    for name in ("reasoning_content", "reasoning", "thinking"):
        message = {"role": "assistant", "content": "hi", name: "why"}

        assert [{"role": "assistant", "content": "hi", "reasoning_content": "why"}] == sent(
            "openai", messages=[message]
        )["messages"]


def test_openai_gets_tools_and_choices() -> None:
    named = {"type": "function", "function": {"name": "f"}}

    assert [TOOL] == sent("openai", tools=[TOOL])["tools"]
    assert [] == sent("openai", tools=[])["tools"]
    assert [named] == sent("openai", tools=[named])["tools"]
    assert "tools" not in sent("openai", tools=None)
    assert named == sent("openai", tools=[TOOL], tool_choice=named)["tool_choice"]
    assert "none" == sent("openai", tools=[TOOL], tool_choice="none")["tool_choice"]
    assert 2 == sent("openai", n=2)["n"]
    assert "n" not in sent("openai", n=1)


# -- ollama ------------------------------------------------------------------------------------------------


def test_ollama_is_asked_for_a_chat() -> None:
    found = request("ollama")

    assert ("POST", "/api/chat", ()) == (found.method, found.path, found.dropped)
    assert {"model": "m", "messages": [USER], "stream": True} == json.loads(found.body)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        (name, rule.to.removeprefix("options."))
        for name, rule in OLLAMA_RULES.rules.items()
        if rule.action == "rename" and rule.to.startswith("options.")
    ],
)
def test_ollama_gets_options_under_its_own_names(name: str, theirs: str) -> None:
    body = sent("ollama", **{name: 1})

    assert ({theirs: 1}, False) == (body["options"], name in body)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"stop": "x"}, {"options": {"stop": ["x"]}}),
        ({"stop": ["x", "y"]}, {"options": {"stop": ["x", "y"]}}),
        ({"temperature": 1, "options": {"num_ctx": 9}}, {"options": {"num_ctx": 9, "temperature": 1}}),
        ({"response_format": {"type": "json_object"}}, {"format": "json"}),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, {"format": SCHEMA}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
            {"format": SCHEMA},
        ),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {"format": "json"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"reasoning_effort": "minimal"}, {"think": "low"}),
        ({"reasoning_effort": "high"}, {"think": "high"}),
        ({"reasoning_effort": "xhigh"}, {"think": "max"}),
        ({"chat_template_kwargs": {"enable_thinking": False}}, {"think": False}),
        (
            {"keep_alive": -1, "format": "json", "logprobs": True, "top_logprobs": 2},
            {"keep_alive": -1, "format": "json", "logprobs": True, "top_logprobs": 2},
        ),
    ],
)
def test_ollama_gets_the_same_meaning_in_its_own_words(option: dict[str, Any], expected: dict[str, Any]) -> None:
    found = request("ollama", **option)

    assert {"model": "m", "messages": [USER], "stream": True, **expected} == json.loads(found.body)
    assert () == found.dropped


def test_ollama_names_what_it_has_no_word_for() -> None:
    """Whoever sets `user` and sees no difference must be able to find out why."""
    unserved = {"user": "u", "parallel_tool_calls": False, "no such thing": 1}
    found = request("ollama", **unserved, tools=[TOOL], messages=[{**USER, "name": "ann"}])

    assert ("messages[].name", "tools[].function.strict", *unserved) == found.dropped


def test_ollama_gets_the_conversation_in_its_own_shape() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": PNG}},
                {"type": "text", "text": "b"},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning": "why",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"b": "x"}'}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "a"},
        {"role": "function", "name": "g", "content": "43", "tool_call_id": "zzz"},
    ]

    assert [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a\nb", "images": ["aGk="]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "why",
            "tool_calls": [{"id": "a", "function": {"index": 0, "name": "f", "arguments": {"b": "x"}}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "a", "tool_name": "f"},
        {"role": "tool", "content": "43", "tool_call_id": "zzz", "tool_name": "g"},
    ] == sent("ollama", messages=messages)["messages"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (" ", {}),
        ("{}", {}),
        ('{"a":1}', {"a": 1}),
        ("[1]", {"arguments": "[1]"}),
        ('{"a"', {"arguments": '{"a"'}),
        ("[" * 5000, {"arguments": "[" * 5000}),
    ],
)
def test_ollama_gets_arguments_as_an_object_whatever_the_history_holds(
    arguments: str, expected: dict[str, Any]
) -> None:
    """A call that was cut off stays in histories; it must not break the next request."""
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    body = sent("ollama", messages=[{"role": "assistant", "content": None, "tool_calls": calls}])

    assert expected == body["messages"][0]["tool_calls"][0]["function"]["arguments"]


def test_ollama_gets_tools_unless_they_are_forbidden() -> None:
    bare = {"type": "function", "function": {"name": "g"}}
    function = {name: value for name, value in TOOL["function"].items() if name != "strict"}  # type: ignore[attr-defined]

    assert [{"type": "function", "function": function}] == sent("ollama", tools=[TOOL])["tools"]
    assert [
        {**bare, "function": {"name": "g", "description": "", "parameters": {"type": "object", "properties": {}}}}
    ] == sent("ollama", tools=[bare])["tools"]
    assert "tools" not in sent("ollama", tools=[TOOL], tool_choice="none")
    assert "tools" not in sent("ollama", tools=[])
    assert request("ollama", tools=[bare], tool_choice="auto").dropped == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "/n"),
        ({"logit_bias": {"5": 1}}, "/logit_bias"),
        ({"tools": [TOOL], "tool_choice": "required"}, "/tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "/tool_choice"),
        ({"reasoning_effort": "some"}, "/reasoning_effort"),
        ({"modalities": ["text", "audio"]}, "/modalities"),
        (
            {
                "messages": [
                    USER,
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "a"},
                            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                        ],
                    },
                ]
            },
            "/messages/1/content/1/image_url",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}],
                    }
                ]
            },
            "/messages/0/content/0/type",
        ),
        ({"response_format": {"type": "structural_tag"}}, "/response_format/type"),
    ],
)
def test_ollama_refuses_what_would_change_the_answer_and_names_the_field(body: dict[str, Any], param: str) -> None:
    """Half a request would be answered, wrongly, and nobody would know."""
    with pytest.raises(RequestError) as refused:
        request("ollama", **body)

    assert ("unsupported", param, 400) == (refused.value.code, refused.value.param, refused.value.status)


@pytest.mark.parametrize("value", [None, True, 1, "x", [], {}, [None], {"type": 5}])
@pytest.mark.parametrize("name", ["response_format", "reasoning_effort", "stop", "options", "think", "tool_choice"])
def test_options_of_any_type_are_sent_or_refused_and_never_raise_anything_else(name: str, value: Any) -> None:
    """The body is the client's; a fault in it is the client's to read."""
    for engine in ("openai", "ollama"):
        assert fate(engine, {name: value}) in {"sent", f"{name} refused"}


def fate(engine: str, body: dict[str, Any]) -> str:
    try:
        return "sent" if msgspec.json.decode(request(engine, **body).body) else "lost"
    except RequestError as refused:
        return f"{(refused.param or '').split('/')[1]} refused"
