"""Every markup family in linear time: what its cases are made of, repeated in place, whole and one character at a time.

A first look takes milliseconds; only what looks suspicious is measured as `tests/test_linear.py` measures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from growth import AT_MOST, GROWTH, SIZE_MAX, WAYS, Case, Pieces, Run, growth, measured, no_collection
from markup_cases import CALL_FAMILIES, TOOLS, cases, splitter_of

from headgate.limits import Limits
from headgate.markup import families_named

__all__ = ["no_collection"]  # a fixture for every test here

FIRST_LOOK_S = 0.001
LIMITS = Limits(markup_chars_max=160)
"""What may be a header is looked at up to this limit; beyond it the time is what it costs for each character."""

SIZE_MIN = 4 * LIMITS.markup_chars_max
UNITS = ["word ", "<", "</", "{", "[", "(", "}", '"', "'", "\\", '\\"', ",", "\n", " ", "`", "\n```\n", "<|", "\uff5c"]
"""What a string or a header may be flooded with."""

_TOKENS = re.compile(r"\w+|\s+|.")


class Flood(NamedTuple):
    """Much of one thing between a head and a tail."""

    head: str
    unit: str
    tail: str

    def __str__(self) -> str:
        """The name that a test report shows."""
        return f"{self.head[-24:]!r} + {self.unit[:24]!r}… + {self.tail[:24]!r}"


def some(family: str) -> list[Flood]:
    """The inputs of a family, each once."""
    return [flood for flood in dict.fromkeys(floods(family)) if flood.unit]


def floods(family: str) -> Iterator[Flood]:
    """The inputs that are hard for a family."""
    openers = [opener for known in families_named(family).chosen if known.name == family for opener in known.openers]
    for opener in openers:
        yield from (Flood("", opener, ""), Flood("a", opener, ""), Flood("", opener[:-1], ""))
    yield from (Flood(opener, unit, "") for opener in openers[:1] for unit in UNITS)
    texts = {case.name: case for case in cases() if case.family == family}
    if "one call" not in texts:
        return
    one = texts["one call"]
    text = one.text
    yield from (Flood("", text, ""), Flood("", text + "\n", ""), Flood("", text[: len(text) // 2], ""))
    for token in dict.fromkeys(_TOKENS.findall(text)):
        before, _, after = text.partition(token)
        yield Flood(before, token, after)
    value = next((str(value) for value in one.calls[0].arguments.values()), "") if one.calls else ""
    before, _, after = text.partition(value)
    yield from (Flood(before, unit, after) for unit in UNITS) if value else ()
    yield from (Flood(before, unit, "") for unit in ("word ", "<", after[:-1], after[: len(after) // 2]))
    refused = text.replace(one.calls[0].name, "nobody") if one.calls else ""
    yield from (Flood("", refused, ""), Flood(refused.partition(value)[0], "word ", ""))
    for other in (_with_name_last(text), _with_arguments_as_a_string(text)):
        before, _, after = other.partition(value)
        yield from (Flood(before, unit, after) for unit in UNITS[:10]) if other else ()


def _with_name_last(text: str) -> str:
    """The text of a JSON call with its arguments before the name; empty where it is none."""
    found = re.fullmatch(r'(.*\{)("\w+": *"\w+"), *("\w+": *\{[^{}]*\})(.*)', text, re.DOTALL)
    return "{}{}, {}{}".format(*(found.group(group) for group in (1, 3, 2, 4))) if found else ""


def _with_arguments_as_a_string(text: str) -> str:
    """The text of a JSON call with its arguments as the JSON text of an object; empty where it is none."""
    found = re.fullmatch(r'(.*"\w+": *)(\{[^{}]*\})(.*)', text, re.DOTALL)
    return f"{found.group(1)}{json.dumps(found.group(2))}{found.group(3)}" if found else ""


def reader(markup: str) -> Run:
    def run(pieces: Pieces) -> None:
        reads = splitter_of(markup, TOOLS, LIMITS)
        for piece in pieces:
            reads.feed(piece)
        reads.close()

    return run


def first_look(case: Case, size: int = SIZE_MIN) -> float:
    """How much longer four times the input takes, looked at once."""
    while (took := measured(case.run, case.made(size))) < FIRST_LOOK_S and size < SIZE_MAX:
        size *= 2
    return measured(case.run, case.made(size * GROWTH)) / took


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", CALL_FAMILIES)
def test_family_reads_in_linear_time(family: str, way: str) -> None:
    slow: dict[str, float] = {}
    for flood in some(family):
        case = Case(reader(family), WAYS[way](flood.unit, flood.head, flood.tail))
        if first_look(case) > AT_MOST and (grows := growth(case, SIZE_MIN)) > AT_MOST:
            slow[str(flood)] = grows

    assert {} == slow


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", CALL_FAMILIES)
def test_all_families_together_read_it_in_linear_time(family: str, way: str) -> None:
    """With `auto` every opener is everybody's question."""
    slow: dict[str, float] = {}
    for flood in some(family)[:12]:
        case = Case(reader("auto"), WAYS[way](flood.unit, flood.head, flood.tail))
        if first_look(case) > AT_MOST and (grows := growth(case, SIZE_MIN)) > AT_MOST:
            slow[str(flood)] = grows

    assert {} == slow
