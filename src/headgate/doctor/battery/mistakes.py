"""Mistakes of a client: each gets a status from 400 to 499, and an error of the API's own shape."""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.doctor.asking import Answer, Facts, Plan, chat, raw
from headgate.doctor.battery.check import Check
from headgate.doctor.battery.texts import NAME
from headgate.doctor.report import Outcome, excerpt
from headgate.doctor.verdict import EXACT, EndedError, Verdict, deviates, heard, not_shown

_NO_MODEL = "headgate-doctor-no-such-model"
_CONTEXT_TOKENS_MAX = 262_144
"""Beyond it the prompt would be megabytes; no engine is asked to read that for a check."""

_OK = range(200, 300)
_MISTAKES = range(400, 500)
_FULL = ("message", "type", "code", "param")


def _unknown_model(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, NAME, model=_NO_MODEL)]
    if facts.claims_exact and _answered(answer):
        # As `headgate.routing` has it: a single upstream gets everything, since it may load models by name.
        return not_shown("a gateway before a single engine passes every name on, and the engine answered")
    return _refused(facts, answer, "model_ignored")


def _bad_json(facts: Facts) -> Plan:
    (answer,) = yield [raw(facts, b'{"model":')]
    return _refused(facts, answer, "mistake_ignored")


def _bad_field(facts: Facts) -> Plan:
    (answer,) = yield [raw(facts, msgspec.json.encode({"model": facts.model, "messages": "hello", "stream": True}))]
    return _refused(facts, answer, "mistake_ignored")


def _too_long(facts: Facts) -> Plan:
    if facts.context is None or facts.context > _CONTEXT_TOKENS_MAX:
        return not_shown("the context size is not known, or too large to be overrun")
    words = " ".join(str(number) for number in range(facts.context + 1))
    (answer,) = yield [chat(facts, words, max_tokens=1)]
    return _refused(facts, answer, "prompt_truncated")


def _answered(answer: Answer) -> bool:
    return answer.status in _OK and answer.error is None


def _refused(facts: Facts, answer: Answer, otherwise: str) -> Verdict:
    if answer.status in _OK:
        heard(answer)  # a stream that ends in an error has failed, and ignores nothing
        return deviates(otherwise)
    if not answer.status:
        why = answer.error.code if answer.error else "no reply"
        raise EndedError(Verdict(Outcome.FAILED, why))
    if answer.status not in _MISTAKES:
        return deviates("error_status", f"HTTP {answer.status}")
    if not _has_shape(facts, answer.body):
        return deviates("error_shape", excerpt(answer.body.decode("utf-8", "replace")))
    return EXACT


def _has_shape(facts: Facts, body: bytes) -> bool:
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    error = value.get("error") if isinstance(value, dict) else None
    if facts.dialect.name == "ollama":
        return isinstance(error, str) and bool(error)
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
        return False
    return not facts.claims_exact or all(name in error for name in _FULL)


CHECKS = (
    Check("unknown-model", "A model that does not exist is refused.", _unknown_model),
    Check("bad-json", "A body that is no JSON is refused.", _bad_json),
    Check("bad-field", "A field of the wrong type is refused.", _bad_field),
    Check("too-long", "A prompt beyond the context is refused.", _too_long),
)
