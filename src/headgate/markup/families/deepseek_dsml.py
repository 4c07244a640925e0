"""`<｜DSML｜invoke name="f"><｜DSML｜parameter name="k" string="true">v…` -> tool calls (DeepSeek V3.2, V4, V4.1).

Strategy: the tags are read with and without the marker, which engines strip as a special token, and V4.1's with a space
behind it. `string` tells a value's type where the tool's schema does not.
Spec: encoding/encoding_dsv32.py of deepseek-ai/DeepSeek-V3.2; vLLM parser/deepseek_v32.py, deepseek_v4.py and
deepseek_v41.py, llama.cpp common/parsers/deepseek.cpp and SGLang function_call/deepseekv32_detector.py read the same.
"""

from __future__ import annotations

from itertools import product

from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Tag, string_attribute

_MARKER = "｜DSML｜"
_MARKED = (_MARKER, f"{_MARKER} ")
_MARKS = (*_MARKED, "")
_BLOCKS = ("function_calls", "tool_calls", "toolcalls", "calls")


def _each(before: str, *words: str) -> tuple[str, ...]:
    return tuple(f"{before}{mark}{word}" for mark, word in product(_MARKS, words))


_CLOSERS = _each("</", "parameter>")

FAMILY = tag_family(
    "deepseek-dsml",
    Grammar(
        openers=_each("<", *(f"{block}>" for block in _BLOCKS)),
        closers=_each("</", *(f"{block}>" for block in _BLOCKS)),
        call=Tag(_each("<", "invoke"), ">", string_attribute),
        call_closers=_each("</", "invoke>"),
        parameter=Tag(_each("<", "parameter"), ">", string_attribute),
        parameter_closers=lambda _: _CLOSERS,
        lone=tuple(f"<{mark}invoke" for mark in _MARKED),
    ),
)
