"""`<tool_calls>[{"name": …, "arguments": {…}}]</tool_calls>` -> tool calls (Hunyuan A13B).

Strategy: the model thinks in `<think>` and answers in `<answer>`. Those tags are common words in other answers, so
that they are taken out only where the family is named.
Spec: the chat template of tencent/Hunyuan-A13B-Instruct; vLLM tool_parsers/hunyuan_a13b_tool_parser.py and
reasoning/hunyuan_a13b_reasoning_parser.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.text_tags import TextTags

_NAME = "hunyuan"
_FRAME = Frame(openers=("<tool_calls>",), closers=("</tool_calls>",))
_NAMED = (TextTags(_NAME, ("<answer>",), anywhere=False), TextTags(_NAME, ("</answer>",), at_end=True))

FAMILY = CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("[", "{"), when_named=_NAMED)
