"""Anthropic's requests through each dialect's request form lose nothing that `docs/anthropic.md` does not list.

The way back is written here, from the engines' documents alone: what an engine would understand is compared with what
the client said. A difference must be a row of the page's tables, and a loss must be named to the client.
"""

from __future__ import annotations

import json
from typing import Any

from anything import anything, changed_somewhere
from hypothesis import given, settings
from hypothesis import strategies as st
from test_surfaces_anthropic_request import SCHEMA, asked

from headgate.errors import RequestError
from headgate.messages import HttpRequest
from headgate.signatures import UNSIGNED

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAME = st.text("abcdefgh_", min_size=1, max_size=6)
OBJECT = st.dictionaries(NAME, st.none() | st.integers() | TEXT | st.lists(NAME, max_size=2), max_size=3)
CACHED = {"cache_control": st.just({"type": "ephemeral"})}


def block(kind: str, *, more: dict[str, Any] | None = None, **fields: st.SearchStrategy[Any]) -> Any:
    return st.fixed_dictionaries({"type": st.just(kind), **fields}, optional={**CACHED, **(more or {})})


TEXTS = block("text", text=TEXT)
DATA = st.fixed_dictionaries({"type": st.just("base64"), "media_type": st.just("image/png"), "data": st.just("aGk=")})
LINK = st.just({"type": "url", "url": "https://x.test/y.png"})
IMAGES = block("image", source=DATA)
PARTS = TEXTS | IMAGES
DOCUMENTS = block(
    "document",
    source=st.fixed_dictionaries({"type": st.just("text"), "media_type": st.just("text/plain"), "data": TEXT})
    | st.fixed_dictionaries({"type": st.just("content"), "content": st.lists(PARTS, min_size=1, max_size=2)}),
    more={"title": TEXT},
)
RESULTS = block(
    "tool_result",
    tool_use_id=NAME,
    more={"content": TEXT | st.lists(PARTS, max_size=2), "is_error": st.booleans()},
)
SIGNATURES = st.sampled_from(["", UNSIGNED, "EqQB"])
THOUGHTS = block("thinking", thinking=TEXT, signature=SIGNATURES) | block("redacted_thinking", data=NAME)
CALLS = block("tool_use", id=NAME, name=NAME, input=OBJECT)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.just("user"), "content": TEXT | st.lists(PARTS | DOCUMENTS | RESULTS, max_size=4)}
    )
    | st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": TEXT | st.lists(TEXTS | THOUGHTS | CALLS, max_size=4)}
    )
    | st.fixed_dictionaries({"role": st.just("system"), "content": TEXT | st.lists(TEXTS, max_size=2)}),
    min_size=1,
    max_size=4,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {"name": NAME, "input_schema": OBJECT}, optional={"description": TEXT, "strict": st.booleans(), **CACHED}
    ),
    max_size=2,
)
BODIES = st.fixed_dictionaries(
    {"model": NAME, "max_tokens": st.integers(1, 2**40), "messages": MESSAGES},
    optional={
        "system": TEXT | st.lists(TEXTS, max_size=2),
        "tools": TOOLS,
        "tool_choice": st.sampled_from(
            [{"type": "auto"}, {"type": "none"}, {"type": "auto", "disable_parallel_tool_use": True}]
        ),
        "stop_sequences": st.lists(TEXT, max_size=2),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 100),
        "metadata": st.fixed_dictionaries({"user_id": TEXT}, optional={"x": NAME}),
        "thinking": st.sampled_from(
            [{"type": "adaptive"}, {"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}]
        ),
        "output_config": st.fixed_dictionaries(
            {}, optional={"effort": st.sampled_from(["low", "max"]), "format": st.just(SCHEMA)}
        ),
        "stream": st.booleans(),
        "service_tier": st.just("auto"),
        "no_such_field": NAME,
    },
)


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_an_engine_is_told_all_that_the_client_said_or_the_client_is_told(body: dict[str, Any]) -> None:
    """The way back is written here, from the engines' documents alone."""
    for engine, back in (("openai", openai_said), ("ollama", ollama_said)):
        found = asked(engine, body)
        sent = json.loads(found.body)

        assert said_by(body) == back(sent["messages"])
        assert tools_of(body, engine) == [tool["function"]["name"] for tool in sent.get("tools", [])]
        assert dropped_of(body) <= set(found.dropped)
        check_options(engine, body, sent, found)


Said = list[tuple[str, str, list[str], str, list[tuple[str, str, Any]], str | None]]
"""Of each message: role, texts on lines, images, reasoning, calls, and the id of the call that it answers."""


def said_by(body: dict[str, Any]) -> Said:
    """What the client said, message by message as engines count them."""
    system = body.get("system") or []
    blocks = system if isinstance(system, list) else [{"type": "text", "text": system}]
    found: Said = [("system", *content_of(blocks), "", [], None)] if blocks else []
    for message in body["messages"]:
        content = message["content"]
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        found += turn(message["role"], blocks)
    return found


def turn(role: str, blocks: list[dict[str, Any]]) -> Said:
    if role == "assistant":
        texts, images = content_of([one for one in blocks if one["type"] == "text"])
        reasoning = "".join(one["thinking"] for one in blocks if one["type"] == "thinking")
        calls = [(one["id"], one["name"], one["input"]) for one in blocks if one["type"] == "tool_use"]
        return [(role, texts, images, reasoning, calls, None)]
    found: Said = []
    run: list[dict[str, Any]] = []
    for one in [*blocks, None]:
        if one is not None and one["type"] != "tool_result":
            run.append(one)
            continue
        if run:
            found.append((role, *content_of(run), "", [], None))
            run = []
        if one is not None:
            inner = one.get("content") or []
            parts = inner if isinstance(inner, list) else [{"type": "text", "text": inner}]
            found.append(("tool", *content_of(parts), "", [], one["tool_use_id"]))
    return found or [(role, "", [], "", [], None)]


def content_of(blocks: list[dict[str, Any]]) -> tuple[str, list[str]]:
    flat: list[dict[str, Any]] = []
    for one in blocks:
        source = one.get("source", {})
        if one["type"] == "document" and source["type"] == "content":
            flat += source["content"]
        else:
            flat.append({"type": "text", "text": source["data"]} if one["type"] == "document" else one)
    texts = [one["text"] for one in flat if one["type"] == "text"]
    return "\n".join(texts), [one["source"]["data"] for one in flat if one["type"] == "image"]


def openai_said(messages: list[dict[str, Any]]) -> Said:
    return [
        (
            one["role"],
            *openai_content(one["content"]),
            one.get("reasoning_content", ""),
            [
                (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in one.get("tool_calls", [])
            ],
            one.get("tool_call_id"),
        )
        for one in messages
    ]


def openai_content(content: Any) -> tuple[str, list[str]]:
    parts: list[dict[str, Any]] = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    images = [part["image_url"]["url"].partition(",")[2] for part in parts if part["type"] == "image_url"]
    return "\n".join(part["text"] for part in parts if part["type"] == "text"), images


def ollama_said(messages: list[dict[str, Any]]) -> Said:
    return [
        (
            one["role"],
            one["content"],
            one.get("images", []),
            one.get("thinking", ""),
            [
                (call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in one.get("tool_calls", [])
            ],
            one.get("tool_call_id"),
        )
        for one in messages
    ]


def tools_of(body: dict[str, Any], engine: str) -> list[str]:
    if engine == "ollama" and body.get("tool_choice", {}).get("type") == "none":
        return []
    return [tool["name"] for tool in body.get("tools", [])]


def dropped_of(body: dict[str, Any]) -> set[str]:
    """What no engine can be told, from the page's tables."""
    blocks = [one for message in body["messages"] if isinstance(message["content"], list) for one in message["content"]]
    foreign = any(one["type"] == "thinking" and one["signature"] == "EqQB" for one in blocks)
    told = {
        "no_such_field": "no_such_field" in body,
        "service_tier": "service_tier" in body,
        "metadata.x": "x" in body.get("metadata", {}),
        "tools[].cache_control": any("cache_control" in tool for tool in body.get("tools", [])),
        "messages[].content[].cache_control": any("cache_control" in one for one in blocks),
        "messages[].content[].title": any(one.get("title") for one in blocks),
        "messages[].content[].is_error": any(one.get("is_error") for one in blocks),
        "messages[].content[].signature": foreign,
        "messages[].content[].data": any(one["type"] == "redacted_thinking" for one in blocks),
    }
    return {name for name, is_told in told.items() if is_told}


def check_options(engine: str, body: dict[str, Any], sent: dict[str, Any], found: HttpRequest) -> None:
    options = sent.get("options", {}) if engine == "ollama" else sent
    limit = "num_predict" if engine == "ollama" else "max_tokens"
    names = {"max_tokens": limit, "stop_sequences": "stop", "temperature": "temperature", "top_p": "top_p"}
    for name, other in {**names, "top_k": "top_k"}.items():
        assert body.get(name) == options.get(other)
    config, thinking = body.get("output_config", {}), body.get("thinking", {}).get("type")
    schema = sent.get("format") if engine == "ollama" else sent.get("response_format", {}).get("json_schema")
    assert (None if "format" not in config else SCHEMA["schema"]) == (
        schema if engine == "ollama" or schema is None else schema["schema"]
    )
    effort = config.get("effort")
    if effort and thinking == "disabled":
        assert "output_config.effort" in found.dropped
    expected: Any = effort if effort and thinking != "disabled" else {"enabled": True, "disabled": False}.get(thinking)
    kwargs = sent.get("chat_template_kwargs", {}).get("enable_thinking")
    assert expected == (sent.get("think") if engine == "ollama" else sent.get("reasoning_effort", kwargs))


ANYTHING = anything(["text", "auto"], ["type", "text", "source", "id"])


@settings(max_examples=400, deadline=None)
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


@given(BODIES)
def test_the_same_request_gives_the_same_bytes(body: dict[str, Any]) -> None:
    """An engine keeps a prompt for as long as the next one begins with the same bytes."""
    for engine in ("openai", "ollama"):
        assert asked(engine, body) == asked(engine, json.loads(json.dumps(body)))
