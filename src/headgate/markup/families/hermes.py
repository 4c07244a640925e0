"""`<tool_call>{"name": …, "arguments": {…}}</tool_call>` -> tool calls (Hermes 2 and 3, Qwen 2.5, Qwen 3).

Strategy: small models lose the closer, fence the JSON, close a brace too many, or write other tags; those that other
families or documents have too count only where the caller names this one, and a fence only where a block may begin.
Spec: the chat templates of NousResearch/Hermes-3-Llama-3.1-8B and Qwen/Qwen3-8B; vLLM tool_parsers/
hermes_tool_parser.py, SGLang function_call/qwen25_detector.py, Ollama model/parsers/qwen3.go and llama.cpp
common/chat.cpp (Hermes 2 Pro) read the same.
"""

from __future__ import annotations

from dataclasses import replace

from headgate.markup.families.hermes_fences import FencedCalls
from headgate.markup.readers.bare_calls import BareFamily
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.function_json import attribute_json, function_json
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tool_call_tag import FENCES, FOLLOWS, SEPARATORS, TOOL_CALL

_NAME = "hermes"
_FRAME = replace(TOOL_CALL, openers=(*TOOL_CALL.openers, "<tools>"))
_WORDS = ("function_call", "tool", "response", "json", "JSON", "xml")
_OTHERS = Frame(
    openers=tuple(f"<{word}>" for word in _WORDS),
    closers=tuple(f"</{word}>" for word in _WORDS),
    separators=SEPARATORS,
    inner=FENCES,
)
_FENCED = Frame(
    openers=FENCES,
    closers=("```", *_OTHERS.closers, *_FRAME.closers),
    separators=SEPARATORS,
    inner=(*_OTHERS.openers, *_FRAME.openers),
    name_alone=False,
)
_NAMED = (
    CallFamily(_NAME, _OTHERS.openers, _OTHERS.reader, FOLLOWS),
    CallFamily(
        _NAME,
        FENCES,
        lambda settings: FencedCalls(settings, _FENCED),
        ("{", "[", *_FENCED.inner),
        anywhere=False,
    ),
    BareFamily(_NAME),
    function_json(_NAME),
    attribute_json(_NAME),
)

FAMILY = CallFamily(_NAME, _FRAME.openers, _FRAME.reader, FOLLOWS, when_named=_NAMED)
