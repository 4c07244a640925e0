"""`<ifm|tool_calls><ifm|tool_call>f<ifm|arg_key>k</ifm|arg_key><ifm|arg_value>v…` and JSON -> tool calls (K2 Horizon).

Strategy: the request chooses how calls are written: as pairs, as pairs with `<ifm|arg_type>`, or as JSON objects, and
what comes tells which. A value's type is the tool's schema's, or else the one that is written.
Spec: the chat template of LLM360/K2-Horizon; vLLM tool_parsers/k2_horizon_tool_parser.py, SGLang function_call/
k2_v3_detector.py, llama.cpp common/parsers/k2-horizon.cpp and mlx_lm/tool_parsers/k2_horizon.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.arg_pairs import arg_pairs
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tag_family import tag_family

_NAME = "k2-horizon"
_CALL, _CALL_END = "<ifm|tool_call>", "</ifm|tool_call>"
_SECTION, _SECTION_END = "<ifm|tool_calls>", "</ifm|tool_calls>"
_ENDS = (_CALL_END, *(f"{_CALL_END}{space}{_SECTION_END}" for space in ("", "\n")), _SECTION_END)
_FRAME = Frame(openers=(_SECTION, _CALL), closers=_ENDS, inner=(_CALL,))

FAMILY = Forms(
    _NAME,
    (
        tag_family(_NAME, arg_pairs("ifm|", section="tool_calls")),
        CallFamily(_NAME, (_CALL,), _FRAME.reader, follows=("{", "[")),
        CallFamily(_NAME, (_SECTION,), _FRAME.reader, follows=(f"{_CALL}{{", f"{_CALL}[", f"{_CALL}\n")),
    ),
)
