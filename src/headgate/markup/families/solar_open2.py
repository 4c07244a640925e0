"""`<|tool_call:start|>f` and `<|tool_arg:start|>k<|tool_arg:value|>v<|tool_arg:end|>` -> tool calls (Solar Open 2).

Strategy: values are bare text, typed by the tool's schema. An end that is missing is made up for by the next tag.
Spec: the chat template of upstage/Solar-Open2; vLLM tool_parsers/solar_open2_tool_parser.py reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.arg_pairs import NameTag
from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tag_grammar import Grammar, Newlines
from headgate.markup.readers.tag_heads import Tag, bare_name

_CALL, _CALL_END = "<|tool_call:start|>", "<|tool_call:end|>"
_KEY, _VALUE, _VALUE_END = "<|tool_arg:start|>", "<|tool_arg:value|>", "<|tool_arg:end|>"

FAMILY = tag_family(
    "solar-open2",
    Grammar(
        call=NameTag(_CALL, (_KEY, _CALL_END)),
        call_closers=(_CALL_END,),
        parameter=Tag((_KEY,), _VALUE, bare_name),
        parameter_closers=lambda _: (_VALUE_END,),
        newlines=Newlines.NONE,
        lone=(_CALL,),
    ),
)
