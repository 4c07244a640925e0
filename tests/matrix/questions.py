"""What the matrix asks, and the answer that the tiny model has by heart, as any client should get it.

The answer does not depend on who ran the model, nor how: what the model generates is taken apart by the oracle, and
compared without the white space around it, as engines differ in whose that is.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from engine.corpus import Template, tool
from oracle import answers
from oracle.expected import declared_tools
from oracle.wire import Choice

CHATML: tuple[Template, ...] = ("hermes", "hermes_forced_think")
EVERY: tuple[Template, ...] = (*CHATML, "harmony")
LIMIT = 40
"""Tokens: fewer than the story has, and more than a thought before it."""


class Said(NamedTuple):
    """What an answer comes to, for comparing: reasoning, content, calls as (name, arguments), and the finish reason."""

    reasoning: str
    content: str
    calls: tuple[tuple[str, Any], ...]
    finish: str | None


class Question(NamedTuple):
    """A column of the matrix: what is asked, with which tools and fields, and in which templates it is known.

    The answer to one that `is_cut` is the beginning of the story, and `length`.
    """

    name: str
    request: dict[str, Any]
    templates: tuple[Template, ...] = EVERY
    is_cut: bool = False

    def answer(self, template: Template) -> Said:
        """The whole answer that the model knows.

        Raises:
            LookupError: if it knows none.
        """
        known = answers.ought(answers.Engine(template=template), self.request, declared_tools(self.request))
        if known is None:
            raise LookupError(f"the tiny model does not know {self.name!r} with {template}")
        return said(known, "tool_calls" if known.calls else "stop")


def said(choice: Choice, finish: str | None) -> Said:
    """A choice, for comparing."""
    calls = tuple((call.name, json.loads(call.arguments)) for call in choice.calls)
    return Said(choice.reasoning.strip(), choice.content.strip(), calls, finish)


def _asks(text: str, *tools: str, **fields: Any) -> dict[str, Any]:
    declared = {"tools": [tool(name) for name in tools], "parallel_tool_calls": True} if tools else {}
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], "temperature": 0} | declared | fields


def _after_result() -> list[dict[str, Any]]:
    function = {"name": "run_command", "arguments": '{"command": "ls"}'}
    return [
        {"role": "user", "content": "list the files"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "README.md\nmain.py\nnotes.txt"},
    ]


_RUN = "run_command"
TOO_LONG = Question("error", _asks("hello " * 6000))
"""Its answer is an error, with a 4xx status."""
QUESTIONS = (
    Question("text", _asks("what is your name?")),
    Question("unicode", _asks("say something in unicode")),
    Question("long text", _asks("tell me a story")),
    Question("thought", _asks("think: what is 2 + 2?")),
    Question("call", _asks("list the files", _RUN)),
    Question("long arguments", _asks("save hello world", _RUN, "write_file")),
    Question("two calls", _asks("list the files twice", _RUN), CHATML),
    Question("thought, call", _asks("think and list the files", _RUN), CHATML),
    Question("text, call", _asks("explain and list the files", _RUN)),
    Question("result", _asks("", _RUN, messages=_after_result())),
    Question("talk of tags", _asks("mention a tag", _RUN), CHATML),
    Question("limit", _asks("tell me a story", max_tokens=LIMIT), is_cut=True),
    TOO_LONG,
)
