"""`[f(a=1), g()]`, `<|python_start|>[f(a=1)]<|python_end|>` -> tool calls (Llama 3.2, Llama 4, Gemma 3, ToolACE).

Strategy: behind `<|python_start|>`, or in a code fence that says `tool_code` and calls a declared tool, perhaps to
`print` what it returns; a list without either as `python_lists.py` says.
Spec: the chat template of meta-llama/Llama-4-Scout-17B-16E-Instruct and the prompt guide of Gemma 3; vLLM
tool_parsers/llama4_pythonic_tool_parser.py and pythonic_tool_parser.py, and SGLang function_call/pythonic_detector.py
read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.python_calls import tagged
from headgate.markup.readers.python_lists import lists

_NAME = "pythonic"
_OPENER, _CLOSER = "<|python_start|>", "<|python_end|>"
_FENCE = "```tool_code\n"
_JSON = Frame((_OPENER,), closers=(_CLOSER,))

FAMILY = Forms(
    _NAME,
    (
        tagged(_NAME, _OPENER, _CLOSER),
        CallFamily(_NAME, _JSON.openers, _JSON.reader, follows=("{", "[{")),
        tagged(_NAME, _FENCE, "```", tool_known=True),
        tagged(_NAME, f"{_FENCE}print(", ")\n```", ")```", tool_known=True),
        lists(_NAME),
    ),
    when_named=(lists(_NAME, in_text=True),),
)
