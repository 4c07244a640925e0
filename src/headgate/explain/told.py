"""Repairs and notes -> remarks that say what was told before, so that it need not be explained again."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.events import Repair
from headgate.explain.values import Remark

_DETAILS_MAX = 1024
_LISTED = "fields_unread"


class Told:
    """What was told of earlier records. Beyond so many details every new one counts as new."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._details: set[tuple[str, str]] = set()

    def repairs(self, repairs: Iterable[Repair]) -> tuple[Remark, ...]:
        """The repairs of one record, each once; markup that was taken out in pieces is one piece again."""
        told: list[tuple[str, str]] = []
        for repair in repairs:
            if repair.code == "markup_removed" and told and told[-1][0] == repair.code:
                told[-1] = repair.code, told[-1][1] + repair.detail
            else:
                told.append((repair.code, repair.detail))
        return tuple(self._remark(code, detail) for code, detail in dict.fromkeys(told))

    def notes(self, notes: Iterable[tuple[str, str]]) -> tuple[Remark, ...]:
        """The notes of one record. The engine's own fields are listed once, when they are new."""
        told = list(dict.fromkeys(notes))
        listed = [self._remark(code, detail) for code, detail in told if code == _LISTED]
        new = [remark for remark in listed if not remark.again]
        rest = [self._remark(code, detail) for code, detail in told if code != _LISTED]
        fields = ", ".join(remark.detail for remark in new)
        return (*rest, *([Remark(_LISTED, fields, new[0].known)] if new else []))

    def _remark(self, code: str, detail: str) -> Remark:
        remark = Remark(code, detail, code in self._known, (code, detail) in self._details)
        self._known.add(code)
        if len(self._details) < _DETAILS_MAX:
            self._details.add((code, detail))
        return remark
