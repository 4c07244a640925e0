"""Text: short, long, whole, stopped, cut at a length, in every script, and thought."""

from __future__ import annotations

from headgate.doctor.asking import Facts, Plan, chat
from headgate.doctor.battery.check import Check
from headgate.doctor.report import Outcome, excerpt
from headgate.doctor.verdict import EXACT, Verdict, deviates, message, not_shown

NAME = "what is your name?"
STORY = "tell me a story"

_STOP, _BEFORE_STOP = "7", "6"
_FEW_TOKENS = 8
_TOKEN_CHARS_MAX = 20
"""More characters per token than any vocabulary has on average."""


def _plain(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, NAME)]
    return _answered(message(answer).content or message(answer).reasoning)


def _whole(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, NAME, streamed=False)]
    return _answered(message(answer).content or message(answer).reasoning)


def _long(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, STORY)]
    return _answered(message(answer).content or message(answer).reasoning)


def _answered(text: str | None) -> Verdict:
    return EXACT if text else not_shown("the model said nothing")


def _stop(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, "count to forty", stop=[_STOP])]
    found = message(answer)
    if _STOP in found.content:
        return deviates("stop_ignored", excerpt(found.content))
    if _BEFORE_STOP not in found.content or found.finish_reason != "stop":
        return not_shown("the model did not come near the stop sequence")
    return EXACT


def _length(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, STORY, max_tokens=_FEW_TOKENS)]
    found = message(answer)
    tokens = found.usage.output_tokens if found.usage else None
    chars = len(found.content) + len(found.reasoning or "")
    if (tokens or 0) > _FEW_TOKENS or chars > _FEW_TOKENS * _TOKEN_CHARS_MAX:
        return deviates("length_ignored", f"{tokens or '?'} tokens, {chars:,} characters; asked for {_FEW_TOKENS}")
    if found.finish_reason != "length":
        return not_shown("the answer was short enough by itself")
    return EXACT


def _unicode(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, "say something in unicode")]
    content = message(answer).content
    if "\ufffd" in content:
        return deviates("text_torn", excerpt(content))
    return not_shown("the model wrote ASCII only") if content.isascii() else EXACT


def _reasoning(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, "think: what is 2 + 2?")]
    return Verdict(Outcome.EXACT) if message(answer).reasoning else not_shown("the model did not think")


CHECKS = (
    Check("plain", "A short answer, streamed.", _plain),
    Check("whole", "The same answer as one JSON body.", _whole),
    Check("long", "A long answer; the times are taken here.", _long),
    Check("stop", "A stop sequence ends the answer, and is not part of it.", _stop),
    Check("length", "`max_tokens` ends the answer with the finish reason `length`.", _length),
    Check("unicode", "Emoji, combining characters and CJK arrive whole.", _unicode),
    Check("reasoning", "A thought comes apart from the answer.", _reasoning),
)
