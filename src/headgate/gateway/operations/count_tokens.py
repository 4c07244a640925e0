"""`POST /v1/messages/count_tokens`: by the engine's own tokenizer where it offers one, else a marked estimate.

Strategy: llama-server, vLLM and SGLang have this very path, so that the body is passed on with the engine's name of the
model. An engine without it (Ollama) leaves an estimate, and the header `x-headgate-estimate` says so.
Spec: https://docs.anthropic.com/en/api/messages-count-tokens
"""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.errors import RequestError
from headgate.gateway.operations.base import Asked, Response
from headgate.gateway.operations.json_body import model_of, read_object, renamed
from headgate.gateway.operations.passing import fetched
from headgate.surfaces.invalid import invalid
from headgate.upstream.base import Reply

_PATH = "/v1/messages/count_tokens"
_ASKED_ABOUT = ("system", "messages", "tools")
_BYTES_PER_TOKEN = 4
"""Of English text in the tokenizers of today; Ollama's own estimate for this API divides by four as well."""
_NO_TEXT = frozenset({"cache_control", "data", "id", "media_type", "role", "signature", "tool_use_id", "type"})
"""Fields whose strings no prompt holds, or not as they are: an image is not read letter by letter."""
_MARK = (b"x-headgate-estimate", b"bytes/4")


class CountRequest(msgspec.Struct):
    """As much of the body as is published; it is passed on as it is."""

    messages: list[dict[str, Any]]
    model: str | None = None
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None


class TokenCount(msgspec.Struct):
    """The reply."""

    input_tokens: int


class _Counted(msgspec.Struct):
    input_tokens: int


async def count_tokens(asked: Asked, /) -> Response:
    """How many tokens a request to `/v1/messages` would have."""
    body = read_object(asked.body)
    if not isinstance(body.get("messages"), list):
        raise invalid(("messages",), "an array", body)
    engine, model = await asked.choose(model_of(body))
    try:
        counted = _read(await fetched(asked, engine, _PATH, model, renamed(asked.body, model)))
    except RequestError:  # the engine has no such path
        counted = None
    if counted is None:
        return Response(200, _body(estimate(body)), headers=(_MARK,))
    return Response(200, _body(counted))


def estimate(body: dict[str, Any]) -> int:
    """About how many tokens a request has: a token for every four bytes of text, and for a part of four.

    Text is every string of `system`, `messages` and `tools` as UTF-8, and of objects in a prompt (a tool's schema, a
    call's input) the names of the fields too. Strings that no prompt holds, such as ids and images, do not count.
    """
    size = sum(_text_size(body.get(name)) for name in _ASKED_ABOUT)
    return -(-size // _BYTES_PER_TOKEN)


def _text_size(value: Any) -> int:
    """The bytes of text in a value; without recursion, though a body's depth is limited."""
    size = 0
    left = [value]
    while left:
        match left.pop():
            case str() as text:
                size += len(text.encode())
            case list() as inner:
                left += inner
            case {"input": dict() as data, **others} | {"input_schema": dict() as data, **others}:
                size += len(msgspec.json.encode(data))
                left += [inner for name, inner in others.items() if name not in _NO_TEXT]
            case dict() as inner:
                left += [one for name, one in inner.items() if name not in _NO_TEXT]
            case _:
                pass  # numbers and flags are not worth counting
    return size


def _read(reply: Reply) -> int | None:
    try:
        return msgspec.json.decode(reply.body, type=_Counted).input_tokens
    except msgspec.ValidationError:
        return None


def _body(tokens: int) -> bytes:
    return msgspec.json.encode(TokenCount(tokens))
