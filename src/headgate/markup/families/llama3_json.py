"""`<|python_tag|>{"name": …, "parameters": {…}}`, and the same without the tag, -> tool calls (Llama 3.1 to 3.3).

Strategy: behind the tag stand JSON calls, a built-in tool's `f.call(k="v")`, a call in Python's syntax, or a program.
Without it, only the caller's word for the family tells its JSON from any other: at the beginning, with either key for
the arguments, and in the middle of a text with the family's own. Where no tools are known, an object must also be
nothing but a call, since documents have names too. The tag `<function=f>` of the same guide is another family's.
Spec: meta-llama/llama-models, models/llama3_1/prompt_format.md; vLLM parser/llama_json.py, SGLang function_call/
llama32_detector.py and llama.cpp common/chat.cpp (Llama 3.x) read the same.
"""

from __future__ import annotations

from dataclasses import replace

from headgate.markup.families.llama3_json_builtin import built_in
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.code_calls import programs
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.function_json import function_json
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.python_calls import tagged

_NAME, _TAG = "llama3-json", "<|python_tag|>"
_FRAME = Frame((_TAG,), closers=("<|eom_id|>", "<|eot_id|>"), separators=(";", ","))
_FIRST = replace(_FRAME, openers=(), name_alone=False, strict=True)
_INSIDE = replace(_FIRST, argument_keys=frozenset({"parameters"}))
_KEYS = ('"name"', '"function"', '"type"', '"parameters"', '"arguments"', '"id"')
_TAGGED = (
    CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("{", "[")),
    built_in(_NAME, _TAG),
    tagged(_NAME, _TAG, tool_known=True),
)
_NAMED = (
    CallFamily(_NAME, ("{", "["), _FIRST.bare, follows=(*_KEYS, "{"), anywhere=False),
    CallFamily(_NAME, ("{",), _INSIDE.bare, follows=_KEYS),
    function_json(_NAME),
    programs(_NAME, _TAG, but=Forms(_NAME, _TAGGED)),
)

FAMILY = Forms(_NAME, _TAGGED, _NAMED)
