"""Reads, with the time at which each arrived -> annotated records.

Strategy: the reads are cut where records end and each piece is fed to the decoder by itself; decoders do not mind
where bytes are split, so the events are those of the whole stream, and each belongs to a record. What the decoder
does not tell (how the bytes arrived, what else a record holds) is seen apart, in `look.py` and `held.py`.
"""

from __future__ import annotations

from headgate.auto import AutoDecoder
from headgate.dialects.base import Decoder
from headgate.dialects.peer_error import error_of
from headgate.errors import stream_error
from headgate.events import Event, MessageStart, Repair
from headgate.explain.border import Border
from headgate.explain.cut import Cutter, Shape
from headgate.explain.draft import Draft, ends_inside_character
from headgate.explain.effects import effects_of
from headgate.explain.held import Held
from headgate.explain.look import Look, look
from headgate.explain.payload import Entries, Payload, payload_of, shown
from headgate.explain.tally import Tally
from headgate.explain.told import Told
from headgate.explain.values import Fact, Kind, Record, Summary
from headgate.explain.words import quoted
from headgate.framing.log import LogRecords
from headgate.naming import is_other_model
from headgate.surfaces.base import Encoder

_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Explainer:
    """Annotates one response.

    Args:
        decoder: a decoder of the response, made with `verbose`, that nobody else feeds.
        dialect: its dialect's name, unless it is one that decides by itself.
        is_log: whether the bytes are a log that quotes records.
        knows_reads: whether each `feed` is a read as it was on the wire, so that something can be said about reads.
        asked_model: the model that the request asked for, where that is known.
        encoder: writes what a client would be sent, if that is to be shown.
    """

    def __init__(
        self,
        decoder: Decoder,
        dialect: str | None = None,
        *,
        is_log: bool = False,
        knows_reads: bool = False,
        asked_model: str | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._asked_model = asked_model
        self._dialect = dialect
        self._knows_reads = knows_reads
        self._cutter = Cutter(Shape.LOG if is_log else Shape.READS if dialect == "text" else None)
        self._log = LogRecords() if is_log else None
        self._entries = Entries()
        self._quoted: bytes | None = None  # the record that the log's last line quotes
        self._draft = Draft()
        self._ended = False  # whether the terminal came before the draft
        self._reads = 0
        self._at_s: float | None = None
        self._held, self._border = Held(), Border()
        self._told = Told()
        self._tally = Tally()

    @property
    def summary(self) -> Summary:
        """What the stream has come to so far; after `close`, what it came to."""
        shape = self._cutter.shape
        return self._tally.summary(self._name, shape.value if shape else "", self._reads if self._knows_reads else 0)

    def feed(self, data: bytes, at_s: float | None = None) -> list[Record]:
        """Annotate the records that `data` completes. Never raises on peer input.

        Args:
            data: one read.
            at_s: when it arrived, in seconds since the request was sent.
        """
        self._arrives(data, at_s)
        records: list[Record] = []
        for piece in self._cutter.pieces(data):
            self._draft.add(piece)
            self._draft.events += self._decode(piece)
            if self._cutter.ends_record(piece, self._draft, self._name):
                records.append(self._record())
        if self._cutter.shape is Shape.READS and not self._draft.is_blank:
            records.append(self._record())
        self._draft.read_ends()
        return self._with_reads(records)

    def close(self) -> list[Record]:
        """Annotate what the end of input completes, and the end itself. Nothing may be fed after it."""
        if self._log is not None:
            self._draft.events += self._quote(self._log.close())
        if self._log is not None and self._log.overflow:
            error = stream_error("line_too_long", "expected shorter lines in the log, got one over the limit.")
            self._draft.events += self._decoder.fail(error)
        else:
            self._draft.events += self._decoder.close()
        self._draft.reads -= 1  # no read follows the last
        return [] if self._draft.is_blank and not self._draft.events else [self._record(is_last=True)]

    def refusal(self, body: bytes, status: int, at_s: float | None = None) -> list[Record]:
        """Annotate an HTTP error reply, which is no stream; in place of `feed` and `close`."""
        self._arrives(body, at_s)
        self._cutter.shape = Shape.REFUSAL
        self._draft.add(body)
        self._draft.events.append(error_of(body, status=status))
        return [self._record()]

    @property
    def _name(self) -> str | None:
        return self._decoder.dialect if isinstance(self._decoder, AutoDecoder) else self._dialect

    def _arrives(self, data: bytes, at_s: float | None) -> None:
        self._reads += 1
        self._at_s = at_s
        self._tally.read(len(data), at_s)

    def _decode(self, piece: bytes) -> list[Event]:
        return self._decoder.feed(piece) if self._log is None else self._quote(self._log.feed(piece))

    def _quote(self, found: list[bytes]) -> list[Event]:
        """Decode the record that a log's line quotes, if it does; a piece holds no more than one line."""
        self._quoted = found[0] if found else None
        return [event for record in found for event in self._decoder.record(record)]

    def _record(self, *, is_last: bool = False) -> Record:
        draft, self._draft = self._draft, Draft()
        payload = self._payload(draft)
        self._tally.records += payload.kind in {Kind.RECORD, Kind.COMMENT}
        seen = look(payload.data) if payload.data is not None and draft.is_whole else Look()
        notes = [*self._notes(draft, seen), *self._arrival(draft)]
        if is_last and payload.data and not seen.is_json:
            notes.append(("cut_off", ""))
        self._tally.events(draft.events, self._at_s)
        self._ended = self._decoder.done
        return Record(
            number=self._tally.records,
            kind=payload.kind,
            at_s=self._at_s,
            size=draft.size,
            raw=draft.raw,
            facts=payload.facts + seen.facts,
            effects=effects_of(event for event in draft.events if not isinstance(event, Repair)),
            repairs=self._told.repairs(event for event in draft.events if isinstance(event, Repair)),
            notes=self._told.notes(notes),
            sent=self._sent(draft.events, is_last=is_last),
        )

    def _sent(self, events: list[Event], *, is_last: bool) -> bytes:
        """What a client is written for one record; an HTTP error it is not told in a stream."""
        if self._encoder is None or self._cutter.shape is Shape.REFUSAL:
            return b""
        return self._encoder.feed(events) + (self._encoder.close() if is_last else b"")

    def _payload(self, draft: Draft) -> Payload:
        if draft.is_blank:
            return Payload(Kind.END)
        if self._log is None:
            return payload_of(draft.raw, self._cutter.shape)
        if self._quoted is None:
            return Payload(Kind.LOG_LINE, facts=(Fact("", shown(draft.raw.strip())),))
        return Payload(Kind.RECORD, self._quoted)

    def _notes(self, draft: Draft, seen: Look) -> list[tuple[str, str]]:
        if self._ended and not draft.is_blank:
            return [("after_the_end", "")]
        said = seen.said
        if self._cutter.shape is Shape.READS:
            said = ((0, len(draft.raw.decode("utf-8", "ignore"))),)
        held = self._held.record(self._tally.records, said, draft.events)
        return [*self._renamed(draft.events), *seen.notes, *held, *self._border.record(draft.events)]

    def _renamed(self, events: list[Event]) -> list[tuple[str, str]]:
        answered = [event.model for event in events if isinstance(event, MessageStart)]
        is_other = any(is_other_model(self._asked_model, model) for model in answered)
        return [("other_model", quoted(self._asked_model or ""))] if is_other else []

    def _arrival(self, draft: Draft) -> list[tuple[str, str]]:
        """What there is to say of how one record arrived."""
        notes: list[tuple[str, str]] = []
        if self._quoted is not None and self._entries.is_shared(draft.raw, self._quoted):
            notes.append(("entry_shared", ""))
        if not self._knows_reads or self._cutter.shape in {Shape.BODY, Shape.REFUSAL}:
            return notes
        if draft.reads > 1:
            notes.append(("event_over_reads", _count(draft.reads)))
        if draft.torn_character or (self._cutter.shape is Shape.READS and ends_inside_character(draft.raw)):
            notes.append(("character_torn", ""))
        return notes

    def _with_reads(self, records: list[Record]) -> list[Record]:
        """Say on the first of several records that they came in one read."""
        found = [number for number, record in enumerate(records) if record.kind is Kind.RECORD]
        if self._knows_reads and len(found) > 1:
            first = records[found[0]]
            several = self._told.notes([("events_in_one_read", _count(len(found)))])
            records[found[0]] = first._replace(notes=(*several, *first.notes))
        return records


def _count(number: int) -> str:
    return _COUNTS[number] if number < len(_COUNTS) else f"{number:,}"
