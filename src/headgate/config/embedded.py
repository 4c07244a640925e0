"""What an embedded engine is started with, as a value.

Spec: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

from __future__ import annotations

import msgspec

SLOTS = 4
"""Requests that are answered at once; llama-server's own choice (`--parallel`)."""


class EmbeddedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How llama.cpp is started in a process of its own.

    Args:
        gguf: the model's file.
        n_ctx: tokens of context for all slots together; 0 is as many as the model was made for and fit in memory.
        slots: requests that are answered at once; more wait.
        threads: threads that compute; None is one for each core.
        template: the file of a chat template (Jinja) that replaces the model's own.
        gpu_layers: layers that are computed on the GPU; None is as many as fit.
        port: where it listens on 127.0.0.1; 0 takes a free port.
        temperature: of requests that name none; None is llama.cpp's own.
    """

    gguf: str
    n_ctx: int = 0
    slots: int = SLOTS
    threads: int | None = None
    template: str | None = None
    gpu_layers: int | None = None
    port: int = 0
    temperature: float | None = None
