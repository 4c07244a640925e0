"""`<tool_calls>` with one `{"name": …, "arguments": {…}}` a line -> tool calls (MiniMax M1).

Strategy: the objects need no comma between them. A call that is drafted in a thought is part of the thought.
Spec: the chat template of MiniMaxAI/MiniMax-M1-80k; vLLM tool_parsers/minimax_tool_parser.py reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_FRAME = Frame(openers=("<tool_calls>",), closers=("</tool_calls>",), separators=(",",))

FAMILY = CallFamily("minimax-m1", _FRAME.openers, _FRAME.reader, follows=("{", "["))
