"""The arguments of a call in a history, as an object or as its JSON text -> the text.

Strategy: OpenAI's API has a text and Ollama's an object, and clients of either send what they have. An object's own
bytes are kept, since a model wrote them and a prefix cache knows them.
Spec: https://platform.openai.com/docs/api-reference/chat/create#chat_create-messages
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from headgate.surfaces.invalid import Path, invalid

_decode = msgspec.json.Decoder().decode


def arguments_text(given: Raw | UnsetType, path: Path, body: Any) -> str:
    """Return the JSON text; no arguments at all are an empty object. `body` is the whole request's value.

    Raises:
        RequestError: `invalid_request`, for what is neither an object nor a text.
    """
    raw = b"null" if given is UNSET else bytes(given)
    if raw.startswith(b"{"):
        return raw.decode()
    value = _decode(raw)
    if value is not None and not isinstance(value, str):
        raise invalid(path, "an object or its JSON text", body)
    return "{}" if value is None else value
