"""`<tool_call>{"name": …, "arguments": {…}}</tool_call>` -> tool calls (ERNIE 4.5 Thinking).

Strategy: the call is written as Hermes does; the answer stands in `<response>`, whose tags are taken out only where the
family is named. The thought was opened in the prompt.
Spec: the chat template of baidu/ERNIE-4.5-21B-A3B-Thinking; vLLM tool_parsers/ernie45_tool_parser.py and
reasoning/ernie45_reasoning_parser.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.text_tags import TextTags
from headgate.markup.readers.tool_call_tag import FOLLOWS, TOOL_CALL

_NAME = "ernie45"
_NAMED = (TextTags(_NAME, ("<response>",), anywhere=False), TextTags(_NAME, ("</response>",), at_end=True))

FAMILY = CallFamily(_NAME, TOOL_CALL.openers, TOOL_CALL.reader, FOLLOWS, when_named=_NAMED)
