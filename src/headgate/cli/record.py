"""`headgate record`: a proxy before an engine that keeps every exchange as a cassette."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

import msgspec

from headgate.cli._relaying import add_listen, parse_listen, run_relay
from headgate.limits import DEFAULTS

LISTEN = "127.0.0.1:4284"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "record",
        help="record what an engine says",
        description="Passes every request on to an engine as it is, and the reply back, and keeps both as a folder of "
        "plain files below DIR: prompts, replies, headers and times. Keys are masked. `headgate replay` serves such "
        "folders, and a bug report is one. Exit status 2 says that it could not start.",
    )
    verb.add_argument("url", metavar="URL", help="the engine, such as http://127.0.0.1:8080")
    verb.add_argument("--to", metavar="DIR", required=True, type=Path, help="where the folders go; made if need be")
    add_listen(verb, LISTEN)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record until SIGINT or SIGTERM.

    Raises:
        ConfigError: if the URL, the directory or the address cannot be used.
        KeyboardInterrupt: after SIGINT, when everything is closed.
    """
    from headgate.record.heads import keys_in  # noqa: PLC0415 - so that the other verbs do not wait for them
    from headgate.record.recorder import Recorder, RecordingUpstream  # noqa: PLC0415
    from headgate.upstream.http import HttpUpstream  # noqa: PLC0415

    address = parse_listen(arguments.listen)
    url = arguments.url.rstrip("/").removesuffix("/v1")
    # How long to wait is up to the client, whose going ends the exchange.
    limits = msgspec.structs.replace(DEFAULTS, first_byte_s=math.inf, idle_s=math.inf)
    engine = HttpUpstream("", url, limits=limits)
    recorder = Recorder(arguments.to, complain=lambda words: print(f"headgate record: {words}", file=sys.stderr))
    recorder.prepare()
    recording = RecordingUpstream(engine, recorder, secrets=keys_in(os.environ))
    run_relay(recording, address, lambda here: _said(here, url, arguments.to))
    return 0


def _said(here: str, url: str, directory: Path) -> str:
    return (
        f"Headgate records {url} and listens on {here}\n\n"
        f"  Each exchange becomes a folder in {directory}: request, reply, headers and times.\n"
        "  The prompts are in it. Whatever looks like a key is masked; read a folder before you share it.\n\n"
        "Point a client at it:\n\n"
        f"  export OPENAI_BASE_URL={here}/v1 OLLAMA_HOST={here} ANTHROPIC_BASE_URL={here}"
    )
