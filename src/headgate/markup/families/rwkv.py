"""`**Tool Call:**` and a code fence with `{"name": …, "arguments": {…}}` -> tool calls (RWKV 7).

Strategy: the words are prose, so they count only where tools are declared, or where the family is named; then a fence
without them counts too, if it ends the message. The old form between `<tool_call>` tags is Hermes'.
Spec: vLLM tool_parsers/rwkv_tool_parser.py.
"""

from __future__ import annotations

from headgate.markup.readers.bare_calls import BareFamily
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tool_call_tag import FOLLOWS, TOOL_CALL

_NAME = "rwkv"
_FENCES = ("```json", "```")
_FRAME = Frame(("**Tool Call:**",), closers=("```",), inner=_FENCES)
_NAMED = (CallFamily(_NAME, TOOL_CALL.openers, TOOL_CALL.reader, FOLLOWS), BareFamily(_NAME, anywhere=True))

FAMILY = CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=_FENCES, unmistakable=False, when_named=_NAMED)
