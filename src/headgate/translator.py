"""Engine bytes in, client bytes out: a decoder and an encoder behind one `feed`.

Strategy: by definition `encoder.feed(decoder.feed(data))`. This is the seam the gateway uses, and the
place where a faster path may stand as long as it gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.dialects.base import Decoder
from headgate.events import Event
from headgate.surfaces.base import Encoder

Tap = Callable[[Sequence[Event]], None]


class Translator:
    """Translates one response.

    Args:
        decoder: reads the engine's bytes.
        encoder: writes the client's bytes.
        tap: is called with each batch of events, if somebody listens.
    """

    def __init__(self, decoder: Decoder, encoder: Encoder, tap: Tap | None = None) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._tap = tap

    @property
    def done(self) -> bool:
        """Whether the client's terminal frame has been written."""
        return self._encoder.done

    @property
    def finished(self) -> bool:
        """Whether the engine has finished, so that only usage and its end marker can follow."""
        return self._decoder.finished

    def feed(self, data: bytes, /) -> bytes:
        """Translate bytes in any split; b"" when they mean nothing to the client yet.

        Never raises on peer input: bad input ends the response with an error frame.
        """
        return self._encode(self._decoder.feed(data))

    def close(self, *, cancelled: bool = False) -> bytes:
        """The engine's bytes are over: return the rest, the terminal frame included."""
        return self._encode(self._decoder.close(cancelled=cancelled)) + self._encoder.close()

    def fail(self, error: Event, /) -> bytes:
        """The connection to the engine failed: return the error frame."""
        return self._encode([error])

    def _encode(self, events: list[Event]) -> bytes:
        if self._tap is not None and events:
            self._tap(events)
        return self._encoder.feed(events) if events else b""
