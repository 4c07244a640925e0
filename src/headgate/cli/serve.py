"""`headgate serve`: the gateway in front of the engines that are named, that run here, or of recordings."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headgate.cli._settings import FILE, Found, Source, source
from headgate.config.values import HOST, PORT, check_door
from headgate.errors import ConfigError

if TYPE_CHECKING:
    from headgate.cli._log import Form, Log

LEVELS = ("critical", "error", "warning", "info", "debug")
FORMS: Sequence[Form] = ("text", "json", "off")

_Word = TypeVar("_Word", bound=str)


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "serve",
        help="start the gateway",
        description="Serves one exact OpenAI stream over any number of engines. Engines come from --upstream, else "
        "from the environment (HEADGATE_UPSTREAM), else from the configuration file; without any it looks for engines "
        "on this machine, and serves recordings while it finds none. Exit status 2 says that it could not start.",
    )
    verb.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="[DIALECT=]URL",
        help="an engine, such as http://127.0.0.1:8080 or ollama=http://127.0.0.1:11434; may be repeated",
    )
    verb.add_argument("--demo", action="store_true", help="serve recordings, whatever engines there are")
    verb.add_argument(
        "--config", metavar="FILE", help=f"the configuration file (default: $HEADGATE_CONFIG, ./{FILE}, the user's own)"
    )
    verb.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="keep what is said to each engine, prompts included, as cassettes below DIR (see `headgate record`)",
    )
    verb.add_argument("--host", metavar="H", help=f"the address to listen on (default: {HOST})")
    verb.add_argument(
        "--port", type=int, metavar="N", help=f"the port to listen on; 0 takes a free one (default: {PORT})"
    )
    verb.add_argument(
        "--log",
        choices=FORMS,
        metavar="F",
        help="how requests are logged on standard error: text, json, or off (default: text on a terminal, else json)",
    )
    verb.add_argument("--log-level", choices=LEVELS, metavar="L", help=f"one of {', '.join(LEVELS)} (default: warning)")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: if the configuration cannot be used, or the port.
        KeyboardInterrupt: after SIGINT, when everything is closed.
    """
    from headgate.cli._log import Log  # noqa: PLC0415 - so that the other verbs do not wait for the gateway's modules

    default: Form = "text" if sys.stderr.isatty() else "json"
    form: Form = _one_of(FORMS, arguments.log, "HEADGATE_LOG", default)
    level = _one_of(LEVELS, arguments.log_level, "HEADGATE_LOG_LEVEL", "warning")
    if arguments.demo and arguments.upstream:
        raise ConfigError("expected --demo or --upstream, got both. Leave one out.")
    settings = source(arguments.config, arguments.upstream, host=arguments.host, port=arguments.port)
    found = settings.read()
    check_door(found.settings.config)
    log = Log(sys.stderr.fileno(), form, level)
    try:
        for warning in found.warnings:
            log.say(f"warning: {warning}")
        _serve(settings, found, log, level, demo=arguments.demo, record=arguments.record)
    finally:
        log.close()
    return 0


def _serve(settings: Source, found: Found, log: Log, level: str, *, demo: bool, record: Path | None) -> None:
    # Here for the same reason: uvicorn takes longest of all.
    from headgate.cli._banner import banner  # noqa: PLC0415
    from headgate.cli._engines import choose  # noqa: PLC0415
    from headgate.cli._watch import LOOK_S, Watch  # noqa: PLC0415
    from headgate.gateway.app import create_app  # noqa: PLC0415
    from headgate.gateway.crowd import more_files  # noqa: PLC0415
    from headgate.gateway.server import listen, make_server, url_of  # noqa: PLC0415
    from headgate.record.recorder import Recorder  # noqa: PLC0415

    more_files()
    config = found.settings.config
    sockets = listen(config.host, config.port)
    port = sockets[0].getsockname()[1]
    chosen = asyncio.run(choose(config, os.environ, own_port=port, demo=demo))
    recorder = None if record is None else Recorder(record, complain=log.say)
    app = create_app(chosen.config, upstreams=chosen.given, recorder=recorder)
    for directory in sorted(
        {record and str(record), *(one.record for one in chosen.config.upstreams)} - {None}, key=str
    ):
        log.say(f"what is said to engines is recorded below {directory}, prompts included.")
    watches: list[Watch] = []  # so that it lives as long as the server

    def started() -> None:
        # Before anything is promised: whoever reads the banner may send SIGHUP.
        watches.append(Watch(app, settings, found, chosen, environ=os.environ, own_port=port, demo=demo, say=log.say))
        watches[0].start()
        print(banner(chosen, url_of(sockets), LOOK_S), flush=True)

    # A signal ends the process as soon as the server has stopped.
    make_server(app, log_level=level, on_start=started, on_stop=log.close).run(sockets=sockets)


def _one_of(known: Sequence[_Word], said: _Word | None, variable: str, default: _Word) -> _Word:
    """What a flag or else a variable says.

    Raises:
        ConfigError: if the variable says something else.
    """
    given = os.environ.get(variable, "").strip().lower()
    if said or not given:
        return said or default
    for word in known:
        if word == given:
            return word
    raise ConfigError(f"{variable}: expected one of {', '.join(known)}, got {given[:20]!r}.")
