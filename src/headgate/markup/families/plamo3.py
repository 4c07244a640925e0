"""`<|plamo:begin_tool_requests:plamo|>…` with a name and JSON arguments between tags -> tool calls (PLaMo 3).

Strategy: each tag is several tokens, so that any of them may come in pieces; the tags between the name and the
arguments say only that they are JSON.
Spec: the chat template of pfnet/plamo-3-nict-31b-instruct; vLLM parser/plamo3.py reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.named_calls import Header
from headgate.markup.readers.text_tags import TextTags


def _tag(words: str) -> str:
    return f"<|plamo:{words}:plamo|>"


_NAME = "plamo3"
_BEGINS = (_tag("begin_tool_request") + _tag("begin_tool_name"),)
_HEADER = Header(
    (_tag("begin_tool_requests"),),
    begins=_BEGINS,
    marks=(_tag("end_tool_name"), _tag("begin_tool_arguments"), "<|plamo:constrain|>json", "<|plamo:msg|>"),
    ends=(_tag("end_tool_arguments"),),
    closes=(_tag("end_tool_requests"),),
    inner=(_tag("end_tool_request"),),
)
_NAMED = (TextTags(_NAME, ("<|plamo:tag|>",), at_end=True),)

FAMILY = CallFamily(_NAME, _HEADER.openers, _HEADER.reader, follows=_BEGINS, when_named=_NAMED)
