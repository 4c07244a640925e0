"""Check every fixture folder, or write what the recorded ones must expect.

    PYTHONPATH=tests python -m oracle            # check; list what is derailed
    PYTHONPATH=tests python -m oracle --write    # write message.json of recorded cases that lack it or differ

`message.json` of seeds is written by hand and never touched.
"""

from __future__ import annotations

import json
import sys

from oracle.expected import Verdict, expected
from oracle.folders import Case, cases, faults


def main() -> None:
    """Go through all folders; exit with status 1 if anything is wrong."""
    write = "--write" in sys.argv[1:]
    wrong = 0
    derailed: list[str] = []
    for case in cases():
        verdict = expected(case)
        if write and case.source == "recorded":
            record(case, verdict)
        complaints = faults(case) + disagreements(case, verdict)
        wrong += bool(complaints)
        for complaint in complaints:
            sys.stdout.write(f"{case}: {complaint}\n")
        if verdict.derailed:
            derailed.append(case.folder.name)
    sys.stdout.write(f"derailed, {len(derailed)}: {' '.join(derailed)}\n")
    sys.exit(bool(wrong))


def record(case: Case, verdict: Verdict) -> None:
    """Write or remove a case's `message.json`."""
    file = case.folder / "message.json"
    if verdict.messages is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(json.dumps(verdict.messages, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    case.__dict__.pop("messages", None)


def disagreements(case: Case, verdict: Verdict) -> list[str]:
    """Where a folder says something else than the oracle, as sentences."""
    said = {
        "message.json": case.messages,
        "waits_for": case.meta.get("waits_for"),
        "derailed": case.meta.get("derailed", False),
    }
    worked_out = {
        "message.json": verdict.messages,
        "waits_for": verdict.waits_for,
        "derailed": verdict.derailed,
    }
    return [f"{key} is {said[key]!r}, expected {worked_out[key]!r}" for key in said if said[key] != worked_out[key]]


if __name__ == "__main__":
    main()
