"""A stream's bytes in any split -> pieces that end where a record ends.

Strategy: the first line decides the shape, as `headgate.auto` and the dialects decide: an object on one line begins
JSON lines, one on several is a whole body, anything else an event stream. Bare text has no records, so a read stands
for one. A piece is given out as it comes; what is kept of a record is its draft's.
Spec: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from enum import Enum

import msgspec

from headgate.explain.draft import SPACE, Draft

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Shape(Enum):
    """What ends a record."""

    EVENTS = "event stream"
    """A blank line."""
    LINES = "JSON lines"
    """A line end."""
    BODY = "one JSON body"
    """The end of input."""
    READS = "text"
    """The end of a read."""
    LOG = "log"
    """A line end, too; not every line is a record."""
    REFUSAL = "the body of an HTTP error"
    """The end of input; it is no stream."""


class Cutter:
    """Cuts reads into pieces: lines, as long as lines can end records, or else the read as it is."""

    def __init__(self, shape: Shape | None = None) -> None:
        self.shape = shape
        self._after_cr = False
        self._inside_line = False

    def pieces(self, data: bytes, /) -> list[bytes]:
        """Cut one read."""
        if self.shape in {Shape.BODY, Shape.READS}:
            return [data] if data else []
        if self.shape in {Shape.LINES, Shape.LOG}:
            lines = data.split(b"\n")
            return [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
        return data.splitlines(keepends=True)

    def ends_record(self, piece: bytes, draft: Draft, dialect: str | None, /) -> bool:
        """Whether a record ends with this piece.

        Args:
            piece: the next of `pieces`.
            draft: what there is of the record, the piece included.
            dialect: the decoder's, if it has decided on one.
        """
        after_cr, inside_line = self._after_cr, self._inside_line
        self._after_cr, self._inside_line = piece.endswith(b"\r"), not piece.endswith((b"\n", b"\r"))
        if self.shape is None and dialect == "text":
            self.shape = Shape.READS
        if draft.is_blank or self._inside_line:
            return False
        if self.shape is None:
            self.shape = _shape_of(draft.raw.lstrip(SPACE))
        if self.shape in {Shape.LINES, Shape.LOG}:
            return piece.endswith(b"\n")
        # The LF of a CRLF that a read split in two belongs to the line end before it.
        is_blank = not inside_line and not piece.strip(b"\r\n") and not (after_cr and piece == b"\n")
        return self.shape is Shape.EVENTS and is_blank


def _shape_of(line: bytes) -> Shape:
    if not line.startswith(b"{"):
        return Shape.EVENTS
    try:
        _is_object(line)
    except (ValueError, RecursionError):
        return Shape.BODY
    return Shape.LINES
