"""What a check may conclude from the answers."""

from __future__ import annotations

from typing import NamedTuple

from headgate.doctor.asking import Answer
from headgate.doctor.report import Finding, Outcome, excerpt
from headgate.messages import Message

_KEY_ASKED = frozenset({401, 403})
_OK = range(200, 300)
_MISTAKES = range(400, 500)
_NOT_IMPLEMENTED = 501


class Verdict(NamedTuple):
    """What a check concludes by itself; the runner adds what the streams show."""

    outcome: Outcome
    detail: str = ""
    findings: tuple[Finding, ...] = ()


EXACT = Verdict(Outcome.EXACT)


class EndedError(Exception):
    """A check cannot go on; `verdict` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail)
        self.verdict = verdict


def deviates(code: str, detail: str = "") -> Verdict:
    """One deviation."""
    return Verdict(Outcome.DEVIATES, findings=(Finding(code, detail),))


def not_shown(why: str) -> Verdict:
    """There is nothing to judge by."""
    return Verdict(Outcome.NOT_SHOWN, why)


def message(answer: Answer) -> Message:
    """The message of an answer that is one.

    Raises:
        EndedError: if it is a refusal or no whole answer.
    """
    heard(answer)
    return answer.messages[0]


def heard(answer: Answer) -> Answer:
    """The answer, if it is one.

    Raises:
        EndedError: if it is a refusal or no whole answer.
    """
    if answer.status in _MISTAKES or answer.status == _NOT_IMPLEMENTED:
        outcome = Outcome.FAILED if answer.status in _KEY_ASKED else Outcome.REFUSED
        raise EndedError(Verdict(outcome, f"HTTP {answer.status}: {_reason(answer)}"))
    if answer.status and answer.status not in _OK:
        raise EndedError(Verdict(Outcome.FAILED, f"HTTP {answer.status}: {_reason(answer)}"))
    if answer.error is not None:
        raise EndedError(Verdict(Outcome.FAILED, f"{answer.error.code}: {_reason(answer)}"))
    return answer


def _reason(answer: Answer) -> str:
    return excerpt(answer.error.message) if answer.error is not None else "no reason given"
