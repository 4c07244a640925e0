"""The command line: one module for each verb.

A verb's module has `add_parser(subparsers)`, which describes it, and `run(arguments)`, which does it and
returns the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from headgate._version import __version__
from headgate.errors import HeadgateError

USAGE_STATUS = 2
INTERRUPTED_STATUS = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run `headgate`. Returns the exit status: 0 done, 1 the stream failed, 2 a mistake in the call."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except HeadgateError as error:
        print(f"headgate {arguments.verb}: {error}", file=sys.stderr)
        return USAGE_STATUS
    except OSError as error:
        print(f"headgate {arguments.verb}: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return USAGE_STATUS
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


def parser() -> argparse.ArgumentParser:
    """The parser with every verb."""
    top = argparse.ArgumentParser(prog="headgate", description="One exact stream from every model engine.")
    top.add_argument("--version", action="version", version=f"headgate {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")):
        importlib.import_module(f"{__name__}.{module}").add_parser(verbs)
    return top
