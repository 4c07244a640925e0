"""`<start_function_call>call:f{city:<escape>Paris<escape>,days:3}<end_function_call>` -> tool calls (FunctionGemma).

Spec: the chat template of google/functiongemma-270m-it; vLLM tool_parsers/functiongemma_tool_parser.py, Ollama
model/parsers/functiongemma.go and mlx_lm tool_parsers/function_gemma.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.gemma_calls import Notation, form

FAMILY = form(
    "functiongemma",
    Notation("<escape>", ("<start_function_call>",), ("<end_function_call>",), noise=("<start_function_response>",)),
)
