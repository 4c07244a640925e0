"""Start llama.cpp's own HTTP server, as the xllamacpp wheel ships it, on a GGUF file.

    python tests/engine/serve.py MODEL.gguf --port 8091 [--template FILE] [--set name=value ...]

`--set` takes any scalar attribute of `xllamacpp.CommonParams` (`n_ctx=4096`, `n_parallel=2`, `special=1`,
`force_pure_content_parser=1`, `api_keys=["secret"]`, `reasoning_format=none|auto|deepseek|deepseek-legacy`,
`embedding=1` with `pooling_type=mean`, or `rank` for reranking).
`--draft N` decodes speculatively.
Prints `READY <address> import=<s>s start=<s>s` when the server answers, and runs until it is killed: the wheel has no
`stop()`, so run it in a child process. Wheels up to 2026.5 swallow SIGTERM; SIGKILL ends all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

DEFAULTS: dict[str, Any] = {
    "n_ctx": 4096,
    "n_parallel": 2,
    "n_threads_http": 4,
    "warmup": True,
    "use_jinja": True,
    "endpoint_metrics": True,
    "endpoint_slots": True,
    "endpoint_props": True,
    "fit_params": False,
}

ENUMS = {
    "reasoning_format": ("common_reasoning_format", "COMMON_REASONING_FORMAT_"),
    "pooling_type": ("llama_pooling_type", "LLAMA_POOLING_TYPE_"),
}
"""Attributes whose values are constants: their class, and what the constants' names begin with."""


def main() -> None:
    """Serve until killed."""
    arguments = parse_arguments()
    begun_s = time.monotonic()
    xllamacpp: Any = importlib.import_module("xllamacpp")  # compiled, without stubs; here so that its time is told
    imported_s = time.monotonic()
    server = xllamacpp.Server(parameters(xllamacpp, arguments))
    started_s = time.monotonic()
    address = getattr(server, "listening_address", f"http://127.0.0.1:{arguments.port}")
    times = f"import={imported_s - begun_s:.2f}s start={started_s - imported_s:.2f}s"
    sys.stdout.write(f"READY {address} {times}\n")
    sys.stdout.flush()
    while True:
        time.sleep(3600)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", help="the GGUF file")
    parser.add_argument("--port", type=int, default=8091, help="0 takes a free one; READY tells which")
    parser.add_argument("--template", type=Path, help="a Jinja chat template; the model's own by default")
    parser.add_argument("--alias", default="tiny", help="the name the server gives the model")
    parser.add_argument("--set", action="append", default=[], metavar="name=value", dest="settings")
    parser.add_argument("--draft", type=int, default=0, metavar="N", help="let the model draft N tokens for itself")
    parser.add_argument("--verbosity", type=int, default=-1, help="3 shows llama.cpp's log")
    return parser.parse_args()


def parameters(xllamacpp: Any, arguments: argparse.Namespace) -> Any:
    """Build the server's parameters; untyped, as xllamacpp has no stubs."""
    common = xllamacpp.CommonParams()
    common.model.path = arguments.model
    if hasattr(common, "hostnames"):
        common.hostnames = ["127.0.0.1"]
    else:  # older wheels
        common.hostname = "127.0.0.1"
    for name, value in {**DEFAULTS, "port": arguments.port, "verbosity": arguments.verbosity}.items():
        if hasattr(common, name):  # older wheels have fewer
            setattr(common, name, value)
    common.cpuparams.n_threads = 1
    common.cpuparams_batch.n_threads = 1
    set_alias(common, arguments.alias)
    if arguments.template:
        common.chat_template = arguments.template.read_text(encoding="utf-8")
    if arguments.draft:
        draft(xllamacpp, common, arguments)
    for setting in arguments.settings:
        apply_setting(xllamacpp, common, setting)
    return common


def draft(xllamacpp: Any, common: Any, arguments: argparse.Namespace) -> None:
    """Let the server decode speculatively, with the model as its own draft model; older wheels cannot."""
    common.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    common.speculative.draft.mparams.path = arguments.model
    common.speculative.draft.n_max = arguments.draft
    common.speculative.draft.cpuparams.n_threads = 1
    common.speculative.draft.cpuparams_batch.n_threads = 1


def set_alias(common: Any, alias: str) -> None:
    """Name the model: a set of names in newer wheels, one name in older ones."""
    try:
        common.model_alias = {alias}
    except TypeError:
        common.model_alias = alias


def apply_setting(xllamacpp: Any, common: Any, setting: str) -> None:
    """Apply one `name=value`; a value that is JSON is read as JSON, anything else is text."""
    name, _, text = setting.partition("=")
    value: Any = text
    if name in ENUMS:
        kind, prefix = ENUMS[name]
        setattr(common, name, getattr(getattr(xllamacpp, kind), prefix + text.upper().replace("-", "_")))
        return
    with contextlib.suppress(ValueError):
        value = json.loads(text)
    if isinstance(getattr(common, name), bool):
        value = bool(value)
    setattr(common, name, value)


if __name__ == "__main__":
    main()
