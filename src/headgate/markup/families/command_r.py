"""`<|START_ACTION|>[{"tool_name": …, "parameters": {…}}]<|END_ACTION|>` -> tool calls (Command R7B, Command A).

Strategy: the list of actions is read like any list of JSON calls, each with the id that the model counts. Where the
family is named, the tags around an answer and its citations are taken out too.
Spec: the chat templates of CohereLabs/c4ai-command-r7b-12-2024 and command-a-03-2025; vLLM parser/cohere_command.py,
SGLang function_call/cohere_command4_detector.py, Ollama model/parsers/cohere.go and llama.cpp common/chat.cpp
(Command R7B) read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.text_tags import TextTags

_NAME = "command-r"
_FRAME = Frame(("<|START_ACTION|>",), closers=("<|END_ACTION|>",))
_AROUND = ("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>", "<|END_OF_TURN_TOKEN|>")
_CITATIONS = ("<co>", "<co:", "</co>", "</co:")
_NAMED = (TextTags(_NAME, _AROUND), TextTags(_NAME, _CITATIONS, runs_to=">", inline=True))

FAMILY = CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("[", "{"), when_named=_NAMED)
