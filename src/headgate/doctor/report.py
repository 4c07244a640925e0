"""The result of a visit, as values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum

import msgspec

FORMAT_VERSION = 1
_EXCERPT_CHARS_MAX = 80


class Outcome(Enum):
    """What a check came to."""

    EXACT = "exact"  # as the contract has it
    DEVIATES = "deviates"  # it works, and differs from the contract; each finding says how
    REFUSED = "refused"  # an honest no: the endpoint said that it cannot
    NOT_SHOWN = "not shown"  # the model did not do it, or there is nothing to see it by
    FAILED = "failed"  # no answer that can be judged


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One deviation: a code of `findings` or of `headgate.repairs`, and a short, escaped detail."""

    code: str
    detail: str = ""


class Result(msgspec.Struct, frozen=True):
    """One check: its name, its outcome, why, what deviates, and how long it took in seconds."""

    name: str
    outcome: Outcome
    detail: str
    findings: tuple[Finding, ...]
    seconds: float


class Times(msgspec.Struct, frozen=True):
    """How fast one long answer came. `tokens_per_s` is measured here, `engine_tokens_per_s` the engine's own word."""

    first_token_s: float | None = None
    tokens_per_s: float | None = None
    engine_tokens_per_s: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole visit.

    `failure` says why nothing could be checked. `claims_exact` says that the endpoint is a gateway like this one,
    whose raw bytes were held to the contract.
    """

    url: str
    engine: str | None = None
    version: str | None = None
    dialect: str | None = None
    model: str | None = None
    models: int = 0
    context: int | None = None
    claims_exact: bool = False
    failure: str | None = None
    results: tuple[Result, ...] = ()
    times: Times = Times()

    @property
    def status(self) -> int:
        """The exit status: 0 if all is exact, refused or not shown, 1 if something deviates or failed, 2 for no run."""
        if self.failure is not None or not self.results:
            return 2
        bad = {Outcome.DEVIATES, Outcome.FAILED}
        return int(any(result.outcome in bad for result in self.results))

    def found(self) -> dict[str, list[str]]:
        """Every finding's code, and the checks that showed it, in the order of the checks."""
        found: dict[str, list[str]] = {}
        for result in self.results:
            for code in dict.fromkeys(finding.code for finding in result.findings):
                found.setdefault(code, []).append(result.name)
        return found


def excerpt(text: str) -> str:
    """A text from the other side, fit for a report: escaped, in quotes, and short."""
    short = text if len(text) <= _EXCERPT_CHARS_MAX else text[: _EXCERPT_CHARS_MAX - 1] + "…"
    return printable(json.dumps(short, ensure_ascii=False))


def printable(text: str) -> str:
    """A text with nothing in it that a terminal obeys."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)


def worst(reports: Iterable[Report]) -> int:
    """The exit status of several visits; 2 if there was none."""
    return max((report.status for report in reports), default=2)
