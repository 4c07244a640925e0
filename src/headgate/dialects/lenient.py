"""A record that is not quite what its format documents -> the fields that can be read of it.

Strategy: the typed decoder is fast and strict; only when it refuses is the record read untyped, and each
field taken for what it means (`"0"` for 0) or left out. What is not a JSON object gives None.
Spec: https://www.rfc-editor.org/rfc/rfc8259 (and what engines do to it)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
Prepare = Callable[[dict[str, Any], dict[str, str]], None]
"""Reshapes an untyped record in place before its fields are read, and notes the repairs."""

_fields = cache(msgspec.structs.fields)
"""What msgspec works out anew at each call, at ten times the cost of reading a record."""


def read(
    record: bytes, kind: type[T], decode: Callable[[bytes], T], prepare: Prepare | None = None
) -> tuple[T | None, dict[str, str]]:
    """Decode a record with `decode`, and leniently as `kind` where that refuses it.

    Returns the value, or None when the record is not a JSON object, and the repairs by code with detail.
    """
    try:
        return decode(record), {}
    except (ValueError, RecursionError):
        return read_leniently(record, kind, prepare)  # not an error yet: the untyped reading decides


def read_leniently(record: bytes, kind: type[T], prepare: Prepare | None = None) -> tuple[T | None, dict[str, str]]:
    """Read a record that the typed decoder refused. See `read`."""
    repairs: dict[str, str] = {}
    value = untyped(record, repairs)
    if not isinstance(value, dict):
        return None, repairs
    try:
        if prepare is not None:
            prepare(value, repairs)
        return _convert(value, kind, "", repairs), repairs
    except RecursionError:
        return None, repairs  # nested more deeply than any engine's record


def untyped(record: bytes, repairs: dict[str, str]) -> Any:
    """Read a record as plain JSON, with U+FFFD for what is not UTF-8; None if it is not JSON, or nested too deeply."""
    try:
        return _without_surrogates(json.loads(as_text(record, repairs)), repairs)
    except (ValueError, RecursionError):
        return None


def as_text(data: bytes, repairs: dict[str, str]) -> str:
    """Read UTF-8, with U+FFFD for what is none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        repairs["text_replaced"] = "bytes that are not UTF-8"
        return data.decode("utf-8", "replace")


def _without_surrogates(value: Any, repairs: dict[str, str]) -> Any:
    if isinstance(value, str):
        clean = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if clean != value:
            repairs["text_replaced"] = "half a surrogate pair"
        return clean
    if isinstance(value, list):
        return [_without_surrogates(item, repairs) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key, repairs): _without_surrogates(item, repairs) for key, item in value.items()}
    return value


def _convert(value: dict[str, Any], kind: type[T], path: str, repairs: dict[str, str]) -> T:
    fields: dict[str, Any] = {}
    for field in _fields(kind):
        if field.encode_name in value:
            place = f"{path}.{field.encode_name}".removeprefix(".")
            fields[field.name] = _field(value[field.encode_name], field, place, repairs)
    return kind(**{name: item for name, item in fields.items() if item is not _LEFT_OUT})


def _field(value: Any, field: msgspec.structs.FieldInfo, path: str, repairs: dict[str, str]) -> Any:
    if _holds_raw(field.type):
        return msgspec.Raw(msgspec.json.encode(value))
    try:
        return msgspec.convert(value, field.type)
    except (ValueError, RecursionError):
        pass  # of another type than documented; the rest of this function says what is made of it
    struct, many = _struct_in(field.type)
    if struct is not None and many and isinstance(value, list):
        items = (item for item in value if isinstance(item, dict))
        return [_convert(item, struct, f"{path}[]", repairs) for item in items]
    if struct is not None and not many and isinstance(value, dict):
        return _convert(value, struct, path, repairs)
    repairs["type_coerced"] = path
    try:
        return msgspec.convert(value, field.type, strict=False)
    except (ValueError, RecursionError):
        repairs["field_ignored"] = path
        return _LEFT_OUT


def _holds_raw(kind: Any) -> bool:
    return kind is msgspec.Raw or msgspec.Raw in getattr(kind, "__args__", ())


def _struct_in(kind: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The Struct that a field's type holds, and whether in a list."""
    for option in getattr(kind, "__args__", ()) or (kind,):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option, False
        for inner in getattr(option, "__args__", ()):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                return inner, True
    return None, False


_LEFT_OUT = object()
