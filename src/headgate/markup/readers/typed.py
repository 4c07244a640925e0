"""A value that markup wrote as bare text -> JSON, of a type that its parameter may have.

Strategy: the most particular type that the text fits wins, and what fits none becomes a JSON string, so that nothing
is lost. Numbers, objects and lists stay as they were generated where they are JSON already: no digit is rounded.
Spec: https://www.rfc-editor.org/rfc/rfc8259; vLLM tool_parsers/utils.py, SGLang function_call/glm47_moe_detector.py
and Ollama model/parsers/qwen3coder.go choose in the same order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NoReturn

from headgate.markup.readers.json_pieces import quoted
from headgate.markup.readers.python_arguments import PythonArguments
from headgate.markup.readers.schema import Types, Wanted
from headgate.markup.scanner import Scanner

STRING: Types = frozenset({"string"})
CONTAINERS: Types = frozenset({"object", "array", "string"})
"""For templates that write objects and lists as JSON and strings bare, where a number may be a string."""
ANY: Types = frozenset({"any"})
"""Whatever JSON it is, and a string if it is none."""

_DIGITS_MAX = 4300
"""Of a number: Python reads none longer back (`sys.int_info`)."""

_INTEGER = re.compile(r"([+-]?)(\d++)(?:\.0*+)?")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?")
_LOOSE_NUMBER = re.compile(r"([+-]?)(\d*+)\.?(\d*+)((?:[eE][+-]?\d++)?)")
_NUMERIC = re.compile(r"[-+.\deE]*+")
_WORDS: dict[str, tuple[str, ...]] = {
    "null": ("null",),
    "boolean": ("true", "false"),
    "any": ("true", "false", "null"),
}
_TRUE, _FALSE = ("1", "yes", "on"), ("0", "no", "off")


def may_be_string(types: Types) -> bool:
    """Whether a string is among the types, or nothing is known of them."""
    return not types or bool(types & {"string", "any"})


def may_be_other(text: str, types: Types) -> bool:
    """Whether a value that begins with `text` may still be of another type than a string.

    Once it may not, no longer text may either.
    """
    bare = text.strip()
    if types <= STRING:
        return False
    if not bare or bare[0] == '"':
        return True
    if bare[0] in "{[":
        return bool(types & {"object", "array", "any"})
    if types & {"integer", "number", "any"} and len(bare) <= _DIGITS_MAX and _NUMERIC.fullmatch(bare):
        return True
    spellings = (word for name in types for word in _WORDS.get(name, ()))
    return any(spelling.startswith(bare.lower()) for spelling in spellings)


def as_json(text: str, wanted: Wanted) -> str:
    """The JSON value that the text means; a JSON string where it fits none of the types."""
    if wanted.types <= STRING or any(value == text for value in wanted.values if isinstance(value, str)):
        return quoted(text)
    bare = text.strip()
    candidates = [found for name, read in _READERS if name in wanted.types and (found := read(bare))]
    if candidates:
        return next((found for found in candidates if _is_among(found, wanted)), candidates[0])
    inner = _unquoted(f'"{bare}"' if bare.startswith('\\"') else bare)
    if may_be_string(wanted.types):
        # Where other types are allowed too, models quote a string that looks like one of them.
        return quoted(text if inner is None else inner)
    if inner is not None:
        return as_json(inner, wanted)
    return _outsider(bare, wanted.types) or quoted(text)


def _outsider(bare: str, types: Types) -> str | None:
    """What models write for a type that is not spelled so, or that the schema does not allow."""
    word = bare.lower()
    if "boolean" in types and word in _TRUE + _FALSE:
        return "true" if word in _TRUE else "false"
    return "null" if word in {"null", "none"} else _container(bare)


def _is_among(found: str, wanted: Wanted) -> bool:
    if not wanted.values:
        return True
    try:
        value = json.loads(found)
    except (ValueError, RecursionError):
        return False
    return any(type(value) is type(listed) and value == listed for listed in wanted.values)


# -- one type -----------------------------------------------------------------------------------------------------


def _null(bare: str) -> str | None:
    return "null" if bare.lower() == "null" else None


def _boolean(bare: str) -> str | None:
    return bare.lower() if bare.lower() in {"true", "false"} else None


def _integer(bare: str) -> str | None:
    found = _INTEGER.fullmatch(bare) if len(bare) <= _DIGITS_MAX else None
    return found and found[1].strip("+") + (found[2].lstrip("0") or "0")


def _number(bare: str) -> str | None:
    if len(bare) > _DIGITS_MAX:
        return None
    if _NUMBER.fullmatch(bare):
        return bare
    found = _LOOSE_NUMBER.fullmatch(bare)
    if found is None or not (found[2] or found[3]):
        return None
    sign, whole, fraction, exponent = found.groups()
    return sign.strip("+") + (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "") + exponent


def _object(bare: str) -> str | None:
    return _container(bare) if bare.startswith("{") else None


def _array(bare: str) -> str | None:
    return _container(bare) if bare.startswith("[") else None


def _container(bare: str) -> str | None:
    """An object or a list, as it was generated but for what makes it JSON; None if it is none."""
    if not bare.startswith(("{", "[")):
        return None
    if _is_json(bare):
        return bare
    return _with_line_ends(bare) or _escaped_once_too_often(bare) or _python(bare)


def _with_line_ends(bare: str) -> str | None:
    """JSON whose strings hold bare line ends and tabs."""
    try:
        return json.dumps(json.loads(bare, strict=False, parse_constant=_refuse), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _escaped_once_too_often(bare: str) -> str | None:
    """JSON whose quotes are escaped as if it stood in a string."""
    inner = _unquoted(f'"{bare}"')
    return inner if inner is not None and _is_json(inner) else None


def _python(bare: str) -> str | None:
    """The same in Python's notation."""
    scanner, arguments = Scanner(), PythonArguments(("value",), _DIGITS_MAX, strict=True)
    scanner.feed(f"{bare})")
    arguments.finish()
    found = arguments.read(scanner).json
    found = found.removeprefix('{"value": ').removesuffix("}")
    return found if arguments.done and not len(scanner) and _is_json(found) else None


def _any(bare: str) -> str | None:
    if _NUMERIC.fullmatch(bare):
        return bare if len(bare) <= _DIGITS_MAX and _NUMBER.fullmatch(bare) else None
    return bare if _is_json(bare) else _container(bare)


_READERS: tuple[tuple[str, Callable[[str], str | None]], ...] = (
    ("null", _null),
    ("boolean", _boolean),
    ("integer", _integer),
    ("number", _number),
    ("object", _object),
    ("array", _array),
    ("any", _any),
)


def _unquoted(bare: str) -> str | None:
    """The value of a JSON string; None if it is none."""
    if not (len(bare) > 1 and bare.startswith('"') and bare.endswith('"')):
        return None
    try:
        value = json.loads(bare, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=len, parse_float=len, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
