"""Ollama's requests through each dialect's request form and back lose nothing that is not named or documented.

The way back is written here, from the engines' documents alone: what an engine would understand is compared, field by
field, with what the client said. A difference must be in `docs/ollama.md`, and a loss must be named to the client.
"""

from __future__ import annotations

import json
from typing import Any

from anything import anything, changed_somewhere
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.dialects import dialect
from headgate.errors import RequestError
from headgate.messages import HttpRequest
from headgate.surfaces import surface

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text("abcdefgh_", min_size=1, max_size=6)
VALUE = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.lists(NAME, max_size=2)
OBJECT = st.dictionaries(NAME, VALUE, max_size=3)
IMAGES = st.lists(st.sampled_from(["aGkh", "iVBORw0KGgo=", "/9j/4AAQ"]), max_size=2)


def message_of(role: str, **fields: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries({"role": st.just(role)}, optional={"content": TEXT, **fields})


CALLS = st.lists(
    st.fixed_dictionaries(
        {"function": st.fixed_dictionaries({"name": NAME, "arguments": OBJECT}, optional={"index": st.integers(0, 9)})},
        optional={"id": NAME, "type": st.just("function")},
    ),
    max_size=3,
)
MESSAGES = st.lists(
    st.one_of(
        message_of("system"),
        message_of("user", images=IMAGES),
        message_of("assistant", thinking=TEXT, tool_calls=CALLS),
        message_of("tool", tool_name=NAME, tool_call_id=NAME),
    ),
    max_size=6,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"function": st.fixed_dictionaries({"name": NAME}, optional={"description": TEXT, "parameters": OBJECT})},
        optional={"type": st.just("function")},
    ),
    max_size=2,
)
SHARE, COUNT = st.floats(0, 1), st.integers(0, 2**40)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty"), SHARE),
        **dict.fromkeys(("top_k", "seed", "num_keep", "num_thread", "repeat_last_n"), COUNT),
        "num_predict": st.integers(-2, 2**40),
        "num_ctx": st.integers(1, 2**20),
        "stop": st.lists(TEXT, max_size=3),
        "use_mmap": st.booleans(),
        "mirostat": COUNT,
        "made_up": VALUE,
    },
)
FIELDS = {
    "tools": TOOLS,
    "think": st.booleans() | st.sampled_from(["low", "medium", "high", "max"]),
    "format": st.just("json") | OBJECT.filter(bool),
    "options": SETTINGS,
    "keep_alive": st.sampled_from([-1, 0, "5m"]),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "truncate": st.booleans(),
    "shift": st.booleans(),
    "stream": st.booleans(),
    "no_such_field": OBJECT,
}
BODIES = st.fixed_dictionaries(
    {"model": NAME, "messages": MESSAGES}, optional={name: st.none() | value for name, value in FIELDS.items()}
)
# What an OpenAI-style engine has no word for, and is named for it (docs/requests.md).
ONLY_OLLAMAS = {"keep_alive", "truncate", "shift", "num_keep", "num_thread", "num_ctx", "use_mmap"}


def asked(engine: str, body: dict[str, Any], name: str = "ollama") -> tuple[dict[str, Any], HttpRequest]:
    found = dialect(engine).request(surface(name).parse("", {}, json.dumps(body).encode()))
    return json.loads(found.body), found


def told(body: dict[str, Any]) -> dict[str, Any]:
    """What the body says, without what is null."""
    return {name: value for name, value in body.items() if value is not None}


@settings(max_examples=300)
@given(BODIES)
def test_an_ollama_engine_is_asked_what_the_client_asked(body: dict[str, Any]) -> None:
    sent, found = asked("ollama", body)
    said = told(body)

    for given_one, sent_one in zip(body["messages"], sent["messages"], strict=True):
        assert with_defaults(given_one) == without_additions(given_one, sent_one)
    check_pairs(body["messages"], sent["messages"])
    assert [described(tool) for tool in said.get("tools", ())] == [tool["function"] for tool in sent.get("tools", ())]
    for name in said.keys() - {"messages", "tools", "options", "stream", "no_such_field"}:
        assert said[name] == sent[name]
    known = {name: value for name, value in said.get("options", {}).items() if name not in {"made_up", "mirostat"}}
    assert known == sent.get("options", {})
    lost = {"no_such_field"} & said.keys() | {"mirostat"} & said.get("options", {}).keys()
    assert lost | {f"options.{name}" for name in {"made_up"} & said.get("options", {}).keys()} == set(found.dropped) - {
        "messages[].name"  # of a result that names another function than the call that it answers
    }


def with_defaults(given_one: dict[str, Any]) -> dict[str, Any]:
    empty = {"content": "", "images": [], "thinking": "", "tool_calls": []}
    return {"role": given_one["role"], **{name: given_one.get(name) or value for name, value in empty.items()}} | {
        "tool_calls": [plain(call) for call in given_one.get("tool_calls", ())]
    }


def without_additions(given_one: dict[str, Any], sent_one: dict[str, Any]) -> dict[str, Any]:
    """The message as it was sent, without the ids that it got on the way."""
    calls = sent_one.get("tool_calls", ())
    ids = [call.get("id") for call in given_one.get("tool_calls", ())]
    assert all(mine in {None, call["id"]} for mine, call in zip(ids, calls, strict=True))
    return with_defaults(sent_one)


def plain(call: dict[str, Any]) -> tuple[str, Any]:
    return call["function"]["name"], call["function"]["arguments"]


def check_pairs(said: list[dict[str, Any]], sent: list[dict[str, Any]]) -> None:
    """Check that each result names its call, by the id that it had or by one of a call of its name."""
    called = {call["id"]: call["function"]["name"] for one in sent for call in one.get("tool_calls", ())}
    for given_one, sent_one in zip(said, sent, strict=True):
        if given_one["role"] == "tool":
            assert given_one.get("tool_call_id", sent_one["tool_call_id"]) == sent_one["tool_call_id"]
            name = called.get(sent_one["tool_call_id"], given_one.get("tool_name", ""))
            assert name == sent_one["tool_name"]
            assert "tool_call_id" in given_one or given_one.get("tool_name", name) == name


def described(tool: dict[str, Any]) -> dict[str, Any]:
    bare: dict[str, Any] = {"description": "", "parameters": {"type": "object", "properties": {}}}
    return {**bare, **tool["function"]}


@settings(max_examples=300)
@given(BODIES)
def test_an_openai_style_engine_is_asked_what_the_client_asked(body: dict[str, Any]) -> None:
    sent, found = asked("openai", body)
    said = told(body)

    for given_one, sent_one in zip(body["messages"], sent["messages"], strict=True):
        check_message(given_one, sent_one)
    assert [tool["function"] for tool in said.get("tools", ())] == [tool["function"] for tool in sent.get("tools", ())]
    check_thinking(said.get("think"), sent)
    check_format(said.get("format"), sent)
    flat = {
        name: said[name] for name in ("keep_alive", "logprobs", "top_logprobs", "truncate", "shift") if name in said
    }
    for name, value in {**flat, **said.get("options", {})}.items():
        if name == "num_predict" and value > 0:
            assert value == sent["max_tokens"]
        elif name in ONLY_OLLAMAS | {"num_predict"}:
            assert name in found.dropped
        elif name == "made_up":
            assert "options.made_up" in found.dropped
        else:
            assert value == sent[name]


def check_message(given_one: dict[str, Any], sent_one: dict[str, Any]) -> None:
    content = sent_one["content"]
    parts: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    images = [part["image_url"]["url"].partition("base64,")[2] for part in parts if part["type"] == "image_url"]

    assert given_one["role"] == sent_one["role"]
    assert given_one.get("content", "") == "".join(part["text"] for part in parts if part["type"] == "text")
    assert given_one.get("images", []) == images
    assert given_one.get("thinking", "") == sent_one.get("reasoning_content", "")
    assert [plain(call) for call in given_one.get("tool_calls", ())] == [
        (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in sent_one.get("tool_calls", ())
    ]
    assert given_one.get("tool_call_id", sent_one.get("tool_call_id")) == sent_one.get("tool_call_id")


def check_thinking(think: bool | str | None, sent: dict[str, Any]) -> None:  # noqa: FBT001 - it is what the field is
    switched = sent.get("chat_template_kwargs", {}).get("enable_thinking")

    assert (think if isinstance(think, bool) else None) == switched
    assert (think if isinstance(think, str) else None) == sent.get("reasoning_effort")


def check_format(wanted: Any, sent: dict[str, Any]) -> None:
    found = sent.get("response_format", {"type": None})

    assert {None: None, "json": "json_object"}.get(wanted if isinstance(wanted, str | None) else "", "json_schema") == (
        found["type"]
    )
    assert not isinstance(wanted, dict) or wanted == found["json_schema"]["schema"]


ANYTHING = anything(["json"], ["type", "name", "function"])


@settings(max_examples=400)
@given(BODIES, st.data())
def test_a_body_with_anything_anywhere_is_served_or_refused_with_a_pointer(
    body: dict[str, Any], data: st.DataObject
) -> None:
    """A fault in the body is the client's to read, never an exception of ours."""
    changed = changed_somewhere(body, data, ANYTHING)
    served = [(engine, name) for engine in ("openai", "ollama") for name in ("ollama", "ollama_generate")]

    assert {refusal_of(engine, name, changed) for engine, name in served} <= {None, (400, True)}


def refusal_of(engine: str, name: str, body: dict[str, Any]) -> tuple[int, bool] | None:
    """The status, and whether the error points into the body (or is about all of it)."""
    try:
        json.loads(asked(engine, body, name)[1].body)
    except RequestError as refused:
        return refused.status, (refused.param or "/").startswith("/")
    return None
