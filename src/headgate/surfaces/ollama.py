"""Ollama's `POST /api/chat`: canonical events -> NDJSON, one object per line, or one reply.

Strategy: this is the seam; the parts are `ollama_request.py` (and what it uses) for what comes in and
`ollama_encoder.py` for what goes out. `/api/generate` is a surface of its own with the same parts, since its lines
have another form.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from headgate.errors import PeerError
from headgate.messages import ChatRequest, IdFactory, Message
from headgate.surfaces.base import Writing
from headgate.surfaces.ollama_encoder import OllamaEncoder, whole
from headgate.surfaces.ollama_lines import CHAT, Form, Lines, error
from headgate.surfaces.ollama_request import parse_chat
from headgate.surfaces.ollama_shapes import ChatBody


class Ollama:
    """The surface, in one of its two forms.

    Args:
        name: of the surface.
        path: its only one.
        form: what a line looks like.
        shape: what a request's body is read as.
        parse_body: what reads it.
    """

    media_type = "application/x-ndjson"

    def __init__(
        self,
        name: str,
        path: str,
        form: Form,
        shape: type[msgspec.Struct] | None,
        parse_body: Callable[[bytes], ChatRequest],
    ) -> None:
        self.name = name
        self.paths = (path,)
        self.shape = shape
        self._form = form
        self._parse_body = parse_body

    def parse(self, path: str, headers: Mapping[str, str], body: bytes, /) -> ChatRequest:
        """Read a request body; it asks for a stream unless it says otherwise.

        Raises:
            RequestError: naming the field.
        """
        del path, headers
        return self._parse_body(body)

    def encoder(self, writing: Writing, /) -> OllamaEncoder:
        """An encoder for one streamed response."""
        return OllamaEncoder(self._form, writing)

    def whole(self, messages: Sequence[Message], writing: Writing, /) -> bytes:
        """One reply, of the first message.

        Raises:
            UpstreamError: `tool_call_incomplete`, for calls that Ollama's API cannot say.
        """
        return whole(self._form, messages[0], writing)

    def keepalive(self, writing: Writing, /) -> bytes:
        """A line with an empty text: Ollama's own clients parse every line, and a blank one ends them."""
        return Lines(self._form, writing, writing.model).line()

    def error(self, failure: PeerError, /) -> tuple[int, bytes]:
        """The status, and Ollama's error object."""
        return failure.status, error(failure.message, failure.code)

    def new_id(self, ids: IdFactory, /) -> str:
        """An id for our own log; Ollama's replies have none."""
        return ids("ollama-")


SURFACE = Ollama("ollama", "/api/chat", CHAT, ChatBody, parse_chat)
