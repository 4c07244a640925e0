"""Ollama's `POST /api/generate`: canonical events -> NDJSON, one object per line, or one reply.

Strategy: everything is that of `/api/chat`, but for the body that asks and the form of a line.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-completion
"""

from __future__ import annotations

from headgate.surfaces.ollama import Ollama
from headgate.surfaces.ollama_lines import GENERATE
from headgate.surfaces.ollama_request import parse_generate
from headgate.surfaces.ollama_shapes import GenerateBody

SURFACE = Ollama("ollama_generate", "/api/generate", GENERATE, GenerateBody, parse_generate)
