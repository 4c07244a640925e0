"""What every rendering says first and last: who was visited, what was counted, how fast it was."""

from __future__ import annotations

from collections import Counter

from headgate.doctor.report import Outcome, Report


def subject(report: Report) -> str:
    """The engine, its version, dialect, model and context, as far as they are known."""
    if report.engine is None:
        return "not examined"
    engine = f"{report.engine} {report.version}" if report.version else report.engine
    parts = [f"{engine} ({report.dialect} API)", f"model {report.model}"]
    if report.models > 1:
        parts.append(f"{report.models} models")
    if report.context is not None:
        parts.append(f"context {report.context:,} tokens")
    return ", ".join(parts)


def counts(report: Report) -> str:
    """How many checks came to what."""
    found = Counter(result.outcome for result in report.results)
    return ", ".join(f"{found[outcome]} {outcome.value}" for outcome in Outcome if found[outcome])


def times(report: Report) -> str:
    """How fast the long answer came; "" if it did not."""
    known = report.times
    words = [
        ("first token after {:.3f} s", known.first_token_s),
        ("{:,.1f} tokens/s measured", known.tokens_per_s),
        ("{:,.1f} tokens/s by the engine's own clock", known.engine_tokens_per_s),
    ]
    return ", ".join(form.format(value) for form, value in words if value is not None)
