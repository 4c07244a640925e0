"""`headgate config`: check the configuration, show what it comes to, write one to start with, print its schema."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.resources import files
from pathlib import Path

from headgate.cli._settings import FILE, source, warn
from headgate.config.show import STARTER, show
from headgate.errors import ConfigError
from headgate.limits import DEFAULTS

SCHEMA_FILE = "headgate.schema.json"


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "config",
        help="check, show or start the configuration",
        description="Works on the configuration that `headgate serve` would use. Exit status 2 says that it is wrong.",
    )
    actions = verb.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, run_, words in (
        ("check", _check, "read the configuration and say whether it can be used"),
        ("show", _show, "print what it comes to, with the origin of each value; secrets are masked"),
        ("init", _init, f"write a commented {FILE} to start with"),
    ):
        action = actions.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        action.add_argument("file", nargs="?", metavar="FILE", help=f"the file (default: as `headgate serve`: {FILE})")
        action.set_defaults(run=run_)
    actions.add_parser("schema", help="print the JSON Schema of the file, for editors").set_defaults(run=_schema)


def _check(arguments: argparse.Namespace) -> int:
    # Here, so that the other actions do not wait for them. What makes the gateway knows best what it can be made of.
    from headgate.gateway.door import Door  # noqa: PLC0415
    from headgate.gateway.engines import engines  # noqa: PLC0415

    found = source(arguments.file).read()
    warn("config", found)
    config = found.settings.config
    Door(config)
    if config.upstreams:
        engines(config, {}, os.environ, DEFAULTS)
    count = f"{len(config.upstreams)} upstream{'s' * (len(config.upstreams) != 1)}"
    print(f"{found.path or 'no file'}: good, {count}, listens on {config.host} port {config.port}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    found = source(arguments.file).read()
    warn("config", found)
    print(f"# file: {found.path or 'none'}")
    print(show(found.settings), end="")
    return 0


def _init(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file or FILE)
    try:
        # Secrets may be written into it later, so nobody else may read it.
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} is there already and stays as it is. Name another file.") from None
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(STARTER)
    print(f"wrote {path}")
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    del arguments
    sys.stdout.write(files("headgate.config").joinpath(SCHEMA_FILE).read_text(encoding="utf-8"))
    return 0
