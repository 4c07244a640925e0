"""Anthropic's `POST /v1/messages`: what a client asks -> a canonical request, and events -> its stream, or one message.

Strategy: the request, the stream and the whole reply have a file each; this is where they meet.
Spec: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from headgate.errors import PeerError
from headgate.messages import ChatRequest, IdFactory, Message
from headgate.surfaces.anthropic_encoder import PING, AnthropicEncoder
from headgate.surfaces.anthropic_reply import error_body, whole
from headgate.surfaces.anthropic_request import parse
from headgate.surfaces.anthropic_shapes import Body
from headgate.surfaces.base import Writing


class Anthropic:
    """The surface."""

    name = "anthropic"
    paths: tuple[str, ...] = ("/v1/messages",)
    media_type = "text/event-stream"
    shape: type[msgspec.Struct] | None = Body

    def parse(self, path: str, headers: Mapping[str, str], body: bytes, /) -> ChatRequest:
        """Read a request body; the headers `anthropic-version` and `anthropic-beta` may say what they like.

        Raises:
            RequestError: `invalid_request` or `unsupported`, naming the field.
        """
        return parse(body)

    def encoder(self, writing: Writing, /) -> AnthropicEncoder:
        """An encoder for one streamed response."""
        return AnthropicEncoder(writing)

    def whole(self, messages: Sequence[Message], writing: Writing, /) -> bytes:
        """One `message`: the first, since a request asks for one."""
        return whole(messages[0], writing)

    def keepalive(self, writing: Writing, /) -> bytes:
        """A `ping`, which this API's clients expect at any place."""
        return PING

    def error(self, failure: PeerError, /) -> tuple[int, bytes]:
        """The status, and Anthropic's error object with our code and the field."""
        error = error_body(failure.status, failure.code, failure.message, failure.param)
        return failure.status, msgspec.json.encode({"type": "error", "error": error})

    def new_id(self, ids: IdFactory, /) -> str:
        """A `msg_` id."""
        return ids("msg_")


SURFACE = Anthropic()
