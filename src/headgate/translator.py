"""Engine bytes in, client bytes out: a decoder and an encoder behind one `feed`.

Strategy: by definition `encoder.feed(decoder.feed(data))`. This is the seam the gateway uses, and the
place where the shortcut stands, which gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.dialects.base import Decoder
from headgate.errors import PeerError
from headgate.events import Event, StreamError
from headgate.shortcut import Shortcut
from headgate.stopwatch import Measure
from headgate.surfaces.base import Encoder

Tap = Callable[[Sequence[Event]], None]


class Translator:
    """Translates one response.

    Args:
        decoder: reads the engine's bytes.
        encoder: writes the client's bytes.
        tap: is called with each batch of events, if somebody listens.
        every_delta: whether the tap must hear of plain text too; False lets that take the shortcut.
        measure: completes the usage of what the encoder is given by what it measured; the tap hears the engine's own.

    `shortcut` is what plain text takes, if anything does.
    """

    __slots__ = (
        "_decoder",
        "_encoder",
        "_feed",
        "_whole",
        "shortcut",
    )

    def __init__(
        self,
        decoder: Decoder,
        encoder: Encoder,
        tap: Tap | None = None,
        *,
        every_delta: bool = True,
        measure: Measure | None = None,
    ) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._whole = _Whole(decoder, encoder, tap, measure)
        takes_all = tap is not None and every_delta
        self.shortcut = None if takes_all else Shortcut(decoder, encoder, self._whole.feed)
        self._feed = self._whole.feed if self.shortcut is None else self.shortcut.feed

    @property
    def done(self) -> bool:
        """Whether the client's terminal frame has been written."""
        return self._encoder.done

    @property
    def failed(self) -> bool:
        """Whether that frame tells of a failure."""
        return self._encoder.failed

    @property
    def finished(self) -> bool:
        """Whether the engine has finished, so that only usage and its end marker can follow."""
        return self._decoder.finished

    def feed(self, data: bytes, /) -> bytes:
        """Translate bytes in any split; b"" when they mean nothing to the client yet.

        Never raises on peer input: bad input ends the response with an error frame.
        """
        return self._feed(data)

    def close(self, *, cancelled: bool = False) -> bytes:
        """The engine's bytes are over: return the rest, the terminal frame included; b"" if that is out already."""
        return (
            b""
            if self._encoder.done
            else self._whole.encode(self._decoder.close(cancelled=cancelled)) + self._encoder.close()
        )

    def fail(self, error: PeerError | StreamError, /) -> bytes:
        """The connection to the engine failed: return what was held, and the error frame."""
        event = error.event() if isinstance(error, PeerError) else error
        return b"" if self._encoder.done else self._whole.encode(self._decoder.fail(event)) + self._encoder.close()


class _Whole:
    """The whole way, which the shortcut takes too: apart from both, so that neither refers to itself by it."""

    __slots__ = (
        "_decoder",
        "_encoder",
        "_measure",
        "_tap",
    )

    def __init__(self, decoder: Decoder, encoder: Encoder, tap: Tap | None, measure: Measure | None) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._tap = tap
        self._measure = measure

    def feed(self, data: bytes, /) -> bytes:
        """Decode, and encode what comes of it."""
        return self.encode(self._decoder.feed(data))

    def encode(self, events: list[Event], /) -> bytes:
        """Tell the tap, and encode."""
        if self._tap is not None and events:
            self._tap(events)
        if self._measure is not None and events:
            events = self._measure(events)
        return self._encoder.feed(events) if events else b""
