"""The expected message of a fixture, worked out without Headgate: from the model's known answers and a naive reading.

Where the model kept to its list, what it should have said (`answers`) is compared with what the bytes say (`wire`), so
the recordings are checked too. What only the wire knows (ids, counts, timings, where a limit cut) is taken from it. A
case whose text is not what the list says, nor the beginning of it, is derailed: its expectation rests on the naive
reading alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from oracle import answers, markup
from oracle.folders import Case
from oracle.wire import Call, Choice, read

LIMITS = ("length", "limit")
"""What OpenAI-style engines and Ollama call a limit, and what llama-server's own paths do."""

DIALECTS_TO_COME = ("responses", "anthropic")


@dataclass(frozen=True)
class Verdict:
    """What a case must hold: its messages, or what it waits for, or neither; and whether the model strayed."""

    messages: list[dict[str, Any]] | None
    waits_for: str | None = None
    derailed: bool = False


def expected(case: Case) -> Verdict:
    """Work out a case."""
    if not case.is_chat:
        return Verdict(None)
    if case.dialect in DIALECTS_TO_COME:
        return Verdict(None, "dialect:" + case.dialect)
    if case.source == "constructed":
        # Such bytes are wrong on purpose, and no naive reading understands them: what they come to is written by hand.
        return Verdict(case.messages, case.meta.get("waits_for"), bool(case.meta.get("derailed")))
    choices = read(case.path, case.status, case.body)
    tools = declared_tools(case.request)
    derailed = case.source == "recorded" and any(strayed(case, choice, tools) for choice in choices)
    return Verdict([message(choice, tools) for choice in choices], None, derailed)


def declared_tools(request: dict[str, Any]) -> list[str]:
    """The names of the tools that the model may call."""
    if request.get("tool_choice") == "none":
        return []
    return [tool["function"]["name"] for tool in request.get("tools", []) if "function" in tool]


def strayed(case: Case, choice: Choice, tools: Collection[str]) -> bool:
    """Whether the model said something other than its known answer, or the beginning of it where it was cut short."""
    if case.status >= 400 or choice.reason == "load":
        return False
    engine = answers.engine(case.engine, case.version, case.server, case.request)
    ought = answers.ought(engine, case.request, tools)
    if ought is None:
        return True
    if choice.error or choice.reason in LIMITS:
        return not begins(ought, choice)
    said = (choice.reasoning, choice.content, [(call.name, call.arguments) for call in choice.calls])
    return said != (ought.reasoning, ought.content, [(call.name, call.arguments) for call in ought.calls])


def begins(ought: Choice, cut: Choice) -> bool:
    """Whether `cut` is the beginning of `ought`."""
    calls = zip(ought.calls, cut.calls, strict=False)
    return (
        ought.reasoning.startswith(cut.reasoning)
        and ought.content.startswith(cut.content)
        and len(cut.calls) <= len(ought.calls)
        and all(whole.name == part.name and whole.arguments.startswith(part.arguments) for whole, part in calls)
    )


def message(choice: Choice, tools: Collection[str]) -> dict[str, Any]:
    """The entry of `message.json` for one choice."""
    told = markup.meaning(choice.content, tools)
    thought = markup.Meaning(choice.reasoning)
    if not choice.content and not choice.calls:
        thought = markup.in_thought(choice.reasoning, tools)
    calls = thought.calls + told.calls + choice.calls
    # Where an error came, nobody said that the last call was over, whatever its arguments look like.
    whole = [entry(call) for call in calls if call.complete and not choice.error]
    return {
        "role": "assistant",
        "content": told.content or (None if whole else ""),
        "reasoning_content": thought.reasoning + told.reasoning or None,
        "tool_calls": whole,
        "incomplete_calls": [entry(call) for call in calls if entry(call) not in whole],
        "finish_reason": finish_reason(choice, called=bool(whole)),
        "raw_reason": choice.reason,
        "usage": choice.usage,
        "timings": choice.timings,
        "error": choice.error,
    }


def entry(call: Call) -> dict[str, Any]:
    """A tool call as OpenAI's messages have it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def finish_reason(choice: Choice, *, called: bool) -> str | None:
    """The canonical reason: a limit or a filter wins, then a complete call, then stop."""
    if choice.error:
        return None
    if choice.reason in LIMITS:
        return "length"
    if choice.reason == "content_filter":
        return choice.reason
    return "tool_calls" if called else "stop"
