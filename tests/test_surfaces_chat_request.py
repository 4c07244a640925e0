"""What a client may ask, field by field: it is read, or refused with its place and a sentence that helps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from headgate.dialects import dialect
from headgate.errors import RequestError
from headgate.messages import ChatRequest, Part, ToolCall
from headgate.surfaces import surface

USER = {"role": "user", "content": "hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f"}}
PNG = "data:image/png;base64,aGk="


def parse(body: Any, path: str = "/v1/chat/completions") -> ChatRequest:
    return surface("chat").parse(path, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def parsed(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return parse({"model": "m", "messages": messages or [USER], **fields})


def refused(body: Any, path: str = "/v1/chat/completions") -> RequestError:
    with pytest.raises(RequestError) as error:
        parse(body, path)

    return error.value


# -- how a body is spelled ------------------------------------------------------------------------------

LONG = {"role": "user", "content": 'A "text" of : many characters\n' * 200}


def spellings(body: dict[str, Any]) -> tuple[bytes, bytes]:
    """As JavaScript and newer Python clients write it, and as others do."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), json.dumps(body, indent=1).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"messages": [LONG]}, id="a text"),
        pytest.param(
            {"messages": [USER, LONG], "temperature": 0.5, "stop": ["a", "b"], "x": {"y": 1e-9}}, id="options"
        ),
        pytest.param({"messages": [LONG, {**USER, "name": "n"}]}, id="more than a text"),
        pytest.param({"messages": [LONG, {"role": "user", "content": [{"type": "text", "text": "x"}]}]}, id="parts"),
        pytest.param({"messages": [LONG], "tools": [TOOL], "tool_choice": "auto", "stream": True}, id="tools"),
        pytest.param({"messages": [LONG], "stream_options": {"include_usage": True, "z": 1}}, id="dropped"),
        pytest.param({"messages": [{**LONG, "content": "\u00e4\u2028\U0001f600" * 900}]}, id="beyond ASCII"),
    ],
)
def test_a_long_body_is_read_the_same_however_it_is_spelled(body: dict[str, Any]) -> None:
    """One that msgspec would spell the same has its texts read once; its options stay what they were."""
    plain, other = (parse(spelled) for spelled in spellings({"model": "m", **body}))
    asked = [dialect("openai").request(replace(chat, options={})) for chat in (plain, other)]
    options = [{name: json.loads(bytes(value)) for name, value in chat.options.items()} for chat in (plain, other)]

    assert options[0] == options[1]
    assert json.loads(asked[0].body) == json.loads(asked[1].body)
    assert (plain.dropped, plain.stream, plain.include_usage) == (other.dropped, other.stream, other.include_usage)
    assert body["messages"] == json.loads(asked[0].body)["messages"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [LONG, {"role": "robot", "content": "x"}]}, "/messages/1/role"),
        ({"messages": [LONG, {"role": "user"}]}, "/messages/1/content"),
        ({"messages": [LONG, {"role": "user", "content": 5}]}, "/messages/1/content"),
        ({"messages": [LONG, {"role": "tool", "content": "x"}]}, "/messages/1/tool_call_id"),
        ({"messages": [LONG, 5]}, "/messages/1"),
        ({"messages": {"a": LONG}}, "/messages"),
        ({"messages": [LONG], "temperature": 3}, "/temperature"),
        ({"messages": [LONG], "functions": [1]}, "/functions"),
        ({"messages": [LONG], "tools": [5]}, "/tools/0"),
    ],
)
def test_a_fault_in_a_long_body_has_its_place_however_it_is_spelled(body: dict[str, Any], param: str) -> None:
    plain, other = (refused(spelled) for spelled in spellings({"model": "m", **body}))

    assert param == plain.param
    assert (other.message, other.param) == (plain.message, plain.param)


# -- messages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_each_role_is_kept(role: str) -> None:
    assert (role, "hi") == (parsed({"role": role, "content": "hi"}).messages[0].role, "hi")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_has_one_name(name: str) -> None:
    assert "why" == parsed({"role": "assistant", "content": "x", name: "why"}).messages[0].reasoning


def test_the_first_reasoning_that_says_anything_counts() -> None:
    message = {"role": "assistant", "content": "x", "thinking": "c", "reasoning": "b", "reasoning_content": ""}

    assert "b" == parsed(message).messages[0].reasoning


def test_a_conversation_with_a_tool_is_read() -> None:
    found = parsed(
        USER, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "a", "content": "x"}
    )

    assert (None, (ToolCall("a", "f", "{}"),)) == (found.messages[1].content, found.messages[1].tool_calls)
    assert ("tool", "a", "x") == (found.messages[2].role, found.messages[2].tool_call_id, found.messages[2].content)


def test_functions_of_before_tools_become_tools() -> None:
    """Old histories are still sent; the result finds its call by the function's name."""
    called = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}}
    found = parsed(USER, called, {"role": "function", "name": "f", "content": "42"})

    assert (ToolCall("call_function_1", "f", '{"x":1}'),) == found.messages[1].tool_calls
    assert ("tool", "call_function_1", "f") == (
        found.messages[2].role,
        found.messages[2].tool_call_id,
        found.messages[2].name,
    )


def test_a_function_that_answers_two_calls_answers_the_last() -> None:
    first, second = ({"role": "assistant", "function_call": {"name": "f"}} for _ in range(2))
    result = {"role": "function", "name": "f", "content": "x"}
    found = parsed(first, result, second, result)

    assert ["call_function_0", "call_function_2"] == [message.tool_call_id for message in found.messages[1::2]]


def test_parts_are_kept_as_they_came() -> None:
    parts = [
        {"type": "text", "text": "see", "extra": 1},
        {"type": "refusal", "refusal": "no"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": "https://x.test/y.png"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://x.test/y.mp4"}},
    ]
    content = parsed({"role": "user", "content": parts}).messages[0].content

    assert isinstance(content, tuple)
    assert parts == [json.loads(bytes(part.raw)) for part in content]
    kinds = [
        ("text", "see"),
        ("text", "no"),
        ("image", PNG),
        ("image", "https://x.test/y.png"),
        ("audio", ""),
        ("other", ""),
    ]
    assert kinds == [(part.kind, part.text) for part in content]
    assert all(isinstance(part, Part) for part in content)


def test_what_has_no_place_in_a_message_is_named() -> None:
    message = {
        "role": "assistant",
        "content": "x",
        "audio": {"id": "a"},
        "tool_calls": [{**CALL, "index": 0, "extra_content": {"a": 1}, "function": {"name": "f", "parsed": 1}}],
        "function_call": {"name": "f"},
    }
    tool = {**TOOL, "cache_control": {"type": "x"}, "function": {"name": "f", "examples": [1]}}
    found = parsed(message, message, tools=[tool], stream_options={"include_obfuscation": True})

    assert (
        "messages[].audio",
        "messages[].tool_calls[].extra_content",
        "messages[].tool_calls[].function.parsed",
        "messages[].function_call",
        "tools[].cache_control",
        "tools[].function.examples",
        "stream_options.include_obfuscation",
    ) == found.dropped


def test_what_a_client_sends_back_empty_is_not_worth_a_word() -> None:
    """The OpenAI client's `model_dump()` of its own message has these."""
    empty: dict[str, Any] = {
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
        "x": {},
    }

    assert () == parsed({"role": "assistant", "content": "x", **empty}).dropped


# -- what is refused ------------------------------------------------------------------------------------


def with_message(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER, fields]}


def said(**fields: Any) -> dict[str, Any]:
    return with_message(role="assistant", **fields)


def with_part(**fields: Any) -> dict[str, Any]:
    return with_message(role="user", content=[{"type": "text", "text": "x"}, fields])


def with_field(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER], **fields}


MESSAGE = "/messages/1"
CALLED = "/messages/1/tool_calls/0"
PART = "/messages/1/content/1"


@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        ([], None, "expected an object as the request, got an array of 0."),
        ({}, "/model", "expected the name of a model at /model, got nothing."),
        ({"model": None, "messages": [USER]}, "/model", "got null"),
        ({"model": "", "messages": [USER]}, "/model", "expected a string of length >= 1 at /model, got a string of 0"),
        ({"model": "m"}, "/messages", "expected an array of messages at /messages, got nothing."),
        ({"model": "m", "messages": []}, "/messages", "expected at least one message at /messages, got an array of 0."),
        ({"model": "m", "messages": ["x"]}, "/messages/0", "expected an object at /messages/0, got a string of 1"),
        (with_message(content="x"), f"{MESSAGE}/role", "got nothing"),
        (with_message(role="robot", content="x"), f"{MESSAGE}/role", "one of system, developer, user"),
        (with_message(role=None, content="x"), f"{MESSAGE}/role", "expected a string"),
        (with_message(role="user"), f"{MESSAGE}/content", "a string or an array of parts"),
        (with_message(role="tool", tool_call_id="a"), f"{MESSAGE}/content", "got nothing"),
        (with_message(role="user", content=5), f"{MESSAGE}/content", "expected a string or an array"),
        (with_message(role="user", content="x", name=5), f"{MESSAGE}/name", "got 5."),
        (with_message(role="tool", content="x"), f"{MESSAGE}/tool_call_id", "the id of the call"),
        (with_message(role="tool", content="x", tool_call_id=""), f"{MESSAGE}/tool_call_id", "length >= 1"),
        (with_message(role="function", content="x"), f"{MESSAGE}/name", "a function that was called before"),
        (with_message(role="function", content="x", name="f"), f"{MESSAGE}/name", "a function that was called before"),
        (said(tool_calls={}), f"{MESSAGE}/tool_calls", "expected an array"),
        (said(tool_calls=[{**CALL, "id": None}]), f"{CALLED}/id", "a string"),
        (said(tool_calls=[{"function": {"name": "f"}}]), f"{CALLED}/id", "got nothing"),
        (said(tool_calls=[{"id": "a", "function": {}}]), f"{CALLED}/function/name", "got nothing"),
        (said(tool_calls=[{**CALL, "type": "custom"}]), f"{CALLED}/type", '"function"'),
        (said(function_call={"name": "f", "arguments": []}), f"{MESSAGE}/function_call/arguments", "an object or its"),
        (said(function_call={"arguments": "{}"}), f"{MESSAGE}/function_call/name", "got nothing"),
        (said(content="x", reasoning_content=[]), f"{MESSAGE}/reasoning_content", "expected a string"),
        (with_part(text="x"), f"{PART}/type", "got nothing"),
        (with_part(type="banana"), f"{PART}/type", "one of text, refusal, image_url"),
        (with_part(type="type"), f"{PART}/type", "one of text"),
        (with_part(type=5), f"{PART}/type", "expected a string"),
        (with_part(type="text"), f"{PART}/text", "got nothing"),
        (with_part(type="text", text=5), f"{PART}/text", "got 5."),
        (with_part(type="image_url"), f"{PART}/image_url", "got nothing"),
        (with_part(type="image_url", image_url={}), f"{PART}/image_url/url", "got nothing"),
        (with_part(type="image_url", image_url={"url": "file:///etc/passwd"}), f"{PART}/image_url/url", "a data: URI"),
        (with_part(type="image_url", image_url="aGk="), f"{PART}/image_url", "a data: URI"),
        (with_part(type="input_audio", input_audio={"data": "x"}), f"{PART}/input_audio/format", "got nothing"),
        (with_field(tools={}), "/tools", "expected an array"),
        (with_field(tools=[{"type": "function"}]), "/tools/0/function", "got nothing"),
        (with_field(tools=[TOOL, {**TOOL, "type": "web_search"}]), "/tools/1/type", '"function"'),
        (with_field(tools=[{"function": {"name": ""}}]), "/tools/0/function/name", "length >= 1"),
        (with_field(tools=[{"function": {"name": "f", "parameters": []}}]), "/tools/0/function/parameters", "a JSON"),
        (with_field(tool_choice="any"), "/tool_choice", "one of auto, none, required"),
        (with_field(tool_choice={"type": "allowed_tools"}), "/tool_choice/type", '"function"'),
        (with_field(tool_choice={"type": "function", "function": {}}), "/tool_choice/function/name", "a function"),
        (with_field(tool_choice={"type": "function"}), "/tool_choice/function/name", "got nothing"),
        (with_field(response_format="json"), "/response_format", "expected an object"),
        (with_field(response_format={}), "/response_format/type", "got nothing"),
        (with_field(response_format={"type": "xml"}), "/response_format/type", "one of text, json_object"),
        (with_field(response_format={"type": "json_schema"}), "/response_format/json_schema", "expected an object"),
        (with_field(stop=5), "/stop", "expected a string or an array"),
        (with_field(stop=["x", 5]), "/stop/1", "expected a string at /stop/1, got 5."),
        (with_field(temperature=2.01), "/temperature", "expected a number <= 2.0 at /temperature, got 2.01."),
        (with_field(temperature=-0.1), "/temperature", "expected a number >= 0.0 at /temperature, got -0.1."),
        (with_field(temperature="1"), "/temperature", "expected a number at /temperature, got a string of 1"),
        (with_field(temperature=True), "/temperature", "got true."),
        (with_field(top_p=1.5), "/top_p", "expected a number <= 1.0"),
        (with_field(top_p=-1), "/top_p", "expected a number >= 0.0"),
        (with_field(min_p=2), "/min_p", "<= 1.0"),
        (with_field(top_k=1.5), "/top_k", "a whole number"),
        (with_field(seed="x"), "/seed", "a number"),
        (with_field(presence_penalty=[]), "/presence_penalty", "a number"),
        (with_field(max_tokens=-1), "/max_tokens", "expected a whole number >= 0 at /max_tokens, got -1."),
        (with_field(max_tokens=1.5), "/max_tokens", "expected a whole number"),
        (with_field(max_completion_tokens=-1), "/max_completion_tokens", ">= 0"),
        (with_field(num_ctx=0), "/num_ctx", ">= 1"),
        (with_field(num_predict=-3), "/num_predict", ">= -2"),
        (with_field(top_logprobs=-1), "/top_logprobs", ">= 0"),
        (with_field(logprobs=1), "/logprobs", "expected true or false"),
        (with_field(logit_bias={"5": "x"}), "/logit_bias", "a number"),
        (with_field(n=0), "/n", "expected a whole number >= 1 at /n, got 0."),
        (with_field(n=129), "/n", "<= 128"),
        (with_field(user=5), "/user", "expected a string"),
        (with_field(metadata=[]), "/metadata", "expected an object"),
        (with_field(stream="yes"), "/stream", "expected true or false"),
        (with_field(stream_options={"include_usage": 1}), "/stream_options/include_usage", "true or false"),
        (with_field(parallel_tool_calls="no"), "/parallel_tool_calls", "true or false"),
        (with_field(reasoning_effort=5), "/reasoning_effort", "expected a string"),
        (with_field(think=5), "/think", "expected true or false or a string"),
        (with_field(options="x"), "/options", "expected an object"),
        (b'{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}', "/messages/0/content", "key once"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"top_p":NaN}', "/top_p", "got NaN"),
    ],
)  # fmt: skip
def test_a_fault_is_a_400_with_its_place_and_what_was_expected(body: Any, param: str | None, sentence: str) -> None:
    error = refused(body)

    assert ("invalid_request", 400, param) == (error.code, error.status, error.param)
    assert sentence in error.message


@pytest.mark.parametrize(("legacy", "name"), [("functions", "tools"), ("function_call", "tool_choice")])
def test_the_fields_of_before_tools_are_refused_with_their_successors(legacy: str, name: str) -> None:
    """A client that sends them reads `function_call` in the reply, and would find nothing there."""
    error = refused(with_field(**{legacy: []}))

    assert ("unsupported", 400, f"/{legacy}") == (error.code, error.status, error.param)
    assert f"Send {name} instead" in error.message


def test_a_refusal_shows_no_text_of_the_clients() -> None:
    for body in (with_message(role="secret", content="x"), with_part(type="secret"), with_field(temperature="secret")):
        assert "secret" not in refused(body).message


# -- POST /chat -----------------------------------------------------------------------------------------


def test_a_prompt_is_a_users_message_and_streams() -> None:
    found = parse({"prompt": "hi"}, "/chat")

    assert [("user", "hi")] == [(message.role, message.content) for message in found.messages]
    assert ("", True, {}) == (found.model, found.stream, found.options)


def test_chat_takes_messages_and_every_other_field_too() -> None:
    found = parse(
        {"messages": [USER], "model": "m", "stream": False, "seed": 7, "stream_options": {"include_usage": True}},
        "/chat",
    )

    assert parsed(seed=7, stream_options={"include_usage": True}) == found


@pytest.mark.parametrize(("stream", "streams"), [(True, True), (False, False), (None, True)])
def test_chat_streams_unless_it_is_told_not_to(stream: bool | None, streams: bool) -> None:  # noqa: FBT001 - a table's columns
    assert streams == parse({"prompt": "hi", "stream": stream}, "/chat").stream


@pytest.mark.parametrize(
    ("body", "param", "sentence"),
    [
        ({}, "/prompt", "expected a prompt (or messages) at /prompt, got nothing."),
        ({"prompt": "x", "messages": [USER]}, "/prompt", "got both"),
        ({"prompt": ["x"]}, "/prompt", "expected a string"),
        ({"messages": []}, "/messages", "at least one message"),
        ({"messages": [{"role": "robot"}]}, "/messages/0/role", "one of system"),
        ({"prompt": "x", "model": ""}, "/model", "length >= 1"),
        ({"prompt": "x", "temperature": 3}, "/temperature", "<= 2.0"),
    ],
)
def test_chat_refuses_what_it_cannot_read(body: Any, param: str, sentence: str) -> None:
    error = refused(body, "/chat")

    assert ("invalid_request", 400, param) == (error.code, error.status, error.param)
    assert sentence in error.message


def test_a_prompt_belongs_to_chat_only() -> None:
    assert ["prompt"] == list(parsed(prompt="x").options)
    assert "/chat" in surface("chat").paths
