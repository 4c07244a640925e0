"""`<tool_calls>[{"name": …, "arguments": {…}}]</tool_calls>` -> tool calls (Jamba 1.5 to 1.7).

Spec: the chat template of ai21labs/AI21-Jamba-Mini-1.7; vLLM tool_parsers/jamba_tool_parser.py reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_FRAME = Frame(openers=("<tool_calls>",), closers=("</tool_calls>",))

FAMILY = CallFamily("jamba", _FRAME.openers, _FRAME.reader, follows=("[", "{"))
