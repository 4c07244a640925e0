"""`<｜tool_calls_begin｜>…<steptml:invoke name="f"><steptml:parameter name="k">v…` -> tool calls (Step 3).

Strategy: around each call stand tokens of its own, and its name once more, which say nothing.
Spec: the chat template of stepfun-ai/step3; vLLM tool_parsers/step3_tool_parser.py and SGLang
function_call/step3_detector.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.invoke_tags import invoke_tags
from headgate.markup.readers.tag_family import tag_family

_GRAMMAR = invoke_tags(
    "<｜tool_calls_begin｜>",
    "<｜tool_calls_end｜>",
    "steptml:",
    inner=("<｜tool_call_begin｜>", "<｜tool_call_end｜>", "function<｜tool_sep｜>", "<｜tool_sep｜>"),
    label=True,  # the tool's name once more, before its tag
    lone=("<steptml:invoke", "<｜tool_call_begin｜>"),
)

FAMILY = tag_family("step3", _GRAMMAR)
