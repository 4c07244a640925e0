"""`<iquest_tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value></iquest_tool_call>` -> tool calls (IQuest).

Strategy: GLM's pairs between tags of its own. IQuest Coder V2 names its tags after itself, too.
Spec: the chat templates of IQuestLab's Q1 and Coder V2; vLLM tool_parsers/iquest_coder_v2_tool_parser.py and SGLang
function_call/iquest_q1_detector.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.arg_pairs import arg_pairs
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.tag_family import tag_family

_NAME = "iquest"
_TAGS = ("iquest_tool_call", "iquestcoder_tool_call")

FAMILY = Forms(_NAME, [tag_family(_NAME, arg_pairs(call=tag)) for tag in _TAGS])
