"""An engine at work: a client that leaves, silence, two at once."""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.doctor.asking import Answer, Ask, Facts, Plan, chat
from headgate.doctor.battery.check import Check
from headgate.doctor.battery.texts import NAME, STORY
from headgate.doctor.report import Outcome
from headgate.doctor.verdict import EXACT, Verdict, deviates, heard, message, not_shown
from headgate.messages import HttpRequest

_ENDLESS = "tick forever"
_ENDLESS_TOKENS = 30_000
_LOOKS = 20
_LOOK_S = 0.1
"""Together two seconds, within which a slot must be free again."""

_SLOWER = 3.0
_SLACK_S = 2.0
"""How much later than the first a request may be answered that follows one whose client has left."""

_SLOTS = Ask(HttpRequest(method="GET", path="/slots"), is_chat=False, streamed=False)


def _cancel(facts: Facts) -> Plan:
    (before, slots) = yield [chat(facts, NAME), _SLOTS]
    message(before)
    visible = _busy(slots) is not None
    if visible:
        (slots,) = yield [_SLOTS]
        if _busy(slots):
            return not_shown("somebody else's request is running")
    (left,) = yield [chat(facts, _ENDLESS, max_tokens=_ENDLESS_TOKENS)._replace(leaves=True)]
    heard(left)
    if not left.left:
        return not_shown("the model said nothing that could be left")
    return (yield from _slot_freed()) if visible else (yield from _answers_next(facts, before))


def _slot_freed() -> Plan:
    for look in range(_LOOKS):
        (slots,) = yield [_SLOTS._replace(after_s=_LOOK_S)]
        if not _busy(slots):
            return Verdict(Outcome.EXACT, f"its slot was free within {(look + 1) * _LOOK_S:.1f} s")
    return deviates("generation_kept", f"its slot was busy for {_LOOKS * _LOOK_S:g} s")


def _answers_next(facts: Facts, before: Answer) -> Plan:
    (after,) = yield [chat(facts, NAME)]
    message(after)
    if after.ended_s > before.ended_s * _SLOWER + _SLACK_S:
        return deviates("generation_kept", f"the next answer took {after.ended_s:.1f} s, before {before.ended_s:.1f} s")
    return Verdict(Outcome.EXACT, "the next request was answered at once; slots cannot be seen here")


def _busy(slots: Answer) -> bool | None:
    """Whether a slot of llama-server is at work; None where there is no such view."""
    try:
        found: Any = msgspec.json.decode(slots.body) if slots.status == 200 else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(slot, dict) and "is_processing" in slot for slot in found):
        return None
    return any(slot["is_processing"] for slot in found)


def _silence(facts: Facts) -> Plan:
    (answer,) = yield [chat(facts, STORY)]
    message(answer)
    if answer.silence_s > facts.silence_s:
        return deviates("silence", f"{answer.silence_s:.1f} s without a byte")
    return EXACT


def _at_once(facts: Facts) -> Plan:
    first, second = yield [chat(facts, STORY), chat(facts, STORY)]
    if not message(first).content or not message(second).content:
        return not_shown("the model said nothing")
    waits = max(first.first_s or 0.0, second.first_s or 0.0) >= min(first.ended_s, second.ended_s)
    return Verdict(Outcome.EXACT, "one after the other" if waits else "side by side")


CHECKS = (
    Check("cancel", "An engine stops when its client leaves.", _cancel),
    Check("silence", "No answer is silent for more than 15 s.", _silence),
    Check("at-once", "Two requests at once are both answered.", _at_once),
)
