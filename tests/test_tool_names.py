"""Names and ids of calls: what engines do not take goes out as what they take, and comes back."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import call_ids
from headgate.call_ids import short_ids
from headgate.dialects import dialect
from headgate.events import TextDelta, ToolCallStart
from headgate.messages import ChatMessage, ChatRequest, Message, Tool, ToolCall, ToolCallPart
from headgate.surfaces import surface
from headgate.surfaces.base import Writing
from headgate.tool_names import ToolNames, aliases

FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ODD = st.text(min_size=1, max_size=90)
NAMES = st.lists(
    ODD | st.from_regex(FITS, fullmatch=True) | st.sampled_from(["a.b", "a_b", "a b", "天気", "."]), max_size=6
)


def request(*names: str, **fields: Any) -> ChatRequest:
    """A request that declares these tools, has called each, and names each in its results."""
    calls = tuple(ToolCall(f"id{place}", name, "{}") for place, name in enumerate(names))
    results = [ChatMessage(role="tool", content="", tool_call_id=one.id, name=one.name) for one in calls]
    messages = (ChatMessage(role="assistant", tool_calls=calls), *results)
    return ChatRequest(model="m", messages=messages, tools=tuple(map(Tool, names)), **fields)


@given(NAMES)
def test_every_engine_takes_what_stands_for_a_name_and_no_two_are_the_same(names: list[str]) -> None:
    found = aliases(names)
    sent = [found.get(name, name) for name in dict.fromkeys(names)]

    assert all(FITS.fullmatch(name) for name in sent)
    assert len(set(names)) == len(set(sent))
    assert [] == [name for name in found if FITS.fullmatch(name)]
    assert found == aliases(reversed(names))


@given(NAMES, st.data())
def test_an_engines_call_bears_the_clients_name(names: list[str], data: st.DataObject) -> None:
    """Whatever the engine is told in the declaration, the history or the choice is one name."""
    names = list(dict.fromkeys(names)) or ["x"]
    chosen = data.draw(st.sampled_from(names))
    choice = msgspec.Raw(msgspec.json.encode({"type": "function", "function": {"name": chosen}}))
    chat = request(*names, tool_choice=choice)
    both = ToolNames(chat)
    sent = json.loads(dialect("openai").request(both.to_engine(chat)).body)
    declared = [tool["function"]["name"] for tool in sent["tools"]]

    assert declared == [call["function"]["name"] for call in sent["messages"][0]["tool_calls"]]
    assert declared == [message["name"] for message in sent["messages"][1:]]
    assert declared[names.index(chosen)] == sent["tool_choice"]["function"]["name"]
    events = both.to_client([ToolCallStart(0, "id", name) for name in declared])
    assert names == [event.name for event in events if isinstance(event, ToolCallStart)]


@given(NAMES, NAMES)
def test_a_name_keeps_what_stands_for_it_in_the_next_turn(names: list[str], more: list[str]) -> None:
    """Otherwise the engine would read the prompt anew, with calls in it that bear other names than its tools."""
    before, after = aliases(names), aliases([*names, *more])

    assert before == {name: after[name] for name in before}


def test_a_name_stays_readable() -> None:
    assert {"files.read/v2": "files_read_v2_26f4a3ee"} == aliases(["files.read/v2"])
    assert 64 == len(aliases(["x" * 65])["x" * 65])
    assert {} == aliases(["run_command", "mcp__server__tool-2"])


def test_a_name_that_looks_like_what_would_stand_for_another_is_left_to_its_owner() -> None:
    taken = aliases(["a.b"])["a.b"]
    found = aliases(["a.b", taken])

    assert found["a.b"] not in {taken, "a.b"}
    assert list(found) == ["a.b"]


def test_where_every_name_fits_nothing_changes() -> None:
    chat, events = request("f", "g"), [TextDelta(0, "x"), ToolCallStart(1, "id", "h")]
    both = ToolNames(chat)

    assert chat is both.to_engine(chat)
    assert events is both.to_client(events)  # type: ignore[arg-type]


def test_an_engine_that_calls_a_tool_that_nobody_declared_is_passed_on() -> None:
    both = ToolNames(request("a.b"))

    assert [ToolCallStart(0, "id", "other")] == both.to_client([ToolCallStart(0, "id", "other")])


def test_a_persons_name_is_not_a_tools() -> None:
    person = ChatMessage(role="user", content="hi", name="Jürgen")
    chat = request("a.b")
    chat = msgspec.structs.replace(chat, messages=(person, *chat.messages))

    assert "Jürgen" == ToolNames(chat).to_engine(chat).messages[0].name


# -- ids ----------------------------------------------------------------------------------------------------

NINE = re.compile(r"[a-zA-Z0-9]{9}")
IDS = st.lists(ODD | st.from_regex(NINE, fullmatch=True) | st.sampled_from(["call_1", "toolu_01A", "f:0"]), max_size=6)


@given(IDS)
def test_mistrals_templates_take_every_id_and_no_two_are_the_same(ids: list[str]) -> None:
    found = short_ids(ids)
    sent = [found.get(one, one) for one in dict.fromkeys(ids)]

    assert all(NINE.fullmatch(one) for one in sent)
    assert len(set(ids)) == len(set(sent))
    assert [] == [one for one in found if NINE.fullmatch(one)]


def test_an_engine_that_checks_ids_sees_its_own_again() -> None:
    chat = request("f")
    own = msgspec.structs.replace(chat.messages[0], tool_calls=(ToolCall("aB3dE6gH9", "f", "{}"),))
    chat = msgspec.structs.replace(chat, messages=(own,))

    assert chat is call_ids.to_engine(chat, "mistral")
    assert chat is call_ids.to_engine(chat, "any")


def test_a_result_still_answers_its_call() -> None:
    sent = call_ids.to_engine(request("f", "g"), "mistral").messages

    assert [call.id for call in sent[0].tool_calls] == [message.tool_call_id for message in sent[1:]]
    assert all(NINE.fullmatch(call.id) for call in sent[0].tool_calls)


@pytest.mark.parametrize("call_id", ["functions.f:0", "", "toolu_hg1_x", "toolu_hg1_", "é", "x" * 200, "a/b"])
def test_anthropics_clients_get_an_id_that_they_take_and_it_comes_back(call_id: str) -> None:
    assert_comes_back(call_id)


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"toolu_hg1_\w{0,9}", fullmatch=True))
def test_any_id_comes_back(call_id: str) -> None:
    assert_comes_back(call_id)


def assert_comes_back(call_id: str) -> None:
    """Through what a client is given, and what it sends: whole messages, parsed by the surface."""
    served = surface("anthropic")
    message = Message(parts=(ToolCallPart(ToolCall(call_id, "f", "{}")),), finish_reason="tool_calls")
    (block,) = json.loads(served.whole([message], Writing("i", 7, "m")))["content"]
    result = {"type": "tool_result", "tool_use_id": block["id"], "content": "x"}
    turns = [{"role": "assistant", "content": [block]}, {"role": "user", "content": [result]}]
    body = {"model": "m", "max_tokens": 1, "messages": turns}
    chat = served.parse("", {}, json.dumps(body).encode())

    assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])
    assert [call_id] == [call.id for call in chat.messages[0].tool_calls]
    assert call_id == chat.messages[1].tool_call_id
