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
    given = sys.argv[1:] if argv is None else argv
    arguments = parser(*given[:1]).parse_args(given)
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


def parser(verb: str = "") -> argparse.ArgumentParser:
    """The parser with this verb, or with every verb where there is none of this name."""
    top = argparse.ArgumentParser(prog="headgate", description="One exact stream from every model engine.")
    top.add_argument("--version", action="version", version=f"headgate {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    known = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))
    for module in [verb] if verb in known else known:
        importlib.import_module(f"{__name__}.{module}").add_parser(verbs)
    return top
