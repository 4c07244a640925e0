"""`<minimax:tool_call><invoke name="f"><parameter name="k">v</parameter>…` -> tool calls (MiniMax M2).

Spec: the chat template of MiniMaxAI/MiniMax-M2; vLLM tool_parsers/minimax_m2_tool_parser.py and SGLang
function_call/minimax_m2.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.invoke_tags import invoke_tags
from headgate.markup.readers.tag_family import tag_family

FAMILY = tag_family("minimax-m2", invoke_tags("<minimax:tool_call>", "</minimax:tool_call>"))
