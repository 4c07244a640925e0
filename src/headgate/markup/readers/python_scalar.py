"""A Python number, constant or bare word -> JSON.

Strategy: numbers keep the digits that were written, as they may have more than a float; `True` and JSON's `true` are
the same. A word that is no literal is a string, as models forget the quotes.
Spec: https://docs.python.org/3/reference/lexical_analysis.html#numeric-literals; JSON's words and bare words as in
Ollama model/parsers/olmo3.go and lfm2.go.
"""

from __future__ import annotations

import math
import re

from headgate.markup.readers.json_pieces import quoted

CONSTANTS = {word: word.lower() for word in ("True", "true", "False", "false")} | dict.fromkeys(
    ("None", "null", "nil"), "null"
)
_DIGITS = r"\d+(?:_\d+)*"
_DECIMAL = re.compile(rf"([+-]?)[ ]?({_DIGITS})?(?:\.({_DIGITS})?)?([eE][+-]?\d+)?", re.ASCII)
_RADIX = re.compile(
    r"([+-]?)[ ]?0(?:[xX]((?:_?[\da-fA-F]){1,64})|[oO]((?:_?[0-7]){1,64})|[bB]((?:_?[01]){1,64}))", re.ASCII
)
_RADIXES = (16, 8, 2)
_PLACEHOLDERS = frozenset({"", "...", "\u2026"})


def scalar(source: str, *, strict: bool = False) -> str | None:
    """The JSON of a value that is neither a string nor a container; None where it has none.

    Args:
        source: what stands there, without white space around it.
        strict: whether a bare word or an expression is none; else it is a string of its source.
    """
    if source in CONSTANTS:
        return CONSTANTS[source]
    if is_number(source):
        return number(source)
    return None if strict or source in _PLACEHOLDERS else quoted(source)


def is_number(source: str) -> bool:
    """Whether it is a real number in Python's notation; leading zeros are fine."""
    found = _DECIMAL.fullmatch(source)
    return bool(_RADIX.fullmatch(source) or (found and (found.group(2) or found.group(3))))


def number(source: str) -> str | None:
    """The JSON of a number, with the digits that were written; None for one that no float can hold."""
    radix = _RADIX.fullmatch(source)
    if radix is not None:
        sign, *groups = radix.groups()
        base, digits = next((base, group) for base, group in zip(_RADIXES, groups, strict=True) if group)
        return _signed(sign, str(int(digits.replace("_", ""), base)))
    found = _DECIMAL.fullmatch(source)
    if found is None:
        return None
    sign, whole, fraction, exponent = found.groups()
    digits = (whole or "").replace("_", "").lstrip("0") or "0"
    if "." in source:
        digits += "." + (fraction or "0").replace("_", "")
    digits += exponent or ""
    return None if exponent and math.isinf(float(digits)) else _signed(sign, digits)


def _signed(sign: str, digits: str) -> str:
    return "-" + digits if sign == "-" else digits
