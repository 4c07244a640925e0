"""What a request may ask for besides the text: usage, choices, log probabilities, a shape."""

from __future__ import annotations

import msgspec

from headgate.doctor.asking import Facts, Plan, chat
from headgate.doctor.battery.check import Check
from headgate.doctor.battery.texts import NAME
from headgate.doctor.report import excerpt
from headgate.doctor.verdict import EXACT, deviates, heard, message, not_shown

_CHOICES = 2


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    answer: int
    unit: str


_SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}, "unit": {"type": "string"}},
    "required": ["answer", "unit"],
    "additionalProperties": False,
}


def _usage(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, NAME)]
    usage = message(answer).usage
    told = usage is not None and usage.input_tokens is not None and usage.output_tokens is not None
    return EXACT if told else deviates("usage_missing")


def _usage_unasked(facts: Facts) -> Plan:
    if facts.dialect.name != "openai":
        return not_shown("this API always tells usage")
    (answer,) = yield [chat(facts, NAME, usage=False)]
    return EXACT if message(answer).usage is None or _timings_only(answer.body) else deviates("usage_unasked")


def _timings_only(body: bytes) -> bool:
    # llama-server's timings count tokens, too, and stand on the finish chunk where no client looks for usage.
    return b'"usage"' not in body


def _choices(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, NAME, choices=_CHOICES)]
    came = heard(answer).choices
    return EXACT if came == _CHOICES else deviates("choices_missing", f"{came} of {_CHOICES}")


def _logprobs(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, NAME, logprobs=True)]
    return EXACT if message(answer).logprobs else deviates("logprobs_missing")


def _schema(facts: Facts) -> Plan:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": _SCHEMA, "strict": True}}
    (answer,) = yield [chat(facts, "answer in json", response_format=wanted)]
    found = message(answer)
    if found.finish_reason == "length":
        return not_shown("the answer was cut off at its length")
    try:
        msgspec.json.decode(found.content, type=_Shape)
    except msgspec.DecodeError:
        return deviates("schema_ignored", excerpt(found.content))
    return EXACT


CHECKS = (
    Check("usage", "Usage is told when it is asked for.", _usage),
    Check("usage-unasked", "Usage is not told when it is not asked for.", _usage_unasked),
    Check("n", "`n` brings as many choices.", _choices),
    Check("logprobs", "`logprobs` brings log probabilities.", _logprobs),
    Check("schema", "`response_format` with a JSON schema brings JSON of that shape.", _schema),
)
