"""`headgate.dialects.calls`: which call a fragment belongs to, however the engine numbers and names them."""

from __future__ import annotations

from typing import Any

import pytest
from pieces import DONE, call, chunk, events_of, message_of, repairs_of, sse

from headgate.events import BlockEnd, ToolCallDelta, ToolCallStart
from headgate.messages import Message

Called = list[tuple[str, str, str]]


def message(*deltas: dict[str, Any], finish: str = "tool_calls") -> Message:
    return message_of(sse(*map(chunk, deltas), chunk({}, finish)) + DONE)


def called(found: Message) -> Called:
    return [(each.id, each.name, each.arguments) for each in found.tool_calls]


ONE = [("a", "f", '{"x":1}')]
TWO = [("a", "f", '{"x":1}'), ("b", "g", "{}")]


@pytest.mark.parametrize(
    ("deltas", "expected", "repairs"),
    [
        pytest.param(
            [call(id="a", name="f", arguments=""), call('{"x"'), call(":1}")],
            ONE,
            [],
            id="fragments",
        ),
        pytest.param([call(id="a", name="f"), call('{"x":1}')], ONE, [], id="opener without arguments"),
        pytest.param([call('{"x":1}', id="a", name="f")], ONE, [], id="whole"),
        pytest.param(
            [call(id="a", name="f"), call('{"x"', id="a", name="f"), call(":1}", id="a", name="f")],
            ONE,
            ["call_header_repeated"],
            id="header in every fragment",
        ),
        pytest.param(
            [call(id="a", name="f"), {"tool_calls": [{"index": 0, "function": {"name": "", "arguments": '{"x":1}'}}]}],
            ONE,
            ["empty_dropped"],
            id="empty name in a fragment",
        ),
        pytest.param(
            [
                call(id="a", name="f"),
                {"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": '{"x":1}'}}]},
            ],
            ONE,
            [],
            id="null name and id in a fragment",
        ),
        pytest.param(
            [call(id="a", name="f"), call(index=1, id="b", name="g"), call('{"x":1}'), call("{}", index=1)],
            TWO,
            [],
            id="interleaved",
        ),
        pytest.param(
            [call('{"x":1}', id="a", name="f"), call("{}", id="b", name="g")],
            TWO,
            ["call_index_assigned"],
            id="always index 0",
        ),
        pytest.param(
            [call('{"x":1}', index=None, id="a", name="f"), call("{}", index=None, id="b", name="g")],
            TWO,
            ["call_index_assigned"],
            id="no index",
        ),
        pytest.param(
            [call('{"x"', index=None, id="a", name="f"), call(":1}", index=None)],
            ONE,
            ["call_index_assigned"],
            id="no index, in fragments",
        ),
        pytest.param(
            [call('{"x":1}', id="a", name="f"), call("{}", id="a", name="g")],
            [("a", "f", '{"x":1}'), ("a_2", "g", "{}")],
            ["call_index_assigned", "call_id_changed"],
            id="always index 0 and one id",
        ),
        pytest.param(
            [call('{"x":1}', id="a", name="f"), call('{"x":2}', id="a", name="f")],
            [("a", "f", '{"x":1}'), ("a_2", "f", '{"x":2}')],
            ["call_index_assigned", "call_id_changed"],
            id="the same call twice",
        ),
        pytest.param(
            [call('{"x":1}', index=3, id="a", name="f"), call("{}", index=7, id="b", name="g")],
            TWO,
            [],
            id="sparse indexes",
        ),
        pytest.param(
            [call('{"x":1}', index=0, id="a", name="f"), call("{}", index=1, id="a", name="g")],
            [("a", "f", '{"x":1}'), ("a_2", "g", "{}")],
            ["call_id_changed"],
            id="one id twice",
        ),
        pytest.param([call('{"x":1}', name="f")], [("call_1", "f", '{"x":1}')], ["call_id_minted"], id="no id"),
        pytest.param(
            [call('{"x":1}', id="", name="f")], [("call_1", "f", '{"x":1}')], ["call_id_minted"], id="empty id"
        ),
        pytest.param(
            [call('{"x":1}', index=None, name="f"), call('{"x":2}', index=None, name="f")],
            [("call_1", "f", '{"x":1}'), ("call_2", "f", '{"x":2}')],
            ["call_index_assigned", "call_id_minted"],
            id="neither index nor id",
        ),
        pytest.param([call('{"x"'), call(":1}", id="a", name="f")], ONE, [], id="arguments before the name"),
        pytest.param([call(id="a", name="f")], [("a", "f", "{}")], ["arguments_defaulted"], id="no arguments"),
        pytest.param([call("", id="a", name="f")], [("a", "f", "{}")], ["arguments_defaulted"], id="empty arguments"),
        pytest.param([call({"x": 1}, id="a", name="f")], ONE, ["arguments_serialised"], id="arguments as an object"),
        pytest.param(
            [call('{"x":1}', id="a", name="f<|channel|>commentary")],
            ONE,
            ["call_name_cleaned"],
            id="channel in the name",
        ),
        pytest.param(
            [call('{"x":1}', id="a", name="functions.f<|constrain|>json")],
            ONE,
            ["call_name_cleaned"],
            id="namespace too",
        ),
        pytest.param(
            [
                {
                    "tool_calls": [
                        *call('{"x":1}', id="a", name="f")["tool_calls"],
                        *call("{}", index=1, id="b", name="g")["tool_calls"],
                    ]
                }
            ],
            TWO,
            [],
            id="two in one delta",
        ),
        pytest.param(
            [{"function_call": {"name": "f", "arguments": '{"x"'}}, {"function_call": {"arguments": ":1}"}}],
            [("call_1", "f", '{"x":1}')],
            ["call_index_assigned", "call_id_minted"],
            id="function_call of old",
        ),
        pytest.param([{"tool_calls": []}, call('{"x":1}', id="a", name="f")], ONE, [], id="empty list"),
    ],
)
def test_fragments_find_their_call(deltas: list[dict[str, Any]], expected: Called, repairs: list[str]) -> None:
    """Merged calls are broken JSON, and two halves of one call are two broken calls."""
    found = message(*deltas)

    assert (expected, repairs) == (called(found), repairs_of(found))
    assert ("tool_calls", ()) == (found.finish_reason, found.incomplete_calls)


def test_a_name_and_an_id_are_told_once_and_fragments_as_they_come() -> None:
    events = events_of(
        sse(*map(chunk, [call("", id="a", name="f"), call('{"x"'), call(":1}")]), chunk({}, "tool_calls")) + DONE
    )

    assert [ToolCallStart(0, "a", "f"), ToolCallDelta(0, '{"x":1}'), BlockEnd(0)] == [
        event for event in events if isinstance(event, ToolCallStart | ToolCallDelta | BlockEnd)
    ]


def test_a_call_whose_name_never_came_is_not_lost() -> None:
    found = message(call('{"x":1}', id="a"))

    assert [("a", "", '{"x":1}')] == called(found)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": "\\ud83d"}',
        '{"a": 1e999}',
        '{"a": 123456789012345678901234567890}',
        "[]",
        "1",
        '"x"',
        ' {"a": 1}\n',
        '{"a":1,"a":2}',
    ],
)
def test_arguments_are_whole_when_they_are_json_to_the_letter(arguments: str) -> None:
    """A reader with narrower ideas than the standard must not call a whole call cut."""
    assert [("a", "f", arguments)] == called(message(call(arguments, id="a", name="f")))


@pytest.mark.parametrize(
    "arguments", ['{"a"', "{'a': 1}", '{"a": NaN}', '{"a": None}', '{"a":1}{"b":2}', '{"a":1}x', "x", "[" * 5000]
)
@pytest.mark.parametrize("finish", ["tool_calls", "stop", "length"])
def test_arguments_that_are_no_json_are_never_to_be_run(arguments: str, finish: str) -> None:
    found = message(call(arguments, id="a", name="f"), finish=finish)

    assert ((), [arguments]) == (found.tool_calls, [each.arguments for each in found.incomplete_calls])
    assert ("length" if finish == "length" else "stop") == found.finish_reason
    assert ("finish_derived" in repairs_of(found)) is (finish == "tool_calls")


def test_a_stream_that_breaks_leaves_its_calls_incomplete_even_when_they_look_whole() -> None:
    """`{}` may be the beginning of nothing more, or of what was never sent."""
    found = message_of(sse(chunk(call("{}", id="a", name="f"))))

    assert ((), 1) == (found.tool_calls, len(found.incomplete_calls))
