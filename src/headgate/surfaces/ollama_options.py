"""How an Ollama request wants its reply -> canonical options, under the names that the tables of dialects know.

Strategy: what OpenAI's API has a word for gets that word, so that every engine is asked alike; what only Ollama has
keeps its name, and an Ollama engine gets it back. Values stay as they were written, number by number.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#parameters-1, and `docs/ollama.md` for the table
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from headgate.surfaces import ollama_shapes as shapes
from headgate.surfaces.invalid import invalid

EFFORTS = ("low", "medium", "high", "max")
"""What `think` may say besides true and false."""

_SETTINGS = frozenset(field.name for field in msgspec.structs.fields(shapes.Settings))
_SAME = frozenset({"keep_alive", "logprobs", "top_logprobs", "truncate", "shift"})
_NULL = b"null"

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def read_options(fields: dict[str, Raw], read: shapes.Common, body: Any) -> dict[str, Raw]:
    """Read the options of a request, in the order in which they stand.

    Args:
        fields: the request's fields, verbatim.
        read: the same, by type.
        body: the whole request's value.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    options: dict[str, Raw] = {}
    for name, value in fields.items():
        if body[name] is None:
            continue
        if name == "think":
            options |= _thinking(read.think, body)
        elif name == "format":
            options |= _format(value, read.format, body)
        elif name == "options":
            options |= _settings(_decode_fields(value))
        elif name in _SAME:
            options[name] = value
    return options


def unknown_options(options: Any) -> list[str]:
    """Name what stands in `options` and is no setting that anybody reads; Ollama ignores it without a word."""
    return [f"options.{name}" for name in options or () if name not in _SETTINGS]


def _settings(given: dict[str, Raw]) -> dict[str, Raw]:
    options = {name: value for name, value in given.items() if name in _SETTINGS and bytes(value) != _NULL}
    return dict(_limit(value) if name == "num_predict" else (name, value) for name, value in options.items())


def _limit(value: Raw) -> tuple[str, Raw]:
    """A limit is everyone's; that there is none, or that the context is to be filled, is Ollama's own way to say it."""
    count = int(msgspec.json.decode(value, type=float))
    if count <= 0:
        return "num_predict", value
    return "max_tokens", Raw(b"%d" % count)


def _thinking(think: Any, body: Any) -> dict[str, Raw]:
    """Engines with Jinja templates switch thinking by an argument of the template, and its effort by a field."""
    if isinstance(think, bool):
        return {"chat_template_kwargs": Raw(_encode({"enable_thinking": think}))}
    if think == "":
        return {}
    if think not in EFFORTS:
        raise invalid(("think",), f"true, false, or one of {', '.join(EFFORTS)}", body)
    return {"reasoning_effort": Raw(_encode(think))}


def _format(value: Raw, wanted: str | dict[str, Any] | None, body: Any) -> dict[str, Raw]:
    if wanted == "":
        return {}
    if isinstance(wanted, dict):
        schema = {"type": "json_schema", "json_schema": {"name": "response", "schema": value}}
        return {"response_format": Raw(_encode(schema))}
    if wanted != "json":
        raise invalid(("format",), '"json" or a JSON schema', body)
    return {"response_format": Raw(b'{"type":"json_object"}')}
