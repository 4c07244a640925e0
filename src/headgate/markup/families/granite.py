"""`<|tool_call|>[{"name": …, "arguments": {…}}]`, `<function_call> {…}` -> tool calls (Granite 3, Granite 20B FC).

Strategy: nothing closes them but the end of the JSON. Granite 4 writes `<tool_call>` like Hermes, whose family takes
that in any text. Where this one is named it does too, and takes out the words that Granite 3.2 thinks between and the
calls in Python's syntax, on lines of their own, that Granite 3.3 and Granite 4 H Small write.
Spec: the chat templates of ibm-granite/granite-3.3-8b-instruct, granite-4.0-h-tiny and granite-20b-functioncalling;
vLLM tool_parsers/granite_tool_parser.py, granite4_, granite_20b_fc_, granite_pythonic_ and llama.cpp common/chat.cpp
read the same.
"""

from __future__ import annotations

from headgate.markup.families.granite_prose import ProseThoughts
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.python_lines import lines
from headgate.markup.readers.text_tags import TextTags
from headgate.markup.readers.tool_call_tag import FOLLOWS, TOOL_CALL

_NAME = "granite"
_FRAME = Frame(("<|tool_call|>", "<function_call>"), closers=("<|/tool_call|>", "</function_call>"))
_NAMED = (
    CallFamily(_NAME, TOOL_CALL.openers, TOOL_CALL.reader, FOLLOWS),
    ProseThoughts(_NAME),
    lines(_NAME),
    TextTags(_NAME, ("<response>",), anywhere=False),
    TextTags(_NAME, ("</response>",), at_end=True),
)

FAMILY = CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("{", "["), when_named=_NAMED)
