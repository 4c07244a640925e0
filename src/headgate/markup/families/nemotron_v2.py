"""`<TOOLCALL>[{"name": …, "arguments": {…}}]</TOOLCALL>` -> tool calls (Nemotron Nano 2, Llama Nemotron 1.5).

Spec: the chat templates of nvidia/NVIDIA-Nemotron-Nano-9B-v2 and nvidia/Llama-3_3-Nemotron-Super-49B-v1_5;
llama.cpp common/chat-diff-analyzer.cpp and the tool parser that vLLM loads from the model's own repository read the
same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame

_FRAME = Frame(openers=("<TOOLCALL>",), closers=("</TOOLCALL>",))

FAMILY = CallFamily("nemotron-v2", _FRAME.openers, _FRAME.reader, follows=("[", "{"))
