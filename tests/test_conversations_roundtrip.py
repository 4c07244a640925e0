"""A conversation in through each surface and out to each kind of engine is the same conversation.

It is generated in no API's form. Each client's form and each engine's reading are written here, from the APIs'
documents alone, and what goes in between is what the gateway sends (`plan`): names and ids mapped, thoughts in the
engine's spelling. `docs/requests.md`, `docs/anthropic.md` and `docs/ollama.md` list what may differ; nothing here does.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.config import Config, UpstreamConfig
from headgate.events import ToolCallStart
from headgate.gateway.engines import engines
from headgate.gateway.plan import plan
from headgate.limits import DEFAULTS
from headgate.messages import ChatRequest, Spelling
from headgate.surfaces import surface
from headgate.tool_names import ToolNames

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
NAME = st.sampled_from(["run", "files.read/v2", "天気", "x" * 70, "a b", "a_b", "read-it"])
OBJECT = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, max_size=3)
PNG = "iVBORw0KGgo="


class Turn(NamedTuple):
    """What the user says (an image with it or not), what the assistant answers, and what its calls came to."""

    said: str
    image: bool
    thought: str
    text: str
    calls: tuple[tuple[str, Any, str], ...]  # name, arguments, result


CALLS = st.lists(st.tuples(NAME, OBJECT, TEXT), max_size=3).map(tuple)
TURNS = st.lists(
    st.builds(Turn, TEXT, st.booleans(), TEXT | st.just(""), TEXT | st.just(""), CALLS).filter(
        lambda turn: turn.text or turn.calls
    ),
    min_size=1,
    max_size=3,
)


def numbered(turns: list[Turn]) -> list[tuple[Turn, list[str]]]:
    """Each turn with the ids of its calls, of a kind that one API or another would mint."""
    kinds = ("call_{}", "toolu_01{}", "functions.f:{}", "aB3dE6gH{}")
    return [
        (turn, [kinds[(place + number) % 4].format(10 * place + number) for number in range(len(turn.calls))])
        for place, turn in enumerate(turns)
    ]


# -- clients ------------------------------------------------------------------------------------------------


def chat_body(turns: list[Turn]) -> dict[str, Any]:
    messages: list[Any] = []
    for turn, ids in numbered(turns):
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        text = {"type": "text", "text": turn.said}
        messages.append({"role": "user", "content": [text, picture] if turn.image else turn.said})
        calls = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for call_id, (name, arguments, _) in zip(ids, turn.calls, strict=True)
        ]
        said: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "reasoning": turn.thought}
        messages.append(said | ({"tool_calls": calls} if calls else {}))
        for call_id, (_, _, result) in zip(ids, turn.calls, strict=True):
            messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
    return {"model": "m", "messages": messages}


def anthropic_body(turns: list[Turn]) -> dict[str, Any]:
    messages: list[Any] = []
    for turn, ids in numbered(turns):
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        messages.append({"role": "user", "content": [{"type": "text", "text": turn.said}, *[picture] * turn.image]})
        blocks: list[Any] = [{"type": "thinking", "thinking": turn.thought, "signature": "hg1.unsigned"}]
        blocks = blocks * bool(turn.thought) + [{"type": "text", "text": turn.text}] * bool(turn.text)
        results: list[Any] = []
        for call_id, (name, arguments, result) in zip(ids, turn.calls, strict=True):
            blocks.append({"type": "tool_use", "id": call_id, "name": name, "input": arguments})
            results.append({"type": "tool_result", "tool_use_id": call_id, "content": result})
        messages.append({"role": "assistant", "content": blocks})
        messages += [{"role": "user", "content": results}] * bool(results)
    return {"model": "m", "max_tokens": 9, "messages": messages}


def ollama_body(turns: list[Turn]) -> dict[str, Any]:
    messages: list[Any] = []
    for turn, ids in numbered(turns):
        messages.append({"role": "user", "content": turn.said} | ({"images": [PNG]} if turn.image else {}))
        calls = [
            {"id": call_id, "function": {"name": name, "arguments": arguments}}
            for call_id, (name, arguments, _) in zip(ids, turn.calls, strict=True)
        ]
        messages.append({"role": "assistant", "content": turn.text, "thinking": turn.thought, "tool_calls": calls})
        for call_id, (name, _, result) in zip(ids, turn.calls, strict=True):
            messages.append({"role": "tool", "tool_call_id": call_id, "tool_name": name, "content": result})
    return {"model": "m", "messages": messages}


CLIENTS = {"chat": chat_body, "anthropic": anthropic_body, "ollama": ollama_body}

# -- engines ------------------------------------------------------------------------------------------------


def openai_turns(messages: list[Any], thoughts: str) -> list[Turn]:
    """What an OpenAI-style engine understands that reads thoughts in this field, or between tags."""
    turns: list[Turn] = []
    for message in messages:
        content = message["content"] or ""
        if message["role"] == "user":
            parts: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content}]
            said = "".join(part["text"] for part in parts if part["type"] == "text")
            pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
            assert pictures in ([], [f"data:image/png;base64,{PNG}"])
            turns.append(Turn(said, bool(pictures), "", "", ()))
        elif message["role"] == "assistant":
            thought = message.get(thoughts, "")
            if thoughts == "tags" and content.startswith("<think>"):
                thought, _, content = content.removeprefix("<think>").partition("</think>")
            calls = [
                (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message.get("tool_calls", ())
            ]
            turns[-1] = turns[-1]._replace(thought=thought, text=content, calls=tuple(calls))
        else:
            turns[-1] = answered(turns[-1], message["tool_call_id"], content)
    return turns


def ollama_turns(messages: list[Any], _thoughts: str) -> list[Turn]:
    turns: list[Turn] = []
    for message in messages:
        if message["role"] == "user":
            turns.append(Turn(message["content"], message.get("images", []) == [PNG], "", "", ()))
        elif message["role"] == "assistant":
            calls = [
                (call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in message.get("tool_calls", ())
            ]
            thought = message.get("thinking", "")
            turns[-1] = turns[-1]._replace(thought=thought, text=message["content"], calls=tuple(calls))
        else:
            called = {call[0]: call[1] for call in turns[-1].calls}
            assert called[message["tool_call_id"]] == message["tool_name"]
            turns[-1] = answered(turns[-1], message["tool_call_id"], message["content"])
    return turns


def answered(turn: Turn, call_id: str, result: str) -> Turn:
    """Put a result into the place of the id of the call that it answers."""
    assert call_id in {call[0] for call in turn.calls}
    calls = tuple((call[1], call[2], result) if call[0] == call_id else call for call in turn.calls)
    return turn._replace(calls=calls)


def in_own_names(turns: list[Turn], chat: ChatRequest) -> list[Turn]:
    """The turns with the names under which the client would be told of these calls."""
    names = ToolNames(chat)

    def own(name: str) -> str:
        (event,) = names.to_client([ToolCallStart(0, "id", name)])
        assert isinstance(event, ToolCallStart)
        return event.name

    return [turn._replace(calls=tuple((own(name), *rest) for name, *rest in turn.calls)) for turn in turns]


ENGINES: list[tuple[str, Spelling, str]] = [
    ("openai", "reasoning_content", "any"),
    ("openai", "reasoning", "mistral"),
    ("openai", "tags", "any"),
    ("ollama", "reasoning_content", "any"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("kind", "history", "ids"), ENGINES)
@given(turns=TURNS)
@settings(max_examples=100, deadline=None)
def test_the_engine_is_told_the_conversation_that_the_client_has(
    client: str, kind: str, history: Spelling, ids: Any, turns: list[Turn]
) -> None:
    upstream = UpstreamConfig(name="u", url="http://127.0.0.1:9", dialect=kind, history_reasoning=history, call_ids=ids)
    (engine,) = engines(Config(upstreams=(upstream,)), {}, {}, DEFAULTS)
    chat = surface(client).parse("", {}, json.dumps(CLIENTS[client](turns)).encode())
    request = plan(surface(client), engine, chat, "m", DEFAULTS).request
    messages = json.loads(request.body)["messages"]
    read = (openai_turns if kind == "openai" else ollama_turns)(messages, history)

    assert turns == in_own_names(read, chat)
    assert () == request.dropped
    for message in messages:
        for call in message.get("tool_calls", ()):
            assert call["function"]["name"].isascii()
            assert len(call["function"]["name"]) <= 64
            assert ids == "any" or (call["id"].isalnum() and len(call["id"]) == 9)
