"""`<tool_call><function=f><parameter=k>v…` -> tool calls (Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5, MiMo).

Strategy: the models drop the outer opener, or any closer; a call begins at either tag. Where the family is named, JSON
between the outer tags is read too: small models fall back to it.
Spec: the chat templates of Qwen/Qwen3-Coder-30B-A3B-Instruct and nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B; Ollama
model/parsers/qwen3coder.go, llama.cpp common/parsers/qwen3-coder.cpp and vLLM parser/qwen3.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.function_tags import function_tags
from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tool_call_tag import FOLLOWS, TOOL_CALL

_NAME = "qwen3-coder"
_JSON = CallFamily(_NAME, TOOL_CALL.openers, TOOL_CALL.reader, FOLLOWS)

FAMILY = tag_family(_NAME, function_tags("tool_call", lone=True), _JSON)
