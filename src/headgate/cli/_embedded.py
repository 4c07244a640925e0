"""`headgate serve --gguf`: its flags, and the wait until an engine of our own is up."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.errors import ConfigError

if TYPE_CHECKING:
    from headgate.gateway.engines import Engine
    from headgate.upstream.embedded_engine import EmbeddedEngine

_FIRST_S = 1.0
"""After which somebody who waits for a model hears that it is being loaded."""
_TELL_S = 5.0
"""How often they hear it again."""
_KEYS = ("n_ctx", "slots", "threads", "template", "gpu_layers", "engine_port")


def add_flags(verb: argparse.ArgumentParser) -> None:
    """Describe the flags of an embedded engine."""
    group = verb.add_argument_group("an engine of its own (needs pip install 'headgate[engine]')")
    group.add_argument("--gguf", metavar="FILE", help="start llama.cpp on this model, and end it with the gateway")
    group.add_argument(
        "--n-ctx", type=int, metavar="N", help="its tokens of context (default: what the model and memory allow)"
    )
    group.add_argument("--slots", type=int, metavar="N", help="requests that it answers at once (default: 4)")
    group.add_argument("--threads", type=int, metavar="N", help="threads that it computes with (default: all cores)")
    group.add_argument("--template", metavar="FILE", help="a chat template that replaces the model's own")
    group.add_argument("--gpu-layers", type=int, metavar="N", help="layers on the GPU (default: as many as fit)")
    group.add_argument("--engine-port", type=int, metavar="N", help="its port on 127.0.0.1 (default: a free one)")


def flagged(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The upstream that the flags describe, as a table; none without `--gguf`.

    Raises:
        ConfigError: if there are other flags of it, and no `--gguf`.
    """
    said = {key: value for key in _KEYS if (value := getattr(arguments, key)) is not None}
    if arguments.gguf is not None:
        return [{"engine": "embedded", "gguf": arguments.gguf, **said}]
    if said:
        flag = "--" + next(iter(said)).replace("_", "-")
        raise ConfigError(f"{flag}: expected --gguf FILE beside it, the model that it is for.")
    return []


def wait(engines: Sequence[Engine], say: Callable[[str], None] | None) -> None:
    """Start every engine of our own, and wait until all are up; `say` hears how that goes, if it takes its time.

    Raises:
        ConfigError: if one does not start; all are stopped then.
    """
    processes = [engine.process for engine in engines if engine.process is not None]
    for process in processes:
        process.start()
    try:
        for process in processes:
            _wait(process, say)
    except BaseException:
        for process in processes:
            process.stop()
        raise


def _wait(process: EmbeddedEngine, say: Callable[[str], None] | None) -> None:
    from headgate.upstream.embedded_engine import Phase  # noqa: PLC0415 - the other verbs do not need it

    file, begun_s = Path(process.config.gguf), time.monotonic()
    status = process.wait(_FIRST_S)
    while status.phase is Phase.STARTING:
        if say is not None:
            passed_s = time.monotonic() - begun_s
            say(f"llama.cpp loads {file.name} ({file.stat().st_size / 1e6:,.0f} MB): {passed_s:.0f} s.")
        status = process.wait(_TELL_S)
    if status.phase is not Phase.READY:
        raise ConfigError(f"upstream {process.name}: {status.reason or 'it was stopped.'}")
