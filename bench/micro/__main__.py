"""Time every case, print the times and the ratios, and end with 1 where a ratio does not hold three times over."""

from __future__ import annotations

import sys

from bench.micro.cases import all_cases
from bench.micro.gate import failing, gates
from bench.micro.timing import Case, best_us
from bench.table import plain

RUNS = 7
TRIES = 3


def measured(cases: list[Case]) -> dict[str, float]:
    """The best times; where a gate does not hold, the cases are timed again before it is believed."""
    times_us = best_us(cases, RUNS)
    for _ in range(TRIES - 1):
        doubted = {name for gate in failing(times_us) for name in (gate.case, gate.against)}
        again = best_us([case for case in cases if case.name in doubted], RUNS)
        times_us |= {name: min(time_us, times_us[name]) for name, time_us in again.items()}
    return times_us


def main() -> int:
    """Run the command."""
    cases = all_cases()
    times_us = measured(cases)
    print(plain(("case", "µs", "for each"), [(one.name, f"{times_us[one.name]:.2f}", one.unit) for one in cases]))
    rows = [
        (one.what, f"{one.ratio(times_us):.2f}", f"<= {one.at_most}", "holds" if one.holds(times_us) else "FAILS")
        for one in gates()
    ]
    print("\n" + plain(("ratio", "is", "must be", ""), rows))
    return 1 if failing(times_us) else 0


if __name__ == "__main__":
    sys.exit(main())
