"""`headgate serve`: the gateway in front of the engines that are named, that run here, or of the demo."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headgate.cli._embedded import add_flags, flagged
from headgate.cli._hangup import Hangups
from headgate.cli._settings import FILE, Found, Source, source
from headgate.config.values import HOST, PORT, check_door
from headgate.discovery_places import unusable
from headgate.errors import ConfigError

if TYPE_CHECKING:
    from headgate.cli._engines import Demo
    from headgate.cli._log import Form, Log
    from headgate.record.recorder import Recorder

LEVELS = ("critical", "error", "warning", "info", "debug")
FORMS: Sequence[Form] = ("text", "json", "off")
DEMOS: Sequence[Demo] = ("engine", "recordings")

_GARBAGE = 20_000
"""Objects after which the garbage collector looks for cycles; a request leaves about two."""

_Word = TypeVar("_Word", bound=str)


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "serve",
        help="start the gateway",
        description="Serves one exact OpenAI stream over any number of engines. Engines come from --upstream and "
        "--gguf, else from the environment (HEADGATE_UPSTREAM), else from the configuration file; without any it "
        "looks for engines on this machine, and serves a demo while it finds none. Exit status 2 says that it could "
        "not start.",
    )
    verb.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="[DIALECT=]URL",
        help="an engine, such as http://127.0.0.1:8080 or ollama=http://127.0.0.1:11434; may be repeated",
    )
    add_flags(verb)
    verb.add_argument(
        "--demo",
        nargs="?",
        const="engine",
        choices=DEMOS,
        help="serve the demo, whatever engines there are; with recordings, without an engine of its own",
    )
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
    verb.add_argument(
        "--workers", type=int, default=1, metavar="N", help="how many processes serve, one for each core (default: 1)"
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: if the configuration cannot be used, or the port.
        KeyboardInterrupt: after SIGINT, when everything is closed.
    """
    with Hangups() as hangups:
        return _run(arguments, hangups)


def _run(arguments: argparse.Namespace, hangups: Hangups) -> int:
    from headgate.cli._log import Log, say  # noqa: PLC0415 - so that the other verbs do not wait for the gateway's modules
    from headgate.cli._workers import Supervisor, check, sockets_of  # noqa: PLC0415

    default: Form = "text" if sys.stderr.isatty() else "json"
    form: Form = _one_of(FORMS, arguments.log, "HEADGATE_LOG", default)
    level = _one_of(LEVELS, arguments.log_level, "HEADGATE_LOG_LEVEL", "warning")
    upstreams = [*flagged(arguments), *arguments.upstream]
    if arguments.demo and upstreams:
        other = "--upstream" if arguments.upstream else "--gguf"
        raise ConfigError(f"expected --demo or {other}, got both. Leave one out.")
    settings = source(arguments.config, upstreams, host=arguments.host, port=arguments.port)
    found = settings.read()
    config = found.settings.config
    check_door(config)
    check(config, arguments.workers)

    def work(sockets: list[socket.socket] | None, is_first: bool) -> None:  # noqa: FBT001 - `_workers.Work`
        log = Log(sys.stderr.fileno(), form, level)
        try:
            for warning in found.warnings if is_first else ():
                log.say(f"warning: {warning}")
            demo, record = arguments.demo, arguments.record
            _serve(settings, found, log, level, hangups, demo=demo, record=record, sockets=sockets, is_first=is_first)
        finally:
            log.close()

    if arguments.workers > 1:
        return Supervisor(sockets_of(config, arguments.workers), work, lambda sentence: say(sentence, form)).run()
    work(None, True)
    return 0


def _serve(
    settings: Source,
    found: Found,
    log: Log,
    level: str,
    hangups: Hangups,
    *,
    demo: Demo | None,
    record: Path | None,
    sockets: list[socket.socket] | None,
    is_first: bool,
) -> None:
    # Here for the same reason: uvicorn takes longest of all.
    from headgate.cli._banner import banner  # noqa: PLC0415
    from headgate.cli._embedded import wait  # noqa: PLC0415
    from headgate.cli._engines import choose  # noqa: PLC0415
    from headgate.cli._watch import LOOK_S, Watch  # noqa: PLC0415
    from headgate.gateway.app import create_app  # noqa: PLC0415
    from headgate.gateway.crowd import more_files  # noqa: PLC0415
    from headgate.gateway.server import listen, make_server, url_of  # noqa: PLC0415

    more_files()
    config = found.settings.config
    sockets = sockets or listen(config.host, config.port)
    port = sockets[0].getsockname()[1]
    chosen = asyncio.run(choose(config, os.environ, own_port=port, demo=demo))
    recorder = None if record is None else _recorder(record, log)
    app = create_app(chosen.config, upstreams=chosen.given, recorder=recorder)
    try:
        wait(app.engines, None if chosen.is_demo else log.say)
    except ConfigError as error:
        if not chosen.is_demo:
            raise
        log.say(f"{error} Recordings answer in its place.")
        chosen = asyncio.run(choose(config, os.environ, own_port=port, demo=demo, llama_cpp=False))
        app = create_app(chosen.config, upstreams=chosen.given, recorder=recorder)
    for variable in unusable(os.environ) if chosen.places else ():
        words = "expected a URL without a query, a fragment or credentials, got something else"
        log.say(f"warning: {variable}: {words}. No engine is looked for there.")
    for directory in sorted(
        {record and str(record), *(one.record for one in chosen.config.upstreams)} - {None}, key=str
    ):
        log.say(f"what is said to engines is recorded below {directory}, prompts included.")
    watches: list[Watch] = []  # so that it lives as long as the server

    def started() -> None:
        # Before anything is promised: whoever reads the banner may send SIGHUP.
        watches.append(Watch(app, settings, found, chosen, environ=os.environ, own_port=port, demo=demo, say=log.say))
        watches[0].start(hangups)
        if is_first:
            print(banner(chosen, url_of(sockets), LOOK_S), flush=True)
        _keep_for_good()

    # A signal ends the process as soon as the server has stopped.
    make_server(app, log_level=level, on_start=started, on_stop=log.close).run(sockets=sockets)


def _keep_for_good() -> None:
    """Let the garbage collector forget what is there by now, and look at the rest less often: chunks make no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _recorder(directory: Path, log: Log) -> Recorder:
    from headgate.record.recorder import Recorder  # noqa: PLC0415 - only who records needs it

    return Recorder(directory, complain=log.say)


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
