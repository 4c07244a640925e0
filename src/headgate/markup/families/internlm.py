"""`<|action_start|><|plugin|>{"name": …, "parameters": {…}}<|action_end|>` -> tool calls (InternLM, Intern-S1).

Spec: the chat template of internlm/internlm2_5-7b-chat (`<|action_start|> <|plugin|>` and a line end in Intern-S1's);
vLLM tool_parsers/internlm2_tool_parser.py and SGLang function_call/internlm_detector.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_PLUGIN = "<|plugin|>"
_FRAME = Frame(openers=("<|action_start|>",), closers=("<|action_end|>",), inner=(_PLUGIN,))

FAMILY = CallFamily("internlm", _FRAME.openers, _FRAME.reader, follows=(_PLUGIN,))
