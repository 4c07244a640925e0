"""Annotated records -> the same, with long runs of like records folded into one line.

Strategy: a record folds when all it does is go on with a block, and nothing is to be said of it that was not said
before. Text that is held back folds too, unless a tag comes of it. A run is held only until it is long enough to
fold; from then on it is counted, so that what is kept does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from headgate.events import Progress, ReasoningDelta, TextDelta, ToolCallDelta
from headgate.explain.effects import PREVIEW_CHARS
from headgate.explain.values import Folded, Item, Kind, Record

FOLD_MIN = 4
"""The shortest run that is folded; fewer lines are sooner read than their summary."""

_HELD_BYTES_MAX = 1024 * 1024
_HELD, _HELD_WHAT = "text_held", "held-back record"
_WHAT: dict[type, str] = {
    TextDelta: "text delta",
    ReasoningDelta: "reasoning delta",
    ToolCallDelta: "argument fragment",
}


class _Run:
    """Like records in a row: the records themselves while they are few, a count of them afterwards."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.records: list[Record] = []
        self.folded: Folded | None = None

    def add(self, record: Record) -> None:
        if self.folded is not None:
            self.folded = _joined(self.folded, record)
            return
        self.records.append(record)
        if len(self.records) >= FOLD_MIN:
            first = self.records[0]
            self.folded = Folded(self.what, 0, first.number, first.number, first.at_s, 0)
            for each in self.records:
                self.folded = _joined(self.folded, each)
            self.records = []

    def items(self) -> list[Item]:
        return [*self.records] if self.folded is None else [self.folded]


def _run_of(what: str, records: Iterable[Record]) -> _Run:
    run = _Run(what)
    for record in records:
        run.add(record)
    return run


class Folder:
    """Folds one stream's records, as they come."""

    def __init__(self) -> None:
        self._run: _Run | None = None
        self._held: list[Record] = []  # records whose text may be a tag's; those after them decide
        self._held_bytes = 0

    def feed(self, records: Iterable[Record], /) -> list[Item]:
        """Return what is decided."""
        return [item for record in records for item in self._take(record)]

    def close(self) -> list[Item]:
        """Return the rest."""
        return self._flush()

    def _take(self, record: Record) -> list[Item]:
        if _is_held(record) and self._held_bytes < _HELD_BYTES_MAX:
            self._held.append(record)
            self._held_bytes += record.size
            return []
        what = _what(record)
        if what is None or (self._held and what not in _WHAT.values()):
            return [*self._flush(), record]
        done: list[Item] = []
        if self._run is None or self._run.what != what:
            done = self._run.items() if self._run else []
            self._run = _Run(what)
        for each in (*self._held, record):
            self._run.add(each)
        self._held, self._held_bytes = [], 0
        return done

    def _flush(self) -> list[Item]:
        items = [*(self._run.items() if self._run else []), *_run_of(_HELD_WHAT, self._held).items()]
        self._run, self._held, self._held_bytes = None, [], 0
        return items


def _is_held(record: Record) -> bool:
    """Whether a record only brought text that is held back."""
    codes = [note.code for note in record.notes if not note.again or note.code == _HELD]
    return not record.effects and codes == [_HELD] and all(repair.again for repair in record.repairs)


def _what(record: Record) -> str | None:
    """What a run of records like this one is made of; None for a record that stands for itself."""
    if record.kind is Kind.LOG_LINE:
        return "log line"
    if record.kind is Kind.COMMENT and not record.effects:
        return "comment"
    if not record.effects or not all(remark.again for remark in (*record.repairs, *record.notes)):
        return None
    kinds = {type(effect.event) for effect in record.effects}
    if kinds == {Progress}:
        return "progress report"
    return _WHAT.get(kinds.pop()) if len(kinds) == 1 else None


def _joined(folded: Folded, record: Record) -> Folded:
    text, characters = folded.text, folded.characters
    for effect in record.effects:
        text = text if len(text) >= PREVIEW_CHARS else (text + effect.text)[:PREVIEW_CHARS]
        characters += effect.characters
    return folded._replace(
        records=folded.records + 1,
        last=record.number,
        at_s=record.at_s,
        size=folded.size + record.size,
        characters=characters,
        text=text,
    )
