"""`headgate doctor`: what an endpoint does, shown by asking it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from headgate.cli._settings import FILE

TIMEOUT_S = 60.0
"""One check. A model on a slow machine reads and writes a few hundred tokens in this time."""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "doctor",
        help="ask an endpoint everything, and say what is exact",
        description="Asks an engine or a gateway a battery of questions and says what is exact, what deviates, what "
        "is refused, and what breaks where. Without URL the configuration is checked, and every upstream in it. Exit "
        "status 1 says that something deviates, 2 that the checks could not run.",
    )
    verb.add_argument("url", nargs="?", metavar="[DIALECT=]URL", help="such as http://127.0.0.1:8080")
    verb.add_argument("--config", metavar="FILE", help=f"without URL: the configuration (default: as serve: {FILE})")
    verb.add_argument("--model", metavar="NAME", help="the model to ask (default: the first that is served)")
    verb.add_argument("--key-env", metavar="NAME", help="the environment variable that holds the endpoint's key")
    verb.add_argument("--only", metavar="NAMES", default="", help="run these checks, by comma, and `plain` before them")
    verb.add_argument(
        "--timeout", metavar="S", type=_seconds, default=TIMEOUT_S, help=f"seconds for each check ({TIMEOUT_S:g})"
    )
    verb.add_argument("--json", action="store_true", help="print a JSON document in place of the table")
    verb.add_argument("--markdown", action="store_true", help="print Markdown in place of the table")
    verb.add_argument("--junit", metavar="FILE", help="write JUnit XML, too")
    verb.add_argument("--record", metavar="DIR", type=Path, help="keep every exchange, for a bug report or a replay")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Examine one endpoint, or every upstream of the configuration. Returns the exit status.

    Raises:
        UsageError: if an argument or the configuration cannot be used.
    """
    from headgate.cli._visits import visit  # noqa: PLC0415 - so that the other verbs do not wait for its modules

    return visit(arguments)


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise ValueError
    return value
