"""`python -m bench`: measures, prints the table of ratios, writes JSON; `--publish` also renews the page."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import page
from bench.machine import this_machine
from bench.measures import summary
from bench.processes import weigh_up
from bench.programs import BUILD, build
from bench.results import LATEST, Run, Summary, read_run, write
from bench.rounds import Rounds
from bench.scenarios import PLAN, QUICK, SCENARIOS
from bench.table import FIGURE_HEADINGS, MEASURE_HEADINGS, figure_rows, measure_rows, plain


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of the most telling loads: a few minutes")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (default: 3, quick: 1)")
    parser.add_argument("--gateways", help=f"only these, by comma, among {', '.join(PLAN)}")
    parser.add_argument("--loads", help=f"only these, by comma, among {', '.join(SCENARIOS)}, capacity")
    parser.add_argument("--priority", action="store_true", help="ask for more of a shared machine, where allowed")
    parser.add_argument("--publish", action="store_true", help="keep the summary, and renew the pages with it")
    parser.add_argument("--from", dest="made", type=Path, metavar="FILE", help="measure nothing, read a run's JSON")
    return parser.parse_args(given)


def plan_of(options: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """What is to be measured."""
    whole = QUICK if options.quick else PLAN
    gateways = options.gateways.split(",") if options.gateways else list(whole)
    loads = options.loads.split(",") if options.loads else None
    return {name: tuple(loads) if loads else whole.get(name, PLAN[name]) for name in gateways}


def measure(options: argparse.Namespace, command: str) -> Run:
    """Measure everything in turn; a run that is interrupted gives what it has."""
    build()
    weighed = options.priority and weigh_up(os.getpid())
    if options.priority and not weighed:
        print("--priority: not allowed here; measuring without")
    rounds = Rounds(plan_of(options), weighed=weighed)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)  # a shell may have told us to ignore the first
    try:
        for number in range(options.rounds or (1 if options.quick else 3)):
            print(f"round {number + 1}, {dt.datetime.now(dt.UTC):%H:%M:%S}", flush=True)
            rounds.round(number)
    except KeyboardInterrupt:
        print("interrupted; what follows is of what was measured")
    date = dt.datetime.now(dt.UTC).date().isoformat()
    return Run(this_machine(), date, command, rounds.samples, rounds.skipped)


def show(found: Summary) -> None:
    """Print the tables."""
    print("\n" + plain(FIGURE_HEADINGS, figure_rows(found)))
    print("\n" + plain(MEASURE_HEADINGS, measure_rows(found)))
    for name, reason in found.skipped.items():
        print(f"skipped {name}: {reason}")


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _arguments(given)
    arguments = " ".join(word for word in (sys.argv[1:] if given is None else given) if word != "--publish")
    command = f'make bench ARGS="{arguments}"' if arguments else "make bench"
    if options.made:
        run = read_run(options.made)
    else:
        run = measure(options, command)
        path = BUILD / f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}.json"
        write(path, run)
        print(f"\nEvery sample is in {path}")
    found = summary(run)
    show(found)
    if options.publish:
        write(LATEST, found)
        page.rewrite(found)


if __name__ == "__main__":
    main()
