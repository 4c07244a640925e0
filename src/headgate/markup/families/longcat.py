"""`<longcat_tool_call>{"name": …, "arguments": {…}}</longcat_tool_call>` -> tool calls (LongCat-Flash).

Strategy: later models write a name and pairs of `longcat_arg_key` and `longcat_arg_value` in the same tags.
Spec: the chat templates of meituan-longcat/LongCat-Flash-Chat and LongCat-Flash-Thinking-2601; vLLM parser/longcat.py,
SGLang function_call/longcat_detector.py and mlx_lm/tool_parsers/longcat.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.arg_pairs import arg_pairs
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tag_family import tag_family

_OBJECT = Frame(openers=("<longcat_tool_call>",), closers=("</longcat_tool_call>",))

FAMILY = Forms(
    "longcat",
    (
        CallFamily("longcat", _OBJECT.openers, _OBJECT.reader, follows=("{", "[")),
        tag_family("longcat", arg_pairs("longcat_")),
    ),
)
