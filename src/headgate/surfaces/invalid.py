"""A request that is not what its API describes -> the error that says where, what was expected and what came.

Strategy: msgspec checks a body against its Struct; its one fault is said again in a client's words, with a JSON
pointer. Of what came, numbers are shown, and of texts only their length.
Spec: https://www.rfc-editor.org/rfc/rfc6901 (JSON Pointer)
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from headgate.errors import RequestError
from headgate.strict_json import pointer

Path = tuple[str | int, ...]

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "an array",
    "object": "an object",
}
_FAULT = re.compile(r"Expected `(?P<kinds>.+?)`(?P<bound>(?: of length)? [<>]=? -?[\d.]+)?")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_NUMBER_CHARS_MAX = 24
_NOTHING = object()


def invalid(path: Path, expected: str, body: Any) -> RequestError:
    """Make the error of a field that holds something else than `expected`; `body` is the whole request's value."""
    place = pointer(*path)
    sentence = f"expected {expected} {f'at {place}' if place else 'as the request'}, got {_got(_value_at(body, path))}."
    return RequestError("invalid_request", sentence, param=place or None)


def misfit(error: msgspec.ValidationError, body: Any, *prefix: str | int) -> RequestError:
    """Make the error of a body that does not fit its Struct; `prefix` leads to what was read.

    A null is as good as an absent field, so it is never named among what was expected.
    """
    message, _, place = str(error).partition(" - at `")
    path = (*prefix, *(name or int(number) for name, number in _STEP.findall(place)))
    if missing := _MISSING.match(message):
        return invalid((*path, missing[1]), "a value", body)
    fault = _FAULT.match(message)
    if fault is None:
        return invalid(path, "another value", body)
    words = [_WORDS.get(kind, kind) for kind in fault["kinds"].split(" | ") if kind != "null"]
    return invalid(path, " or ".join(words) + (fault["bound"] or ""), body)


def _value_at(body: Any, path: Path) -> Any:
    value = body
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _NOTHING)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return _NOTHING
    return value


def _got(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)[:_NUMBER_CHARS_MAX]
        case str():
            return f"a string of {len(value):,} characters"
        case list():
            return f"an array of {len(value):,}"
        case dict():
            return "an object"
        case _:
            return "nothing"
