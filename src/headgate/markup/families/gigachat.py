"""`<|function_call|>{"name": …, "arguments": {…}}` and its kin -> tool calls (GigaChat 3, 3.1 and 3.5).

Strategy: GigaChat 3 ends its text with `<|message_sep|>` and writes the call as a message of the role `function call`.
Nothing closes a call but the next separator, or the end token where a server leaves it. GigaChat 3.5 writes tags like
DeepSeek's, with a marker of its own, and `string` tells a value's type where the tool's schema does not.
Spec: the chat templates of ai-sage/GigaChat3-10B-A1.8B, GigaChat3.1-10B-A1.8B and GigaChat3.5-432B-A28B; vLLM
tool_parsers/gigachat3_tool_parser.py, SGLang function_call/gigachat3_detector.py and gigachat35_detector.py, and
llama.cpp common/parsers/gigachat-v3.cpp read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Tag, string_attribute

_NAME = "gigachat"
_ROLE = "function call<|role_sep|>"
_SEPARATOR = "<|message_sep|>"
_FRAME = Frame(openers=("<|function_call|>", _SEPARATOR, _ROLE), closers=(_SEPARATOR, "</s>"), inner=(_ROLE,))

_MARK = "｜GCML｜"


_GRAMMAR = Grammar(
    openers=(f"<{_MARK}tool_calls>",),
    closers=(f"</{_MARK}tool_calls>",),
    call=Tag((f"<{_MARK}invoke",), ">", string_attribute),
    call_closers=(f"</{_MARK}invoke>",),
    parameter=Tag((f"<{_MARK}parameter",), ">", string_attribute),
    parameter_closers=lambda _: (f"</{_MARK}parameter>",),
)

FAMILY = Forms(
    _NAME,
    (CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("{", _ROLE)), tag_family(_NAME, _GRAMMAR)),
)
