"""A whole message that is one JSON call, or a list of calls, without any tag -> tool calls (models of any family).

Strategy: it counts only where tools are declared, if each call names one of them and has arguments, and if the message
holds nothing else but a thought before it. Until then it is held; any other JSON streams on from its first key.
Spec: ours (`docs/design.md`, rescue without harm); Ollama tools/tools.go (with the tag `{` or `[`), llama.cpp's
generic format (common/chat.cpp: `{"tool_call": {…}}`, `{"tool_calls": […]}`) and SGLang function_call/
json_array_parser.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.bare_calls import BareFamily

FAMILY = BareFamily("bare-json")
