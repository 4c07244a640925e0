"""A list of JSON calls, bare, in a code fence, or between other families' tags -> tool calls (xLAM 2, xLAM 1).

Strategy: as the whole message it is read in any text, like `bare-json`. Where the family is named, a fence that ends
the message may have text before it, and the tags that its models borrow are read too.
Spec: the chat template of Salesforce/Llama-xLAM-2-8b-fc-r; vLLM tool_parsers/xlam_tool_parser.py and Ollama
tools/tools.go (`{"tool_calls": […]}`) read the same.
"""

from __future__ import annotations

from headgate.markup.readers.bare_calls import BareFamily
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_NAME = "xlam"
_FRAME = Frame(openers=("<tool_call>", "[TOOL_CALLS]"), closers=("</tool_call>",))
_NAMED = (
    CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("[", "{")),
    BareFamily(_NAME, anywhere=True),
)

FAMILY = BareFamily(_NAME, when_named=_NAMED)
