"""Checks -> a report. No check runs longer than its deadline, and all together no longer than theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from headgate.discovery import Engine
from headgate.doctor.asking import Answer, Ask, Facts
from headgate.doctor.battery import CHECKS, Check
from headgate.doctor.exchange import put
from headgate.doctor.report import Finding, Outcome, Report, Result, Times, excerpt
from headgate.doctor.verdict import EndedError, Verdict
from headgate.errors import RequestError
from headgate.limits import DEFAULTS, Limits
from headgate.upstream.base import Upstream

TIMED = "long"
"""The check whose answer is timed."""

_OK = range(200, 300)
_TOTAL = 10.0
"""How many times a check's deadline all checks together may take."""

_STREAMS = {"openai": "text/event-stream", "ollama": "application/x-ndjson"}
_WHOLE = "application/json"


class Visit(NamedTuple):
    """Where to, and how long each check may take, in seconds. `tell` hears of every result at once."""

    upstream: Upstream
    facts: Facts
    timeout_s: float
    tell: Callable[[Result], None] = lambda _: None

    @property
    def limits(self) -> Limits:
        """The deadlines of one exchange."""
        return limits(self.timeout_s)


def limits(timeout_s: float) -> Limits:
    """Limits whose every wait fits into a check's deadline."""
    connect_s = min(DEFAULTS.connect_s, timeout_s)
    return msgspec.structs.replace(DEFAULTS, connect_s=connect_s, first_byte_s=timeout_s, idle_s=timeout_s)


async def examine(visit: Visit, report: Report, names: Sequence[str] = ()) -> Report:
    """Run the checks with these names, or all, and add their results to a report.

    The first check of all runs even if it is not named: an endpoint that does not answer it is not checked further.
    """
    total_s = asyncio.get_running_loop().time() + visit.timeout_s * _TOTAL
    results: list[Result] = []
    times = Times()
    for check in CHECKS:
        if check is not CHECKS[0] and names and check.name not in names:
            continue
        result, answers = await _run(visit, check, total_s)
        if check is CHECKS[0] and result.outcome in {Outcome.FAILED, Outcome.REFUSED}:
            return msgspec.structs.replace(report, failure=f"{check.name}: {result.detail}")
        if check.name == TIMED and answers:
            times = _times(answers[-1])
        results.append(result)
        visit.tell(result)
    return msgspec.structs.replace(report, results=tuple(results), times=times)


def report_on(url: str, engine: Engine, facts: Facts) -> Report:
    """A report that has no results yet."""
    return Report(
        url=url,
        engine=engine.name,
        version=engine.version,
        dialect=facts.dialect.name,
        model=facts.model,
        models=len(engine.models),
        context=engine.context,
        claims_exact=facts.claims_exact,
    )


async def _run(visit: Visit, check: Check, total_s: float) -> tuple[Result, list[Answer]]:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    findings: dict[str, Finding] = {}
    answers: list[Answer] = []
    try:
        async with asyncio.timeout_at(min(began_s + visit.timeout_s, total_s)):
            verdict = await _drive(visit, check, findings, answers)
    except TimeoutError:
        verdict = Verdict(Outcome.FAILED, f"no end within {loop.time() - began_s:.0f} s")
    except EndedError as ended:
        verdict = ended.verdict
    except RequestError as error:
        verdict = Verdict(Outcome.REFUSED, f"the {visit.facts.dialect.name} API cannot: {error.message}")
    for finding in verdict.findings:
        findings.setdefault(finding.code, finding)
    return _result(check, verdict, tuple(findings.values()), loop.time() - began_s), answers


def _result(check: Check, verdict: Verdict, findings: tuple[Finding, ...], seconds: float) -> Result:
    outcome = verdict.outcome
    if findings and outcome is not Outcome.FAILED:
        outcome = Outcome.DEVIATES
    return Result(check.name, outcome, verdict.detail, findings, round(seconds, 3))


async def _drive(visit: Visit, check: Check, findings: dict[str, Finding], answers: list[Answer]) -> Verdict:
    """Carry questions and answers between a check and the endpoint until it has its verdict."""
    plan = check.begin(visit.facts)
    try:
        asks = next(plan)
        while True:
            latest = await asyncio.gather(*(put(visit.upstream, visit.facts, ask, visit.limits) for ask in asks))
            answers += latest
            for ask, answer in zip(asks, latest, strict=True):
                for finding in _shown(visit.facts, ask, answer):
                    findings.setdefault(finding.code, finding)
            asks = plan.send(latest)
    except StopIteration as stop:
        verdict: Verdict = stop.value
        return verdict


def _shown(facts: Facts, ask: Ask, answer: Answer) -> list[Finding]:
    """What an answer shows by itself, whatever the check is about."""
    if not ask.is_chat or answer.status not in _OK:
        return []
    found = [Finding(code, excerpt(detail) if detail else "") for code, detail in answer.repairs]
    found += [Finding("contract_broken", excerpt(breach)) for breach in answer.breaches[:1]]
    kind = answer.content_type.partition(";")[0].strip()
    expected = _STREAMS.get(facts.dialect.name, kind) if ask.streamed else _WHOLE
    if kind != expected and answer.error is None:
        found.append(Finding("content_type_wrong", f"{excerpt(kind)}, expected {expected}"))
    return found


def _times(answer: Answer) -> Times:
    message = answer.messages[0]
    tokens = message.usage.output_tokens if message.usage else None
    timings = message.timings
    took_s = answer.ended_s - (answer.first_s or 0.0)
    measured = tokens / took_s if tokens and answer.first_s is not None and took_s > 0 else None
    return Times(
        _rounded(answer.first_s), _rounded(measured), _rounded(timings.predicted_per_second if timings else None)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
