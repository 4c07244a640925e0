"""Real clients behind one interface: a file for each says how its users ask with it, and share nothing with Headgate.

`tests/compliance/test_clients.py` asks with all of them in all of their ways; `docs/clients.md` has the table.
"""

from __future__ import annotations

from clients import anthropic_package, langchain_openai_package, llm_command, ollama_package, openai_package

_FILES = (openai_package, anthropic_package, ollama_package, langchain_openai_package, llm_command)
CLIENTS = tuple(file.CLIENT for file in _FILES)
