"""A report for a continuous-integration server: JUnit XML.

A deviation is a failure, no answer an error, a refusal and what could not be shown are skipped.
Spec: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from headgate.doctor.findings import sentence
from headgate.doctor.renderers import heading
from headgate.doctor.report import Outcome, Report, Result

_ELEMENTS = {
    Outcome.DEVIATES: "failure",
    Outcome.FAILED: "error",
    Outcome.REFUSED: "skipped",
    Outcome.NOT_SHOWN: "skipped",
}


def render(reports: Sequence[Report]) -> str:
    """Write every report as a suite."""
    root = ET.Element("testsuites", name="headgate doctor")
    for report in reports:
        _suite(root, report)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, report: Report) -> None:
    elements = [_ELEMENTS.get(result.outcome) for result in report.results]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=_legal(f"{report.url} {heading.subject(report)}"),
        tests=str(len(elements) or 1),
        failures=str(elements.count("failure")),
        errors=str(elements.count("error") + (report.failure is not None)),
        skipped=str(elements.count("skipped")),
        time=f"{sum(result.seconds for result in report.results):.3f}",
    )
    if report.failure is not None:
        case = ET.SubElement(suite, "testcase", classname="headgate.doctor", name="run")
        ET.SubElement(case, "error", message=_legal(report.failure))
    for result in report.results:
        _case(suite, result)


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(suite, "testcase", classname="headgate.doctor", name=result.name, time=f"{result.seconds:.3f}")
    element = _ELEMENTS.get(result.outcome)
    if element is not None:
        codes = ", ".join(finding.code for finding in result.findings)
        said = ET.SubElement(case, element, message=_legal(codes or result.detail or result.outcome.value))
        said.text = _legal("\n".join([*(sentence(finding.code) for finding in result.findings), result.detail]).strip())


def _legal(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(character if character >= " " or character == "\n" else " " for character in text)
