"""Reasoning between a plain opener and closer (`<think>…</think>` and its kin) -> reasoning spans.

Strategy: that of `headgate.markup.thoughts`, which holds the tags.
Spec: the chat templates of the models named there (vLLM reasoning/*.py, llama.cpp common/chat.cpp and Ollama
thinking/parser.go read the same pairs).
"""

from __future__ import annotations

from headgate.markup.thoughts import Think

FAMILY = Think()
