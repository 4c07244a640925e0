"""`<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{…}<｜tool▁call▁end｜>…` -> tool calls (DeepSeek V3.1).

Strategy: the reader of `deepseek_v3.py`, which takes both forms.
Spec: the chat template of deepseek-ai/DeepSeek-V3.1; vLLM tool_parsers/deepseekv31_tool_parser.py, SGLang
function_call/deepseekv31_detector.py and Ollama model/parsers/deepseek3.go read the same.
"""

from __future__ import annotations

from headgate.markup.families.deepseek_v3 import family

FAMILY = family("deepseek-v3.1")
