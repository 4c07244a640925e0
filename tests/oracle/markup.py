"""Text-embedded structure of a whole message, by plain string operations: reasoning, content, calls.

Strategy: the whole text is known, so a tag is a place to cut. Think tags and harmony channels are taken apart here;
`family` names any other family's tool markup, which a fixture then waits for. When Headgate learns a family, it gets
its own few lines here, and its entry in `SIGNS` goes.

White space around think tags belongs to the tags. It does not where an engine has split the reasoning off itself; that
text never comes here. Harmony bodies are exact.
Spec: https://cookbook.openai.com/articles/openai-harmony
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from oracle.wire import Call

SIGNS: dict[str, str] = {
    "hermes": r"<tool_call>\s*\{",
    "qwen3-coder": r"<tool_call>\s*<function=",
    "glm45": r"<tool_call>\s*\w+\s*<arg_key>",
    "mistral": r"\[TOOL_CALLS\]",
    "llama3-json": r"<\|python_tag\|>",
    "deepseek-v3.1": r"<｜tool▁calls▁begin｜>",  # noqa: RUF001  # the full-width bar is the token's own
    "kimi-k2": r"<\|tool_calls_section_begin\|>",
    "minimax-m2": r"<minimax:tool_call>",
    "pythonic": r"^\s*(```tool_code\s*)?\[?\w+\(\w+=",
    "bare-json": r'^\s*(```(json)?\s*)?\[?\{\s*"name":',
}
"""Families that Headgate does not read yet: name -> what in a text betrays it (a regular expression)."""


@dataclass
class Meaning:
    """What a text comes to once its markup is understood."""

    reasoning: str = ""
    content: str = ""
    calls: list[Call] = field(default_factory=list)


def family(text: str, tools: Collection[str]) -> str | None:
    """The family of unread tool markup in this text, if it names a declared tool; the rest must stay text."""
    if not any(re.search(rf"\b{re.escape(tool)}\b", text) for tool in tools):
        return None
    return next((name for name, sign in SIGNS.items() if re.search(sign, text)), None)


def meaning(text: str, tools: Collection[str]) -> Meaning:
    """Understand a whole message."""
    start = text.lstrip()
    if start.startswith(("<|channel|>", "<|start|>", "<|message|>")):
        return _harmony(start, tools)
    if start.startswith("<think>"):
        thought, _, content = start.removeprefix("<think>").partition("</think>")
    elif "</think>" in text:
        thought, _, content = text.partition("</think>")  # the prompt had opened the thought
    else:
        return Meaning(content=text)
    return Meaning(reasoning=thought.strip(), content=content.lstrip())


def _harmony(text: str, tools: Collection[str]) -> Meaning:
    """Read harmony channels: whole, with `<|end|>` stripped by the engine, or with the last header removed."""
    for stop in ("<|return|>", "<|call|>", "<|start|>assistant"):
        text = text.replace(stop, "<|end|>")
    result = Meaning()
    for message in text.split("<|end|>"):
        header, tag, body = message.partition("<|message|>")
        if not tag:
            # `reasoning_format: none` leaves the bare answer here, as llama-server has taken its header out
            # (fixtures/dialects/openai/llamacpp.harmony.name.none), or the torn header of a call that it has itself
            # read and sends next (llamacpp.harmony.tool.none): the source of that call's name, so not text.
            result.content += "" if header.startswith("<|channel|>") else header
        elif "to=functions." in header:
            name = re.split(r"[\s<]", header.partition("to=functions.")[2])[0]
            if name not in tools:
                raise NotImplementedError(f"undecided: a harmony call of the undeclared tool {name}")
            result.calls.append(Call(name, body))
        elif header.removeprefix("<|channel|>") == "analysis":
            result.reasoning += body
        else:
            result.content += body
    return result
