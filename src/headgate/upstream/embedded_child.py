"""The embedded engine's own process: llama.cpp's HTTP server, as the xllamacpp wheel ships it, on one GGUF file.

    python embedded_child.py RUN

Strategy: one line of JSON comes on stdin and says what to start, one goes out on stdout and says what became of it:
`{"url": …}`, or `{"failed": "import" | "port" | "start", "reason": …}`. Then it serves until stdin ends, which it does
when the gateway ends it and also when the gateway is killed. RUN only marks the process, so that it can be recognised.

This file imports nothing of Headgate: the wheel is loaded here and nowhere else, and fast.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

_HOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
"""prctl(2) of Linux: the signal that a process gets when the thread that made it ends."""
_LAST_WORDS_S = 0.3
"""llama.cpp writes its log in a thread that it does not wait for at its end, and why it failed stands there last."""
_LOG_REQUESTS = 3
"""llama.cpp's verbosity that tells what it loads and how long requests took, and nothing of what is in them."""


def main() -> None:
    """Serve until stdin ends."""
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever the engine prints belongs to its log
    wanted: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    _die_with(wanted["parent"])
    watch = threading.Thread(target=_end_with_stdin, daemon=True)
    watch.start()
    server, told = _start(wanted)
    os.write(answer, json.dumps(told).encode() + b"\n")
    if server is not None:
        watch.join()


def _die_with(parent: int) -> None:
    """End when the gateway does, however that ends, where the system can do it."""
    # The engine holds the GIL while it loads a model, and no thread of ours runs meanwhile; Linux needs none of them.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have ended before that. On Windows a virtual environment's python stands between the two.
    if os.name == "posix" and os.getppid() != parent:
        os._exit(0)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        continue
    os._exit(0)


def _start(wanted: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """Start the server. Returns it, or None, and what to tell."""
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")  # compiled, without stubs
    except ImportError as error:
        return None, {"failed": "import", "reason": str(error)}
    if not _is_free(wanted["port"]):
        return None, {"failed": "port", "reason": ""}
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, wanted))
    except RuntimeError as error:
        time.sleep(_LAST_WORDS_S)
        return None, {"failed": "start", "reason": str(error)}
    return server, {"url": server.listening_address}


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        if os.name == "posix":
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, port))
        except OSError:
            return False
    return True


def _parameters(xllamacpp: Any, wanted: dict[str, Any]) -> Any:
    common = xllamacpp.CommonParams()
    common.model.path = wanted["gguf"]
    common.model_alias = {wanted["model"]}
    common.hostnames = [_HOST]
    common.port = wanted["port"]
    common.api_keys = [wanted["key"]]
    common.n_ctx = wanted["n_ctx"]
    common.n_parallel = wanted["slots"]
    common.kv_unified = True  # a slot may use what the others leave of the context, as in llama-server
    common.use_jinja = True
    common.endpoint_slots = common.endpoint_props = True
    common.ui = False
    common.verbosity = _LOG_REQUESTS
    if wanted["threads"] is not None:
        common.cpuparams.n_threads = common.cpuparams_batch.n_threads = wanted["threads"]
    if wanted["gpu_layers"] is not None:
        common.n_gpu_layers = wanted["gpu_layers"]
    if wanted["template"] is not None:
        common.chat_template = wanted["template"]
    if wanted["temperature"] is not None:
        common.sampling.temp = wanted["temperature"]
    return common


if __name__ == "__main__":
    main()
