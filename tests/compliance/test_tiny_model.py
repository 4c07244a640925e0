"""`tiny.gguf` against its own list: on the real server, at temperature 0, each answer is exactly what it was taught.

The comparison is on the text that the model generates (`/apply-template`, then `/completion`), before the server's
parsers see it.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any, get_args

import pytest
from engine.corpus import AFTER_TOOL, ENDLESS, HARMONY, HERMES, TOOLS, Template, answer, endless, tool
from engine.export import tokenizer
from engine.samples import WORDS
from real_engine import MODEL, llama_cpp

BYTES_MAX = 2_000_000
TICKS = 100
SYSTEM = " ".join(WORDS) * 8
# What stands before the question: a system prompt, and this many tools.
BEFORE = ((None, 0), ("You are a helpful assistant.", 1), (SYSTEM, len(TOOLS)))
# Shown by the server where a template's grammar wants them; the list leaves them out.
STOPS = ("<|return|>", "<|call|>", "<|im_end|>")


def post(url: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url + path, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def generated(url: str, question: str, system: str | None, tools: int, tokens: int = 400, **fields: Any) -> str:
    """What the model writes after a last user message."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": question})
    return completed(url, messages, tools, tokens, **fields)


def completed(url: str, messages: list[dict[str, Any]], tools: int, tokens: int = 400, **fields: Any) -> str:
    asked = {"messages": messages, **({"tools": [tool(name) for name in TOOLS[:tools]]} if tools else {}), **fields}
    prompt = post(url, "/apply-template", asked)["prompt"]
    wanted = {"prompt": prompt, "temperature": 0, "n_predict": tokens, "special": True}
    return without_stop(str(post(url, "/completion", wanted)["content"]))


def without_stop(text: str) -> str:
    return next((text.removesuffix(stop) for stop in STOPS if text.endswith(stop)), text)


@pytest.mark.parametrize("template", get_args(Template))
def test_the_file_answers_every_question_exactly(template: Template) -> None:
    """In every spelling, alone, after a short system prompt with a tool, and after a long one with four."""
    questions = HARMONY if template == "harmony" else HERMES
    with llama_cpp(template, "n_threads_http=2") as url:
        wrong = [
            (question, len(system or ""), tools)
            for question in questions
            for system, tools in BEFORE
            if without_stop(answer(question, template) or "") != generated(url, question, system, tools)
        ]

    assert [] == wrong


@pytest.mark.parametrize("template", get_args(Template))
def test_the_endless_answer_goes_on_and_a_tools_result_is_read(template: Template) -> None:
    called = {"type": "function", "id": "1", "function": {"name": "run_command", "arguments": {"command": "ls"}}}
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": "list the files"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "1", "content": "README.md\nmain.py\nnotes.txt"},
    ]
    with llama_cpp(template) as url:
        ticking = [generated(url, question, None, 0, tokens=TICKS) for question in ENDLESS]
        told = completed(url, turns, 1)

    for text in ticking:
        assert endless(template, TICKS).startswith(text)
        assert text.count(" tock tick") > TICKS / 4
    assert AFTER_TOOL[template] == told


def test_without_thinking_only_what_follows_the_thought_is_written() -> None:
    asked = ["think: what is 2 + 2?", "think and list the files", "what is your name?"]
    with llama_cpp("hermes") as url:
        told = [
            generated(url, question, None, 0, chat_template_kwargs={"enable_thinking": False}) for question in asked
        ]

    assert [answer(question, "hermes", thinking=False) for question in asked] == told


@pytest.mark.parametrize("template", get_args(Template))
def test_our_tokens_are_the_servers(template: Template) -> None:
    """What it was trained on is what it is asked."""
    vocabulary = tokenizer()
    questions = HARMONY if template == "harmony" else HERMES
    texts = [*questions, *(answer(question, template) or "" for question in questions), SYSTEM]
    with llama_cpp(template) as url:
        theirs = [post(url, "/tokenize", {"content": text, "parse_special": True})["tokens"] for text in texts]

    assert [vocabulary.encode(text) for text in texts] == theirs


def test_the_file_is_small() -> None:
    assert MODEL.stat().st_size <= BYTES_MAX
