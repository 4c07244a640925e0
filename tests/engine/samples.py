"""What the tiny model is trained on: prompts as its three templates write them, and the answers of the corpus.

Strategy: what stands before the last question (system prompts, tools, earlier turns) is noise of many lengths, so that
the model learns to look at the last question only. Needs jinja2 (`requirements.txt`).
"""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, get_args

from engine.corpus import AFTER_TOOL, ENDLESS, HARMONY, HERMES, TOOLS, Template, answer, endless, tool

HERE = Path(__file__).parent
TEMPLATES: tuple[Template, ...] = get_args(Template)
WORDS = (
    "you are a helpful assistant that answers in short plain sentences and uses tools when needed the of and to in is "
    "it for on with code file user system prompt please always never respond format markdown language today date "
    "context message history rules"
).split()

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIGNS = [*'.,{}":<>[]()/é', "\n", "\n\n", "- ", "# ", "```", "\\n"]
_CALL_END = "<|call|>"
_SHORT_CHARS = 200

Render = Callable[..., str]


class Sample(NamedTuple):
    """A prompt, what is generated after it, and the token that ends that; "" if the answer holds it or never ends."""

    prompt: str
    answer: str
    stop: str


def templates() -> dict[Template, Render]:
    """The chat templates, as functions of `messages`, `tools` and the rest, as llama.cpp renders them."""
    jinja2: Any = importlib.import_module("jinja2")
    environment = jinja2.Environment(autoescape=False)
    # llama.cpp's `tojson` keeps the order of keys and escapes nothing.
    environment.filters["tojson"] = _to_json
    return {
        name: environment.from_string((HERE / f"{name}.jinja").read_text(encoding="utf-8")).render for name in TEMPLATES
    }


def vocabulary_texts() -> list[str]:
    """The texts that the vocabulary is made of."""
    system = {"role": "system", "content": "You are a helpful assistant."}
    known = templates()
    rendered = [
        known[name](messages=[system], tools=[tool(name_) for name_ in TOOLS], add_generation_prompt=True)
        for name in ("hermes", "harmony")
    ]
    # Each answer as often as it was learned: spellings share one, and those of hermes count twice.
    answers = [text for text in dict.fromkeys(HERMES.values()) for _ in range(2)]
    return [
        *answers,
        *dict.fromkeys(HARMONY.values()),
        *HERMES,
        *HARMONY,
        *AFTER_TOOL.values(),
        *["tick tock tick tock"] * 3,
        *[" ".join(WORDS)] * 3,
        *rendered,
    ]


class Sampler:
    """Makes samples, the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._render = templates()

    def sample(self) -> Sample:
        """Make one."""
        draw = self._random
        template = draw.choices(TEMPLATES, [0.45, 0.22, 0.33])[0]
        turns = self._earlier()
        thinking = True
        kind = draw.random()
        if kind < 0.06:
            turns += self._tool_results()
            text = AFTER_TOOL[template]
        elif kind < 0.10:
            turns.append(_said(draw.choice(ENDLESS)))
            text = endless(template, draw.randint(20, 60))
        else:
            thinking = template != "hermes" or draw.random() >= 0.15
            question, text = self._question(template, thinking=thinking)
            turns.append(_said(question))
        tools = [self._tool() for _ in range(draw.randint(1, 3))] if draw.random() < 0.5 else None
        more = {} if thinking else {"enable_thinking": False}
        prompt = self._render[template](messages=turns, tools=tools, add_generation_prompt=True, **more)
        is_open = text.endswith(_CALL_END) or "tock tick" in text
        return Sample(prompt, text, "" if is_open else "<|return|>" if template == "harmony" else "<|im_end|>")

    def noise(self, words: int) -> str:
        """Write some words that mean nothing: plain prose, or anything that may stand in a prompt."""
        draw = self._random
        if draw.random() < 0.2:
            return " ".join((WORDS * (words // len(WORDS) + 1))[:words])
        return " ".join(self._noise_word() for _ in range(words))

    def _noise_word(self) -> str:
        draw = self._random
        kind = draw.random()
        if kind < 0.6:
            return draw.choice(WORDS)
        if kind < 0.8:
            return "".join(draw.choice(_LETTERS) for _ in range(draw.randint(1, 8)))
        return str(draw.randint(0, 9999)) if kind < 0.9 else draw.choice(_SIGNS)

    def _question(self, template: Template, *, thinking: bool) -> tuple[str, str]:
        """A question and its answer; long answers come more often, since they are harder."""
        known = HARMONY if template == "harmony" else HERMES
        question = self._random.choices(list(known), [1 + len(text) / 200 for text in known.values()])[0]
        text = answer(question, template, thinking=thinking)
        if text is None:
            raise AssertionError(question)
        return question, text

    def _earlier(self) -> list[dict[str, Any]]:
        draw = self._random
        turns: list[dict[str, Any]] = []
        if draw.random() < 0.6:
            turns.append({"role": "system", "content": self.noise(draw.choice([3, 8, 20, 60, 120, 250]))})
        for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
            question, text = draw.choice(list(HERMES.items()))
            if len(text) >= _SHORT_CHARS or "<" in text or "[" in text:
                question, text = self.noise(5), self.noise(10)
            turns += [_said(question), {"role": "assistant", "content": text}]
        return turns

    def _tool_results(self) -> list[dict[str, Any]]:
        """A question, one or two calls, and what came of them."""
        draw = self._random
        commands = ["ls", "ls -la"][: draw.choice([1, 1, 2])]
        calls = [
            {"id": "a", "type": "function", "function": {"name": "run_command", "arguments": {"command": command}}}
            for command in commands
        ]
        text = draw.choice([None, "Let me look at the files first."])
        results = [
            {"role": "tool", "tool_call_id": "a", "content": self.noise(draw.choice([1, 5, 20]))} for _ in commands
        ]
        asked = _said(draw.choice(["list the files", "List the files.", self.noise(4)]))
        return [asked, {"role": "assistant", "content": text, "tool_calls": calls}, *results]

    def _tool(self) -> dict[str, Any]:
        draw = self._random
        if draw.random() < 0.6:
            return tool(draw.choice(TOOLS))
        properties = {draw.choice(WORDS): {"type": "string", "description": self.noise(4)}}
        function = {
            "name": "_".join(draw.choice(WORDS) for _ in range(2)),
            "description": self.noise(draw.randint(1, 12)),
            "parameters": {"type": "object", "properties": properties},
        }
        return {"type": "function", "function": function}


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}
