"""Tool calls: one, several, and the answer to their results."""

from __future__ import annotations

import json

import msgspec

from headgate.doctor.asking import Answer, Facts, Plan, chat, said
from headgate.doctor.battery.check import Check
from headgate.doctor.verdict import EXACT, Verdict, message, not_shown
from headgate.messages import ChatMessage, Tool, ToolCall

_QUESTION = "list the files"
_PARAMETERS = {
    "type": "object",
    "properties": {"command": {"type": "string", "description": "The command to run"}},
    "required": ["command"],
}
_TOOLS = (
    Tool("run_command", "Run a shell command", msgspec.Raw(json.dumps(_PARAMETERS).encode())),
    Tool("get_time", "The time now", msgspec.Raw(b'{"type": "object", "properties": {}, "required": []}')),
)
_RESULT = "README.md\nmain.py\nnotes.txt"


def _call(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, _QUESTION, tools=_TOOLS)]
    return _called(answer, 1)


def _calls(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, f"{_QUESTION} twice", tools=_TOOLS)]
    return _called(answer, 2)


def _results(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, _QUESTION, tools=_TOOLS)]
    verdict = _called(answer, 1)
    if verdict != EXACT:
        return verdict
    asked = message(answer)
    turn = ChatMessage(
        role="assistant", content=asked.content or None, reasoning=asked.reasoning, tool_calls=asked.tool_calls
    )
    results = [ChatMessage(role="tool", content=_RESULT, tool_call_id=call.id) for call in asked.tool_calls]
    (after,) = yield [chat(facts, (*said(_QUESTION), turn, *results), tools=_TOOLS)]
    found = message(after)
    return EXACT if found.content or found.tool_calls else not_shown("the model said nothing to the result")


def _called(answer: Answer, wanted: int) -> Verdict:
    calls = message(answer).tool_calls
    if len(calls) < wanted:
        return not_shown(f"the model made {len(calls) or 'no'} of {wanted} call{'s' * (wanted > 1)}")
    if not all(_fits(call) for call in calls):
        return not_shown("the model made a call that does not fit its tools")
    return EXACT


def _fits(call: ToolCall) -> bool:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return False
    return isinstance(arguments, dict) and call.name in {tool.name for tool in _TOOLS}


CHECKS = (
    Check("call", "A tool call comes with id, name and whole arguments.", _call),
    Check("calls", "Two calls in one answer come apart.", _calls),
    Check("results", "A call's result can be sent back.", _results),
)
