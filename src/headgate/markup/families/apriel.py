"""`<tool_calls>[{"name": …, "arguments": {…}}]</tool_calls>` -> tool calls (Apriel 1.5 and 1.6).

Strategy: `[BEGIN FINAL RESPONSE]` ends a thought that was opened in the prompt, whatever the family. Its opener is an
ordinary sentence and counts only where the family is named, as does what ends the response.
Spec: the chat templates of ServiceNow-AI/Apriel-1.5-15b-Thinker and Apriel-1.6-15b-Thinker; llama.cpp
common/chat-diff-analyzer.cpp reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.text_tags import TextTags
from headgate.markup.thoughts import Pairs, Think

_NAME = "apriel"
_FRAME = Frame(openers=("<tool_calls>",), closers=("</tool_calls>",))
_STEPS = Pairs({"Here are my reasoning steps:": ("[BEGIN FINAL RESPONSE]",)})
_NAMED = (
    Think(_NAME, _STEPS),
    TextTags(_NAME, ("[BEGIN FINAL RESPONSE]",), anywhere=False),
    TextTags(_NAME, ("[END FINAL RESPONSE]",), at_end=True),
)

FAMILY = CallFamily(_NAME, _FRAME.openers, _FRAME.reader, follows=("[", "{"), when_named=_NAMED)
