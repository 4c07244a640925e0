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
    calls: tuple[Called, ...]


class Called(NamedTuple):
    """A call and its result, which may show an image."""

    name: str
    arguments: Any
    result: str
    image: bool


class Conversation(NamedTuple):
    """What the assistant is told first, the turns, and whether a client has its results in their calls' order."""

    system: str
    turns: list[Turn]
    in_order: bool


CALLS = st.lists(st.builds(Called, NAME, OBJECT, TEXT, st.booleans()), max_size=3).map(tuple)
TURNS = st.lists(
    st.builds(Turn, TEXT, st.booleans(), TEXT | st.just(""), TEXT | st.just(""), CALLS).filter(
        lambda turn: turn.text or turn.calls
    ),
    min_size=1,
    max_size=3,
)
CONVERSATIONS = st.builds(Conversation, TEXT, TURNS, st.booleans())


def numbered(turns: list[Turn]) -> list[tuple[Turn, list[str]]]:
    """Each turn with the ids of its calls, of a kind that one API or another would mint."""
    kinds = ("call_{}", "toolu_01{}", "functions.f:{}", "aB3dE6gH{}")
    return [
        (turn, [kinds[(place + number) % 4].format(10 * place + number) for number in range(len(turn.calls))])
        for place, turn in enumerate(turns)
    ]


def results(turn: Turn, ids: list[str], *, in_order: bool) -> list[tuple[str, Called]]:
    """The results as a client has them, which ran its calls at the same time."""
    found = list(zip(ids, turn.calls, strict=True))
    return found if in_order else found[::-1]


# -- clients ------------------------------------------------------------------------------------------------


def chat_body(conversation: Conversation) -> dict[str, Any]:
    messages: list[Any] = [{"role": "system", "content": conversation.system}]
    for turn, ids in numbered(conversation.turns):
        messages.append({"role": "user", "content": parts(turn.said, image=turn.image)})
        calls = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call_id, call in zip(ids, turn.calls, strict=True)
        ]
        said: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "reasoning": turn.thought}
        messages.append(said | ({"tool_calls": calls} if calls else {}))
        for call_id, call in results(turn, ids, in_order=conversation.in_order):
            result = parts(call.result, image=call.image)
            messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
    return {"model": "m", "messages": messages}


def parts(text: str, *, image: bool) -> Any:
    """Content in OpenAI's form."""
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    return [{"type": "text", "text": text}, picture] if image else text


def anthropic_body(conversation: Conversation) -> dict[str, Any]:
    messages: list[Any] = []
    for turn, ids in numbered(conversation.turns):
        messages.append({"role": "user", "content": blocks_of(turn.said, image=turn.image)})
        blocks: list[Any] = [{"type": "thinking", "thinking": turn.thought, "signature": "hg1.unsigned"}]
        blocks = blocks * bool(turn.thought) + [{"type": "text", "text": turn.text}] * bool(turn.text)
        for call_id, call in zip(ids, turn.calls, strict=True):
            blocks.append({"type": "tool_use", "id": call_id, "name": call.name, "input": call.arguments})
        messages.append({"role": "assistant", "content": blocks})
        answers = [
            {"type": "tool_result", "tool_use_id": call_id, "content": blocks_of(call.result, image=call.image)}
            for call_id, call in results(turn, ids, in_order=conversation.in_order)
        ]
        messages += [{"role": "user", "content": answers}] * bool(answers)
    return {"model": "m", "max_tokens": 9, "system": conversation.system, "messages": messages}


def blocks_of(text: str, *, image: bool) -> list[Any]:
    """Content in Anthropic's form."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    return [{"type": "text", "text": text}, *[picture] * image]


def ollama_body(conversation: Conversation) -> dict[str, Any]:
    messages: list[Any] = [{"role": "system", "content": conversation.system}]
    for turn, ids in numbered(conversation.turns):
        messages.append({"role": "user", "content": turn.said} | pictures(image=turn.image))
        calls = [
            {"id": call_id, "function": {"name": call.name, "arguments": call.arguments}}
            for call_id, call in zip(ids, turn.calls, strict=True)
        ]
        messages.append({"role": "assistant", "content": turn.text, "thinking": turn.thought, "tool_calls": calls})
        for call_id, call in results(turn, ids, in_order=conversation.in_order):
            answer = {"role": "tool", "tool_call_id": call_id, "tool_name": call.name, "content": call.result}
            messages.append(answer | pictures(image=call.image))
    return {"model": "m", "messages": messages}


def pictures(*, image: bool) -> dict[str, Any]:
    """Images in Ollama's form."""
    return {"images": [PNG]} if image else {}


CLIENTS = {"chat": chat_body, "anthropic": anthropic_body, "ollama": ollama_body}

# -- engines ------------------------------------------------------------------------------------------------


def openai_read(messages: list[Any], thoughts: str) -> Conversation:
    """What an OpenAI-style engine understands that reads thoughts in this field, or between tags."""
    turns: list[Turn] = []
    first, *rest = messages
    for message in rest:
        content, image = read_parts(message["content"] or "")
        if message["role"] == "user":
            turns.append(Turn(content, image, "", "", ()))
        elif message["role"] == "assistant":
            thought = message.get(thoughts, "")
            if thoughts == "tags" and content.startswith("<think>"):
                thought, _, content = content.removeprefix("<think>").partition("</think>")
            calls = [
                (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message.get("tool_calls", ())
            ]
            turns[-1] = turns[-1]._replace(thought=thought, text=content, calls=waiting(calls))
        else:
            turns[-1] = answered(turns[-1], message["tool_call_id"], content, image=image)
    return Conversation(first["content"], turns, in_order=True)


def read_parts(content: str | list[Any]) -> tuple[str, bool]:
    """The text of some content, and whether the image is with it."""
    if isinstance(content, str):
        return content, False
    text = "".join(part["text"] for part in content if part["type"] == "text")
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    assert urls in ([], [f"data:image/png;base64,{PNG}"])
    return text, bool(urls)


def ollama_read(messages: list[Any], _thoughts: str) -> Conversation:
    turns: list[Turn] = []
    first, *rest = messages
    for message in rest:
        content, image = message["content"], message.get("images", []) == [PNG]
        if message["role"] == "user":
            turns.append(Turn(content, image, "", "", ()))
        elif message["role"] == "assistant":
            calls = [
                (call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in message.get("tool_calls", ())
            ]
            thought = message.get("thinking", "")
            turns[-1] = turns[-1]._replace(thought=thought, text=content, calls=waiting(calls))
        else:
            called = {call.result: call.name for call in turns[-1].calls}
            assert called[message["tool_call_id"]] == message["tool_name"]
            turns[-1] = answered(turns[-1], message["tool_call_id"], content, image=image)
    return Conversation(first["content"], turns, in_order=True)


def waiting(calls: list[tuple[str, str, Any]]) -> tuple[Called, ...]:
    """Calls whose results are still to come: until then their ids stand there."""
    return tuple(Called(name, arguments, call_id, image=False) for call_id, name, arguments in calls)


def answered(turn: Turn, call_id: str, result: str, *, image: bool) -> Turn:
    """Put a result into the place of the id of the call that it answers."""
    assert call_id in {call.result for call in turn.calls}
    found = [call._replace(result=result, image=image) if call.result == call_id else call for call in turn.calls]
    return turn._replace(calls=tuple(found))


def in_own_names(turns: list[Turn], chat: ChatRequest) -> list[Turn]:
    """The turns with the names under which the client would be told of these calls."""
    names = ToolNames(chat)

    def own(call: Called) -> Called:
        (event,) = names.to_client([ToolCallStart(0, "id", call.name)])
        assert isinstance(event, ToolCallStart)
        return call._replace(name=event.name)

    return [turn._replace(calls=tuple(map(own, turn.calls))) for turn in turns]


ENGINES: list[tuple[str, Spelling, str]] = [
    ("openai", "reasoning_content", "any"),
    ("openai", "reasoning", "mistral"),
    ("openai", "tags", "any"),
    ("ollama", "reasoning_content", "any"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("kind", "history", "ids"), ENGINES)
@given(conversation=CONVERSATIONS)
@settings(max_examples=100, deadline=None)
def test_the_engine_is_told_the_conversation_that_the_client_has(
    client: str, kind: str, history: Spelling, ids: Any, conversation: Conversation
) -> None:
    upstream = UpstreamConfig(name="u", url="http://127.0.0.1:9", dialect=kind, history_reasoning=history, call_ids=ids)
    (engine,) = engines(Config(upstreams=(upstream,)), {}, {}, DEFAULTS)
    chat = surface(client).parse("", {}, json.dumps(CLIENTS[client](conversation)).encode())
    request = plan(surface(client), engine, chat, "m", DEFAULTS).request
    messages = json.loads(request.body)["messages"]
    read = (openai_read if kind == "openai" else ollama_read)(messages, history)

    assert conversation.system == read.system
    assert conversation.turns == in_own_names(read.turns, chat)
    assert () == request.dropped
    for message in messages:
        for call in message.get("tool_calls", ()):
            assert call["function"]["name"].isascii()
            assert len(call["function"]["name"]) <= 64
            assert ids == "any" or (call["id"].isalnum() and len(call["id"]) == 9)
