"""`<tool_call>function`, a line with the tool's name, and JSON arguments -> tool calls (Step-Audio 2).

Spec: the chat template of stepfun-ai/Step-Audio-2-mini; vLLM tool_parsers/step_audio_2_tool_parser.py reads the same.
"""

from __future__ import annotations

from headgate.markup.readers.named_calls import Header, NamedFamily

_HEADER = Header(openers=("<tool_call>function\n",), bare=True, ends=("</tool_call>",))

FAMILY = NamedFamily("step-audio-2", _HEADER.openers, _HEADER.reader)
