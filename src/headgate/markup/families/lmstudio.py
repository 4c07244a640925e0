"""`[TOOL_REQUEST]{"name": …, "arguments": {…}}[END_TOOL_REQUEST]` -> tool calls (any model on LM Studio).

Strategy: it is what LM Studio teaches a model in the prompt whose template has no place for tools.
Spec: https://lmstudio.ai/docs/developer/openai-compat/tools (default tool use support)
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_FRAME = Frame(openers=("[TOOL_REQUEST]",), closers=("[END_TOOL_REQUEST]",))

FAMILY = CallFamily("lmstudio", _FRAME.openers, _FRAME.reader, follows=("{", "["))
