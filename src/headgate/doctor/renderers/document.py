"""A report for programs: one JSON document, whose shape `version` names (`docs/doctor.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate._version import __version__
from headgate.doctor.findings import breaks, sentence
from headgate.doctor.report import FORMAT_VERSION, Report, worst


def render(reports: Sequence[Report]) -> str:
    """Write all reports, and once what each finding means."""
    codes = dict.fromkeys(code for report in reports for code in report.found())
    document = {
        "type": "headgate.doctor",
        "version": FORMAT_VERSION,
        "headgate": __version__,
        "status": worst(reports),
        "reports": [_report(report) for report in reports],
        "findings": {code: {"means": sentence(code), "breaks": breaks(code)} for code in codes},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _report(report: Report) -> dict[str, Any]:
    return {**msgspec.to_builtins(report), "status": report.status}
