"""`<dots_function_call><invoke name="f"><parameter name="k">v</parameter>…` -> tool calls (dots).

Strategy: the models write a JSON object in the same tags, too.
Spec: vLLM tool_parsers/dots_tool_parser.py and SGLang function_call/dots_detector.py.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.invoke_tags import invoke_tags
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tag_family import tag_family

_OBJECT = Frame(openers=("<dots_function_call>",), closers=("</dots_function_call>",))

FAMILY = Forms(
    "dots",
    (
        tag_family("dots", invoke_tags("<dots_function_call>", "</dots_function_call>")),
        CallFamily("dots", _OBJECT.openers, _OBJECT.reader, follows=("{", "[")),
    ),
)
