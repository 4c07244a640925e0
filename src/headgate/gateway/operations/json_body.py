"""A JSON body that names a model: read strictly, and given another name without a change to any other byte.

Strategy: the body is read once for what it says. To rename, its top level is walked: each value's length is known
from a decoder that keeps values as they are, so that only keys are looked at, however long the values are.
Spec: https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.strict_json import loads
from headgate.surfaces.invalid import invalid

_key = re.compile(rb'[ \t\r\n{,]*+"(?:[^"\\]|\\.)*+"[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL).match


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RequestError: `invalid_request`, if it is none, or names a field twice.
    """
    value = loads(body)
    if not isinstance(value, dict):
        raise invalid((), "an object", value)
    return value


def model_of(value: dict[str, Any], names: Sequence[str] = ("model",)) -> str:
    """The model that a body names in the first of these fields that is there; "" if it names none.

    Raises:
        RequestError: `invalid_request`, if it is no text.
    """
    for name in names:
        model = value.get(name)
        if model is not None and not isinstance(model, str):
            raise invalid((name,), "a string", value)
        if model:
            return model
    return ""


def renamed(body: bytes, model: str, field: str = "model") -> bytes:
    """The same body with a model's name in that field; a body that has it already is returned as it is.

    Args:
        body: what `read_object` has read.
        model: the name.
        field: the name's field at the top level, which is added in front if it is not there.
    """
    wanted = msgspec.json.encode(model)
    at = 0
    values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    for name, raw in values.items():  # in the order of the text, since no field comes twice
        found = _key(body, at)
        if found is None:
            raise RuntimeError("a JSON object that was read has no key where one must be")
        end = found.end() + memoryview(raw).nbytes
        if name == field:
            is_same = msgspec.json.decode(raw) == model
            return body if is_same else body[: found.end()] + wanted + body[end:]
        at = end
    start = body.index(b"{") + 1
    comma = b"," if values else b""
    return b"%b%b:%b%b%b" % (body[:start], msgspec.json.encode(field), wanted, comma, body[start:])
