"""The seam of the client side: what a surface is.

Spec: ours (`docs/adding.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from headgate.errors import PeerError, stream_error
from headgate.events import Event, ReasoningDelta, TextDelta
from headgate.messages import ChatRequest, IdFactory, Message, Spelling

NO_END = stream_error("upstream_truncated", "the stream stopped without an end.")
"""What an encoder tells whose events are over before their end."""


class Writing(msgspec.Struct, frozen=True, gc=False):
    """How a response is to be written.

    `id` and `created_s` (seconds since the epoch) are ours, one per response; `model` is what was asked
    for, and gives way to what the engine reports. `reasoning` is how thoughts are spelled, on surfaces whose format has
    no word of its own for them.
    """

    id: str
    created_s: int
    model: str
    include_usage: bool = False
    include_timings: bool = False
    reasoning: Spelling = "reasoning_content"


class Frame(NamedTuple):
    """What a text delta is to the client: `before`, the text as `text` writes it, `behind`.

    A text of ASCII that needs no JSON escapes is written as it is.
    """

    before: bytes
    behind: bytes
    text: Callable[[str], bytes]


class Encoder(Protocol):
    """Events of one response in, bytes for the client out."""

    @property
    def done(self) -> bool:
        """Whether the terminal frame has been written."""
        ...

    @property
    def failed(self) -> bool:
        """Whether the terminal that was written tells of a failure, be it the engine's or one that only shows here."""
        ...

    def feed(self, events: Sequence[Event], /) -> bytes:
        """Encode events; b"" when they say nothing to this client."""
        ...

    def frame(self, delta: TextDelta | ReasoningDelta, /) -> Frame | None:
        """What stands around the text of each delta like this one.

        None where that differs, or where a delta changes what the encoder holds.
        """
        ...

    def close(self) -> bytes:
        """The events are over. A response without an end becomes an error frame, never a fake finish."""
        ...


class Surface(Protocol):
    """The API that a client speaks to us.

    `media_type` is that of a stream; a whole reply is JSON. `shape` is what a request's body is read as, for the
    document that describes the gateway; None says no more than that it is a JSON object.
    """

    name: str
    paths: tuple[str, ...]
    media_type: str
    shape: type[msgspec.Struct] | None

    def parse(self, path: str, headers: Mapping[str, str], body: bytes, /) -> ChatRequest:
        """Read a request. Header names are in lower case.

        Raises:
            RequestError: naming the field, as a JSON pointer.
        """
        ...

    def encoder(self, writing: Writing, /) -> Encoder:
        """An encoder for one streamed response."""
        ...

    def whole(self, messages: Sequence[Message], writing: Writing, /) -> bytes:
        """A whole response.

        Raises:
            UpstreamError: if this API has no way to say what the engine said.
        """
        ...

    def keepalive(self, writing: Writing, /) -> bytes:
        """What keeps a client waiting for this response, at any place where it may have to."""
        ...

    def error(self, failure: PeerError, /) -> tuple[int, bytes]:
        """The HTTP status and body of a failure before the first byte."""
        ...

    def new_id(self, ids: IdFactory, /) -> str:
        """A response id of the kind this API uses."""
        ...
