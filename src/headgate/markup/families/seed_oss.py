"""`<seed:tool_call><function=f><parameter=k>v</parameter>…` -> tool calls (Seed-OSS).

Spec: the chat template of ByteDance-Seed/Seed-OSS-36B-Instruct; vLLM tool_parsers/seed_oss_tool_parser.py and llama.cpp
common/chat-diff-analyzer.cpp read the same.
"""

from __future__ import annotations

from headgate.markup.readers.function_tags import function_tags
from headgate.markup.readers.tag_family import tag_family

FAMILY = tag_family("seed-oss", function_tags("seed:tool_call", lone=False))
