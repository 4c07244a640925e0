"""`headgate replay`: recorded exchanges, served as the engine would."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from headgate.cassette import Cassette
from headgate.cli._relaying import add_listen, parse_listen, run_relay

LISTEN = "127.0.0.1:4285"
MATCHES = ("exact", "loose", "order")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Describe the verb."""
    verb = verbs.add_parser(
        "replay",
        help="serve recordings as an engine",
        description="Answers over HTTP from cassettes: the recorded bytes, in the recorded pieces, at the recorded "
        "pace. A request that none answers gets a 404 that names the nearest one and what differs. Exit status 2 says "
        "that it could not start.",
    )
    verb.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="a cassette, or a folder that holds some")
    verb.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="10 is ten times as fast, 0 at once (default: 1)"
    )
    verb.add_argument(
        "--match",
        choices=MATCHES,
        default="loose",
        help="which cassette answers: exact is the same method, path and bytes; loose the same path and a body that "
        "means the same, but for fields that change from run to run; order is the next one, whatever is asked "
        "(default: loose)",
    )
    verb.add_argument(
        "--fault",
        metavar="KIND@N",
        help="break each reply after N bytes of its body: cut@N closes the connection, reset@N resets it, stall@N "
        "falls silent, corrupt@N turns over the bits of one byte",
    )
    add_listen(verb, LISTEN)
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        UsageError: if a cassette cannot be read, or the speed or the fault cannot be used.
        ConfigError: if the address cannot be used.
        KeyboardInterrupt: after SIGINT, when everything is closed.
    """
    from headgate.record.folders import load  # noqa: PLC0415 - so that the other verbs do not wait for them
    from headgate.record.match import Match, Matcher  # noqa: PLC0415
    from headgate.record.spoiler import Spoiler, parse_fault  # noqa: PLC0415
    from headgate.upstream.base import Upstream  # noqa: PLC0415
    from headgate.upstream.replay import ReplayUpstream  # noqa: PLC0415

    address = parse_listen(arguments.listen)
    fault = None if arguments.fault is None else parse_fault(arguments.fault)
    cassettes = load(arguments.folders)
    engine: Upstream = ReplayUpstream(
        "replay",
        tuple(cassettes.values()),
        speed=arguments.speed,
        models=sorted({one.meta.model for one in cassettes.values() if one.meta.model}),
        chooser=Matcher(cassettes, Match(arguments.match)),
    )
    if fault is not None:
        engine = Spoiler(engine, fault)
    run_relay(engine, address, lambda here: _said(here, cassettes))
    return 0


def _said(here: str, cassettes: Mapping[str, Cassette]) -> str:
    places = sorted({f"{one.method} {one.path.partition('?')[0]}" for one in cassettes.values()})
    count = f"{len(cassettes):,} cassette{'s' * (len(cassettes) != 1)}"
    return f"Headgate replays {count} and listens on {here}\n\n" + "\n".join(f"  {place}" for place in places)
