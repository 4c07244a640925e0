"""`functools[{"name": …, "arguments": {…}}]` -> tool calls (Phi 4 mini, FireFunction 2).

Strategy: the word is an ordinary one, so that it counts only before a list of objects, and where tools are known.
Spec: the chat templates of microsoft/Phi-4-mini-instruct and fireworks-ai/firefunction-v2; vLLM tool_parsers/
phi4mini_tool_parser.py and Ollama tools/tools.go (template/firefunction) read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_FRAME = Frame(openers=("functools",))

FAMILY = CallFamily("functools", _FRAME.openers, _FRAME.reader, follows=("[{", "[\n", "[ "), unmistakable=False)
