"""Text-embedded structure of a whole message, by plain string operations: reasoning, content, calls.

Strategy: the whole text is known, so a tag is a place to cut. Think tags and harmony channels are taken apart here, the
calls of other families in `calls.py`. A call in a thought is part of the thought, unless the message ends there.

White space around think tags belongs to the tags. It does not where an engine has split the reasoning off itself; that
text never comes here. Harmony bodies are exact.
Spec: https://cookbook.openai.com/articles/openai-harmony
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from oracle.calls import calls_in
from oracle.wire import Call


@dataclass
class Meaning:
    """What a text comes to once its markup is understood."""

    reasoning: str = ""
    content: str = ""
    calls: list[Call] = field(default_factory=list)


def meaning(text: str, tools: Collection[str]) -> Meaning:
    """Understand a whole message."""
    start = text.lstrip()
    if start.startswith(("<|channel|>", "<|start|>", "<|message|>")):
        return _harmony(start, tools)
    if start.startswith("<think>"):
        thought, closer, content = start.removeprefix("<think>").partition("</think>")
        if not closer:
            return in_thought(thought.strip(), tools)
    elif "</think>" in text:
        thought, _, content = text.partition("</think>")  # the prompt had opened the thought
    else:
        thought, content = "", text
    content, calls = calls_in(content.lstrip() if thought else content, tools)
    return Meaning(thought.strip(), content, calls)


def in_thought(thought: str, tools: Collection[str]) -> Meaning:
    """Understand a message that ended inside its thought."""
    reasoning, calls = calls_in(thought, tools)
    return Meaning(reasoning, "", calls)


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
