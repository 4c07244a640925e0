"""The body of `POST /v1/completions` -> a canonical request.

Strategy: the body is read strictly, once for faults that JSON readers hide and once for its types; what Headgate acts
on becomes the request's own, every other field is kept verbatim as an option for the engine. `logprobs` becomes the two
options that every other API has for it, so that all engines are asked alike.
Spec: https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from headgate import strict_json
from headgate.errors import RequestError
from headgate.messages import ChatRequest, Completion
from headgate.surfaces.completions_shapes import CompletionBody
from headgate.surfaces.invalid import invalid, misfit
from headgate.surfaces.sampling import Sampling, StreamOptions, check_format

_EXTRAS_HEADER = "x-headgate-extras"
_CHATS = ("messages", "tools", "tool_choice", "functions", "function_call")
"""What only a conversation has. To leave it out would be another question."""


def _names(shape: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(shape))


_OURS = _names(CompletionBody) - _names(Sampling) - {"logprobs"}
_STREAM_OPTIONS = _names(StreamOptions)
_decode = msgspec.json.Decoder(CompletionBody).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def parse(headers: Mapping[str, str], body: bytes) -> ChatRequest:
    """Read the body of a text completion.

    Raises:
        RequestError: `invalid_request`, or `unsupported` for what no engine is asked; with the field's JSON pointer.
    """
    value = strict_json.loads(body)
    try:
        read = _decode(body)
    except msgspec.ValidationError as error:
        raise misfit(error, value) from error
    if read.model is None:
        raise invalid(("model",), "the name of a model", value)
    _refuse_conversation(value)
    check_format(read.response_format, value)
    _check_best_of(read, value)
    wanted = read.stream_options or StreamOptions()
    extras = [name.strip() for name in headers[_EXTRAS_HEADER].split(",")] if _EXTRAS_HEADER in headers else ()
    return ChatRequest(
        model=read.model,
        completion=Completion(prompt=_prompt(read, value), suffix=read.suffix or None, echo=bool(read.echo)),
        stream=bool(read.stream),
        include_usage=bool(wanted.include_usage),
        include_timings=bool(wanted.include_timings or read.timings_per_token or "timings" in extras),
        choices=read.n or 1,
        options=_options(_decode_fields(body)),
        dropped=tuple(_dropped(value)),
    )


def _prompt(read: CompletionBody, body: Any) -> str | tuple[int, ...]:
    given = read.prompt
    only = given[0] if isinstance(given, list) and len(given) == 1 else None
    prompt = given if only is None or isinstance(only, int) else only
    if isinstance(prompt, str):
        return prompt
    tokens = tuple(one for one in prompt or () if isinstance(one, int))
    if prompt and len(tokens) == len(prompt):
        return tokens
    if prompt and not tokens:
        sentence = "expected one prompt, got several, which not every engine takes. Send a request for each."
        raise RequestError("unsupported", sentence, param=strict_json.pointer("prompt"))
    raise invalid(("prompt",), "a string, or an array of tokens", body)


def _check_best_of(read: CompletionBody, body: Any) -> None:
    choices = read.n or 1
    if read.best_of is not None and read.best_of < choices:
        raise invalid(("best_of",), f"a number of at least n, {choices},", body)
    if read.best_of is not None and read.best_of > choices:
        sentence = "expected best_of to be n: a reply is streamed, and the best is known at its end. Leave it out."
        raise RequestError("unsupported", sentence, param=strict_json.pointer("best_of"))


def _refuse_conversation(body: Any) -> None:
    for name in _CHATS:
        if body.get(name):
            sentence = f"expected a prompt, got {name}, which a text completion has not. Ask /v1/chat/completions."
            raise RequestError("unsupported", sentence, param=strict_json.pointer(name))


def _options(fields: dict[str, Raw]) -> dict[str, Raw]:
    options: dict[str, Raw] = {}
    for name, value in fields.items():
        if name == "logprobs" and bytes(value) != b"null":
            options |= {"logprobs": Raw(b"true"), "top_logprobs": value}
        elif name not in _OURS and name not in _CHATS and name != "top_logprobs" and bytes(value) != b"null":
            options[name] = value
    return options


def _dropped(body: Any) -> Iterator[str]:
    """Name what has no place in the canonical form."""
    if body.get("top_logprobs") is not None:
        yield "top_logprobs"
    for name, value in (body.get("stream_options") or {}).items():
        if name not in _STREAM_OPTIONS and value not in (None, [], {}):
            yield f"stream_options.{name}"
