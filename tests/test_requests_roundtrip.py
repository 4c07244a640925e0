"""OpenAI requests through each dialect's request form and back lose nothing that its table does not list.

The way back is written here, from the engines' documents alone: what an engine would understand is compared, field by
field, with what the client said. A difference must be a row of the table, and a loss must be named to the client.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import msgspec
from anything import anything, changed_somewhere
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.dialects import dialect, ollama_request_table, openai_request
from headgate.dialects.request_table import asks_for_nothing
from headgate.errors import RequestError
from headgate.messages import HttpRequest
from headgate.surfaces import surface

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text("abcdefgh_", min_size=1, max_size=6)
SCHEMA = st.dictionaries(NAME, st.none() | st.integers() | TEXT | st.lists(NAME, max_size=2), max_size=3)
PNG = "data:image/png;base64,aGk="


def message(role: str, *, required: dict[str, st.SearchStrategy[Any]], **fields: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries({"role": st.just(role), **required}, optional=fields)


CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": NAME,
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": NAME, "arguments": SCHEMA.map(json.dumps) | st.sampled_from(["", "{", "[1]", '{"a":1.10}'])}
            ),
        }
    ),
    min_size=1,
    max_size=3,
)
TEXT_PART = st.fixed_dictionaries({"type": st.just("text"), "text": TEXT})
IMAGE_PART = st.fixed_dictionaries(
    {
        "type": st.just("image_url"),
        "image_url": st.fixed_dictionaries(
            {"url": st.sampled_from([PNG, "data:image/jpeg;base64,eHg=", "https://x.test/y.png"])},
            optional={"detail": st.sampled_from(["low", "high"])},
        ),
    }
)
AUDIO_PART = st.just({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}})
CONTENT = TEXT | st.lists(TEXT_PART | TEXT_PART | IMAGE_PART | AUDIO_PART, min_size=1, max_size=3)
REASONING = dict.fromkeys(("reasoning_content", "reasoning", "thinking"), TEXT)
MESSAGES = st.lists(
    st.one_of(
        message("system", required={"content": TEXT}),
        message("developer", required={"content": TEXT}),
        message("user", required={"content": CONTENT}, name=NAME),
        message(
            "assistant",
            required={"content": st.none() | TEXT},
            tool_calls=CALLS,
            refusal=TEXT,
            name=NAME,
            annotations=SCHEMA,
            **REASONING,
        ),
        message("tool", required={"content": TEXT, "tool_call_id": NAME}, name=NAME),
    ),
    min_size=1,
    max_size=5,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": NAME}, optional={"description": TEXT, "parameters": SCHEMA, "strict": st.booleans()}
            ),
        }
    ),
    max_size=3,
)
SHARE = st.floats(0, 1)
COUNT = st.integers(0, 2**40)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "tools": TOOLS,
    "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "f"}}]),
    "n": st.integers(1, 3),
    "temperature": st.floats(0, 2),
    "top_p": SHARE,
    "min_p": SHARE,
    "top_k": COUNT,
    "seed": st.integers(),
    "presence_penalty": SHARE,
    "max_tokens": COUNT,
    "max_completion_tokens": COUNT,
    "repetition_penalty": SHARE,
    "repeat_penalty": SHARE,
    "stop": TEXT | st.lists(TEXT, max_size=3),
    "response_format": st.sampled_from(
        [
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"b": 1, "a": 2}}},
        ]
    ),
    "reasoning_effort": st.sampled_from(["none", "low", "medium", "high", "max"]),
    "chat_template_kwargs": st.fixed_dictionaries({}, optional={"enable_thinking": st.booleans(), "x": TEXT}),
    "think": st.booleans(),
    "keep_alive": st.sampled_from([-1, "5m"]),
    "num_ctx": st.integers(1, 2**20),
    "options": st.fixed_dictionaries(
        {}, optional={"num_ctx": COUNT, "temperature": SHARE, "num_predict": COUNT, "stop": st.lists(TEXT), "x": TEXT}
    ),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "logit_bias": st.dictionaries(NAME, SHARE, max_size=2),
    "parallel_tool_calls": st.booleans(),
    "user": TEXT,
    "metadata": st.dictionaries(NAME, TEXT, max_size=2),
    "echo": st.booleans(),
    "xtc_probability": SHARE,
    "no_such_field": SCHEMA,
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries(
        {}, optional={"include_usage": st.booleans(), "include_obfuscation": st.booleans()}
    ),
}


def is_served(messages: list[dict[str, Any]]) -> bool:
    return "https:" not in str(messages) and "audio" not in str(messages)


REFUSED = {"tool_choice", "n", "logit_bias", "echo"}


def bodies(messages: st.SearchStrategy[Any], without: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: st.none() | value for name, value in FIELDS.items() if name not in without}
    return st.fixed_dictionaries({"model": NAME, "messages": messages}, optional=fields)


BODIES = bodies(MESSAGES, set())
SERVED = bodies(MESSAGES.filter(is_served), REFUSED)

OPENAI, OLLAMA = openai_request.RULES, ollama_request_table.RULES
STRUCTURE = {"model", "messages", "tools", "tool_choice", "n", "stream", "stream_options"}


def asked(engine: str, body: dict[str, Any]) -> HttpRequest:
    chat = surface("chat").parse("/v1/chat/completions", {}, json.dumps(body).encode())
    return dialect(engine).request(chat)


def reasoning_of(given: dict[str, Any]) -> str:
    return next((given[name] for name in REASONING if given.get(name)), "")


def named(found: HttpRequest, *names: str) -> bool:
    return all(name in found.dropped for name in names)


# -- OpenAI-style engines -------------------------------------------------------------------------------


@given(BODIES)
def test_an_openai_style_engine_understands_what_the_client_said(body: dict[str, Any]) -> None:
    found = asked("openai", body)
    sent = json.loads(found.body)

    assert body["model"] == sent["model"]
    assert [understood(given) for given in body["messages"]] == sent["messages"]
    assert named(found, *["messages[].annotations" for given in body["messages"] if given.get("annotations")])
    assert (body.get("tools"), body.get("tool_choice")) == (sent.get("tools"), sent.get("tool_choice"))
    assert (body.get("n") or 1) == sent.get("n", 1)
    for name in body.keys() - STRUCTURE:
        if body[name] is not None and OPENAI[name].action == "pass":
            assert body[name] == sent[name]
        elif body[name] is not None:
            assert named(found, name)
            assert name not in sent


def understood(given: dict[str, Any]) -> dict[str, Any]:
    """A message as the table says that it is sent on."""
    expected = {name: value for name, value in given.items() if name not in {*REASONING, "annotations"}}
    if not expected.get("refusal", True):
        del expected["refusal"]
    return expected | ({"reasoning_content": reasoning_of(given)} if reasoning_of(given) else {})


# -- Ollama ---------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(BODIES | SERVED)
def test_ollama_understands_what_the_client_said_or_the_client_is_told(body: dict[str, Any]) -> None:
    try:
        found = asked("ollama", body)
    except RequestError as refused:
        check_refusal(body, refused)
        return
    sent = json.loads(found.body)

    assert body["model"] == sent["model"]
    calls = {call["id"]: call["function"]["name"] for one in body["messages"] for call in one.get("tool_calls", ())}
    for given_one, sent_one in zip(body["messages"], sent["messages"], strict=True):
        check_message(given_one, sent_one, calls, found)
    check_tools(body, sent.get("tools", []), found)
    for name in body.keys() - STRUCTURE:
        if body[name] is not None:
            check_option(name, body, sent, found)


def check_refusal(body: dict[str, Any], refused: RequestError) -> None:
    """Check that the table lists the refusal of the field that the error points to."""
    _, name, *inner = (refused.param or "").split("/")
    if name == "messages":
        part = body["messages"][int(inner[0])]["content"][int(inner[2])]
        assert "refuse" == OLLAMA.rules[f"messages[].content[].{part['type']}"].action
    else:
        assert "refuse" == OLLAMA[name].action
        assert not asks_for_nothing(json.dumps(body[name]).encode())
    assert "unsupported" == refused.code


def check_message(given: dict[str, Any], sent: dict[str, Any], calls: dict[str, str], found: HttpRequest) -> None:
    content = given["content"]
    parts: list[dict[str, Any]] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    images = [part["image_url"] for part in parts if part["type"] == "image_url"]

    assert {"developer": "system"}.get(given["role"], given["role"]) == sent["role"]
    assert (text or given.get("refusal") or "") == sent["content"]
    assert not (text and given.get("refusal")) or named(found, "messages[].refusal")
    assert [image["url"].partition(",")[2] for image in images] == sent.get("images", [])
    assert named(found, *["messages[].content[].image_url.detail" for image in images if "detail" in image])
    assert reasoning_of(given) == sent.get("thinking", "")
    assert [call_of(call) for call in given.get("tool_calls", ())] == [
        back(call) for call in sent.get("tool_calls", ())
    ]
    assert given.get("tool_call_id") == sent.get("tool_call_id")
    if "tool_call_id" in given:
        assert (calls.get(given["tool_call_id"]) or given.get("name") or "") == sent["tool_name"]
    if "name" in given and given["name"] != sent.get("tool_name"):
        assert named(found, "messages[].name")
    assert not given.get("annotations") or named(found, "messages[].annotations")


def call_of(call: dict[str, Any]) -> tuple[str, str, Any]:
    text = call["function"]["arguments"]
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    return call["id"], call["function"]["name"], value if isinstance(value, dict) else {"arguments": text}


def back(call: dict[str, Any]) -> tuple[str, str, Any]:
    return call["id"], call["function"]["name"], call["function"]["arguments"]


def check_tools(body: dict[str, Any], sent: list[dict[str, Any]], found: HttpRequest) -> None:
    tools = [tool["function"] for tool in body.get("tools") or ()]
    allowed = [] if body.get("tool_choice") == "none" else tools

    assert body.get("tool_choice") in {None, "auto", "none"}
    assert (body.get("n") or 1) == 1
    assert [
        {
            "name": tool["name"],
            "description": tool.get("description", ""),
            "parameters": tool.get("parameters", {"type": "object", "properties": {}}),
        }
        for tool in allowed
    ] == [tool["function"] for tool in sent]
    assert not any(tool.get("strict") for tool in allowed) or named(found, "tools[].function.strict")


def check_option(name: str, body: dict[str, Any], sent: dict[str, Any], found: HttpRequest) -> None:
    value, rule = body[name], OLLAMA[name]
    if name in found.dropped:
        assert rule.action == "drop" or is_outdone(name, body)
        return
    match rule.action:
        case "pass":
            assert value == sent[name]
        case "rename":
            assert value == sent["options"][rule.to.removeprefix("options.")]
        case "refuse":
            assert asks_for_nothing(json.dumps(value).encode())
        case _:
            check_change(name, value, sent, found)


def is_outdone(name: str, body: dict[str, Any]) -> bool:
    """Whether another field that the table names for the same thing was given too."""
    rivals = {other for other in body if body[other] is not None and other != name}
    same = {other for other, rule in OLLAMA.rules.items() if rule.to == OLLAMA[name].to and rule.action == "rename"}
    goes_before = {"reasoning_effort": {"think"}, "response_format": {"format"}}
    return bool(rivals & (same | goes_before.get(name, set())))


def check_change(name: str, value: Any, sent: dict[str, Any], found: HttpRequest) -> None:
    match name:
        case "stop":
            assert ([value] if isinstance(value, str) else value) == sent["options"]["stop"]
        case "response_format":
            schema = value.get("json_schema", {}).get("schema")
            assert (None if value["type"] == "text" else schema or "json") == sent.get("format")
        case "reasoning_effort":
            assert (False if value == "none" else value) == sent["think"]
        case "chat_template_kwargs":
            for inner in value:
                told = f"chat_template_kwargs.{inner}" in found.dropped
                assert told or (inner == "enable_thinking" and value[inner] == sent["think"])
        case "options":
            for inner in value:
                assert f"options.{inner}" in found.dropped or value[inner] == sent["options"][inner]
        case _:
            raise AssertionError(name)


# -- anything at all ------------------------------------------------------------------------------------

ANYTHING = anything(["auto", "text"], ["type", "text", "url", "name"])


@settings(max_examples=500)
@given(BODIES, st.data())
def test_a_body_with_anything_anywhere_is_served_or_refused_with_a_pointer(
    body: dict[str, Any], data: st.DataObject
) -> None:
    """A fault in the body is the client's to read, never an exception of ours."""
    changed = changed_somewhere(body, data, ANYTHING)

    assert {refusal_of(engine, changed) for engine in ("openai", "ollama")} <= {None, 400}


def refusal_of(engine: str, body: dict[str, Any]) -> int | None:
    try:
        json.loads(asked(engine, body).body)
    except RequestError as refused:
        return refused.status if refused.param is None or refused.param.startswith("/") else 0
    return None


# -- the same bytes -------------------------------------------------------------------------------------


@given(BODIES | SERVED)
def test_the_same_request_gives_the_same_bytes(body: dict[str, Any]) -> None:
    """An engine keeps a prompt for as long as the next one begins with the same bytes."""
    for engine in ("openai", "ollama"):
        try:
            first = asked(engine, body)
        except RequestError:
            continue
        assert first == asked(engine, json.loads(json.dumps(body)))


@given(BODIES | SERVED, st.randoms())
def test_the_order_of_fields_moves_options_and_nothing_else(body: dict[str, Any], random: Any) -> None:
    """Two orders are two requests, but they mean the same, and the messages and tools are the same bytes."""
    names = list(body)
    random.shuffle(names)
    for engine in ("openai", "ollama"):
        try:
            first = asked(engine, body)
        except RequestError:
            continue
        second = asked(engine, {name: body[name] for name in names})

        assert json.loads(first.body) == json.loads(second.body)
        assert sorted(first.dropped) == sorted(second.dropped)
        assert messages_of(first) == messages_of(second)


def messages_of(found: HttpRequest) -> tuple[bytes, ...]:
    raw = msgspec.json.decode(found.body, type=dict[str, msgspec.Raw])
    return tuple(bytes(raw.get(name, b"")) for name in ("model", "messages", "tools"))


def test_another_process_gives_the_same_bytes() -> None:
    """Hashes of strings differ from process to process; nothing may follow their order."""
    code = (
        "import json, sys\n"
        "from headgate.dialects import dialect\n"
        "from headgate.surfaces import surface\n"
        "names = 'zeta alpha mid user metadata seed'.split()\n"
        "message = {'role': 'assistant', 'content': 'x', **dict.fromkeys(names, 'y')}\n"
        "body = {'model': 'm', 'messages': [message], **dict.fromkeys('b a seed top_k num_ctx'.split(), 1)}\n"
        "chat = surface('chat').parse('/chat', {}, json.dumps(body).encode())\n"
        "print([dialect(name).request(chat) for name in ('openai', 'ollama')])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert 1 == len(outputs)
    assert b"messages[].zeta" in outputs.pop()
