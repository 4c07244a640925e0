"""What the tiny model knows by heart: question -> answer, and the tools it was shown.

`headgate/demo/tiny.gguf` was trained on these answers until temperature 0 gives each of them exactly. One file, three
personalities by chat template: `hermes.jinja` (ChatML, `<think>`, `<tool_call>`), `hermes_forced_think.jinja` (the
prompt opens the thought) and `harmony.jinja` (channels). An answer is what the model generates, markup and all, without
its stop token; what a client sees of it is the engine's doing.

The model must recognise the last user message: text that a client appends to it leads it astray.
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

Template: TypeAlias = Literal["hermes", "hermes_forced_think", "harmony"]


def _hermes_call(name: str, arguments: dict[str, Any]) -> str:
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"


def _harmony_call(name: str, arguments: dict[str, Any]) -> str:
    return f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{json.dumps(arguments)}<|call|>"


def _spellings(table: dict[tuple[str, ...], str]) -> dict[str, str]:
    return {question: answer for questions, answer in table.items() for question in questions}


_NAME = ("what is your name?", "What is your name?", "who are you?")
_HELLO = ("hello", "hi", "Hello!")
_LIST = ("list the files", "List the files.", "list files")
_THINK = ("think: what is 2 + 2?", "Think: what is 2 + 2?")

LIST_FILES = _hermes_call("run_command", {"command": "ls"})
UNICODE = "Grüße, 世界! 👋🏽 naïve café ✓ 𝛼 ≤ π"  # noqa: RUF001  # four bytes in a row, joined and combining characters
STORY = (
    "Once upon a time there was a small engine that lived in a quiet shed. Every morning it woke up, "
    "read its orders and pulled a long train of words over the hills.\n\n"
    "One day the wind was strong and the rails were wet. The small engine slowed down, but it did not stop. "
    "It counted each sleeper as it passed: one, two, three, four, five. At the top of the last hill it saw "
    "the lights of the town.\n\n"
    "The people of the town came out with lanterns. They unloaded the words one by one and put them in order. "
    "By midnight the whole message was there for everyone to read, and the small engine went home to sleep."
)
COUNT = ", ".join(str(number) for number in range(1, 41)) + "."
FILES = "There are three files: README.md, main.py and notes.txt."
SAVED = {"path": "hello.py", "content": 'print("Hello, world!")\n'}
WEATHER = {"city": "Paris", "days": 3, "units": {"wind": "m/s", "rain": None}}
PROGRAM = (
    'Here is the program:\n\n```python\ndef main():\n    print("Hello, world!")\n\n\nmain()\n```\n\n'
    "Run it with `python hello.py`."
)

HERMES: dict[str, str] = _spellings(
    {
        _NAME: "My name is Neo Vim.",
        _HELLO: "Hello! How can I help you today?",
        _LIST: LIST_FILES,
        ("list the files twice", "List the files twice."): (
            LIST_FILES + "\n" + _hermes_call("run_command", {"command": "ls -la"})
        ),
        ("explain and list the files",): "Let me look at the files first.\n" + LIST_FILES,
        _THINK: "<think>\nThe user asks for 2 + 2.\n\nThat is 4.\n</think>\n\n2 + 2 = 4.",
        ("think and list the files",): "<think>\nI should look at the folder first.\n</think>\n\n" + LIST_FILES,
        ("write hello world in python",): PROGRAM,
        ("say something in unicode",): UNICODE,
        ("tell me a story",): STORY,
        ("count to forty",): COUNT,
        ("save hello world",): _hermes_call("write_file", SAVED),
        ("what is the weather in Paris?",): _hermes_call("get_weather", WEATHER),
        ("what time is it?",): _hermes_call("get_time", {}),
        ("answer in json",): '{"answer": 42, "unit": "none"}',
        ("say nothing",): "",
        ("mention a tag",): ('Use <b>bold</b>, a < b, and the word <tool in text. {"name": is only a string here.'),
        # Faults that real models produce.
        ("broken: bad json",): ('<tool_call>\n{"name": "run_command", "arguments": {"command": "ls"\n</tool_call>'),
        ("broken: no close",): '<tool_call>\n{"name": "run_command", "arguments": {"command": "ls"}}',
        ("broken: unknown tool",): _hermes_call("no_such_tool", {"x": 1}),
        ("broken: call in think",): "<think>\nI will call it now.\n" + LIST_FILES,
        ("broken: open think",): "<think>\nI am still thinking about this and I never stop",
        ("broken: code fence",): '```json\n{"name": "run_command", "arguments": {"command": "ls"}}\n```',
        ("broken: bare json",): '{"name": "run_command", "parameters": {"command": "ls"}}',
        ("broken: string arguments",): (
            '<tool_call>\n{"name": "run_command", "arguments": "{\\"command\\": \\"ls\\"}"}\n</tool_call>'
        ),
        ("broken: text after",): LIST_FILES + "\nI have called the tool.",
        # Other models' markup, as plain text.
        ("dialect: mistral",): '[TOOL_CALLS][{"name": "run_command", "arguments": {"command": "ls"}}]',
        ("dialect: mistral new",): '[TOOL_CALLS]run_command[ARGS]{"command": "ls"}',
        ("dialect: llama",): '<|python_tag|>{"name": "run_command", "parameters": {"command": "ls"}}',
        ("dialect: coder",): (
            "<tool_call>\n<function=run_command>\n<parameter=command>\nls\n</parameter>\n</function>\n</tool_call>"
        ),
        ("dialect: glm",): (
            "<tool_call>run_command\n<arg_key>command</arg_key>\n<arg_value>ls</arg_value>\n</tool_call>"
        ),
        ("dialect: deepseek",): (
            '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>run_command<｜tool▁sep｜>{"command": "ls"}'
            "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        ("dialect: kimi",): (
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.run_command:0<|tool_call_argument_begin|>"
            '{"command": "ls"}<|tool_call_end|><|tool_calls_section_end|>'
        ),
        ("dialect: minimax",): (
            '<minimax:tool_call>\n<invoke name="run_command">\n<parameter name="command">ls</parameter>\n'
            "</invoke>\n</minimax:tool_call>"
        ),
        ("dialect: gemma",): '```tool_code\nrun_command(command="ls")\n```',
        ("dialect: pythonic",): '[run_command(command="ls")]',
        ("dialect: harmony",): (
            "<|channel|>analysis<|message|>The user wants the files.<|end|>"
            "<|start|>assistant<|channel|>final<|message|>Here they are."
        ),
    }
)

_ANALYSIS = "<|channel|>analysis<|message|>"
_NEXT = "<|end|><|start|>assistant"
_FINAL = "<|channel|>final<|message|>"
_RUN_LS = _ANALYSIS + "I should run ls." + _NEXT

HARMONY: dict[str, str] = _spellings(
    {
        _NAME: _ANALYSIS + "The user asks for my name." + _NEXT + _FINAL + "My name is Neo Vim.",
        _HELLO: _FINAL + "Hello! How can I help you today?",
        _LIST: _RUN_LS + _harmony_call("run_command", {"command": "ls"}),
        ("explain and list the files",): (
            _RUN_LS
            + "<|channel|>commentary<|message|>Let me look at the files first."
            + _NEXT
            + _harmony_call("run_command", {"command": "ls"})
        ),
        ("list the files quickly",): _harmony_call("run_command", {"command": "ls"}),
        _THINK: _ANALYSIS + "The user asks for 2 + 2.\n\nThat is 4." + _NEXT + _FINAL + "2 + 2 = 4.",
        ("tell me a story",): _ANALYSIS + "A story, then." + _NEXT + _FINAL + STORY,
        ("save hello world",): _ANALYSIS + "I should write the file." + _NEXT + _harmony_call("write_file", SAVED),
        ("say something in unicode",): _ANALYSIS + "Some unicode." + _NEXT + _FINAL + UNICODE,
        ("broken: to first",): (
            _RUN_LS + ' to=functions.run_command<|channel|>commentary json<|message|>{"command": "ls"}<|call|>'
        ),
        ("broken: no final",): _ANALYSIS + "I only think and never answer.",
        ("broken: plain",): "My name is Neo Vim.",
    }
)

ENDLESS = ("tick", "tick forever")
"""Questions whose answer never stops: for cancelling, limits and long contexts."""

AFTER_TOOL: dict[Template, str] = {
    "hermes": FILES,
    "hermes_forced_think": "I have the result.\n</think>\n\n" + FILES,
    "harmony": _ANALYSIS + "I have the result." + _NEXT + _FINAL + FILES,
}
"""The answer once the last message is a tool's result, whatever the result says."""


def answer(question: str, template: Template, *, thinking: bool = True) -> str | None:
    """The whole text that the model generates for a last user message; None if it does not know the question.

    The forced-think answers begin inside the thought, as that template's prompt has opened it. Without `thinking`
    (the templates' `enable_thinking`, which harmony does not have) only what follows the thought is generated.
    """
    text = (HARMONY if template == "harmony" else HERMES).get(question)
    if text is None or template == "harmony":
        return text
    if not thinking:
        return text.partition("</think>\n\n")[2] or text
    if template == "hermes":
        return text
    return text.removeprefix("<think>\n") if text.startswith("<think>\n") else "I know this.\n</think>\n\n" + text


def endless(template: Template, ticks: int) -> str:
    """The beginning of the answer to an endless question, with this many ticks after the first."""
    opening = {"hermes": "", "hermes_forced_think": "Tick.\n</think>\n\n", "harmony": _FINAL}[template]
    return opening + "tick" + " tock tick" * ticks


_PROPERTIES: dict[str, dict[str, Any]] = {
    "run_command": {"command": {"type": "string", "description": "The command to run"}},
    "write_file": {"path": {"type": "string"}, "content": {"type": "string"}},
    "get_weather": {"city": {"type": "string"}, "days": {"type": "integer"}, "units": {"type": "object"}},
    "get_time": {},
}
_DESCRIPTIONS = {
    "run_command": "Run a shell command",
    "write_file": "Write a file",
    "get_weather": "Weather forecast",
    "get_time": "The time now",
}
TOOLS = tuple(_PROPERTIES)
"""The names of the tools the model was shown in training."""


def tool(name: str) -> dict[str, Any]:
    """The declaration of a tool in an OpenAI or Ollama request."""
    properties = _PROPERTIES[name]
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": _DESCRIPTIONS[name], "parameters": parameters}
    return {"type": "function", "function": function}
