r"""`<function_calls>f(a=1)\ng()</function_calls>` -> tool calls (Olmo 3).

Spec: the chat template of allenai/Olmo-3-7B-Instruct; vLLM tool_parsers/olmo3_tool_parser.py and Ollama
model/parsers/olmo3.go read the same.
"""

from __future__ import annotations

from headgate.markup.readers.python_calls import tagged

FAMILY = tagged("olmo3", "<function_calls>", "</function_calls>")
