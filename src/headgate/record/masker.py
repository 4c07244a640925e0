"""Bytes -> the same number of bytes without keys, and where each key stood: `Masker`.

Strategy: known keys first, then whatever is shaped like one. Each pass holds back what its pattern may still need to
see, and looks at that only when as much again has come, so that time is linear in whatever pieces the bytes arrive.
What becomes of a byte is decided once all that matters is there, hence the same at every split. Sans-IO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from headgate.record import shapes
from headgate.record.shapes import CONTEXT_BYTES, LOOKAHEAD_BYTES, Finder

MASK = b"*"
MASKS_MAX = 1000
"""Masks that are listed; what follows is only counted, so that an endless stream of keys costs no memory."""


class Mask(NamedTuple):
    """One run of masked bytes: where it begins, how long it is, and what it was taken for."""

    offset: int
    length: int
    kind: str


class Masker:
    """Masks one text. Call `feed` with its pieces, then `close`; together they return as many bytes as came.

    `masks` are in the order of their places once it is closed, at most `MASKS_MAX`; `unlisted` counts the rest.

    Args:
        secrets: keys that are known, whatever they look like.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        finders = (shapes.known(frozenset(secrets)), shapes.SHAPED)
        self._passes = [_Pass(finder) for finder in finders if finder is not None]

    @property
    def masks(self) -> list[Mask]:
        """The masks so far."""
        return sorted(mask for one in self._passes for mask in one.masks)[:MASKS_MAX]

    @property
    def unlisted(self) -> int:
        """How many masks `masks` leaves out."""
        return sum(one.count for one in self._passes) - len(self.masks)

    def feed(self, data: bytes, /) -> bytes:
        """Return what can be told by now; at most 16 kB and the piece itself are held."""
        for one in self._passes:
            data = one.feed(data)
        return data

    def close(self) -> bytes:
        """Return the rest."""
        data = b""
        for one in self._passes:
            data = one.feed(data) + one.close()
        return data


def masked(data: bytes, secrets: Iterable[str] = ()) -> tuple[bytes, list[Mask]]:
    """Mask a whole text."""
    masker = Masker(secrets)
    return masker.feed(data) + masker.close(), masker.masks


class _Pass:
    """One pattern over one text."""

    def __init__(self, finder: Finder) -> None:
        self.masks: list[Mask] = []
        self.count = 0
        self._finder = finder
        self._held = bytearray()
        self._given = 0  # of what is held; kept as context
        self._offset = 0  # of the first byte that is held
        self._kind: str | None = None  # of the key whose tail goes on
        self._found: re.Match[bytes] | None = None  # the key that was recognised last, until its tail is looked for

    def feed(self, data: bytes, /) -> bytes:
        self._held += data
        if len(self._held) - self._given < 2 * LOOKAHEAD_BYTES:
            return b""
        return self._scan(len(self._held) - LOOKAHEAD_BYTES)

    def close(self) -> bytes:
        return self._scan(len(self._held))

    def _scan(self, safe: int) -> bytes:
        """Give out what begins before `safe`; a key that is recognised there may take more along."""
        data, given = bytes(self._held), self._given
        spans: list[tuple[int, int]] = []
        done = given
        worth = self._finder.may_find(data[given:])
        while self._kind is not None or (worth and self._recognised(data, done, safe)):
            begin, done = self._key(data, done, safe)
            spans.append((begin, done))
            if self._kind is not None:
                break
        else:
            done = max(done, safe)
        self._renew(data, done)
        return _blanked(data, given, done, spans)

    def _recognised(self, data: bytes, done: int, safe: int) -> bool:
        found = self._finder.pattern.search(data, done)
        if found is None or found.start() >= safe:
            return False
        self._kind, self._found = found.lastgroup, found
        return True

    def _key(self, data: bytes, done: int, safe: int) -> tuple[int, int]:
        """Where a key begins and how far it goes; `_kind` stays set if its tail may go on after that."""
        kind, found = self._kind or "", self._found
        self._found = None
        begin = done
        if found is not None:
            done = found.end()
            begin = done if kind in shapes.AFTER else found.start()
            self.count += 1
        end = done
        if done < safe or safe == len(data):
            tail = shapes.TAILS[kind].match(data, done)
            end = tail.end() if tail is not None else done
            if end > safe:
                end = _whole_pairs(data, done, safe) if kind in shapes.ESCAPING else safe
            else:
                self._kind = None
        self._note(begin, end, kind, again=found is None)
        return begin, end

    def _note(self, begin: int, end: int, kind: str, *, again: bool) -> None:
        offset, length = self._offset + begin, end - begin
        if again:
            if self.masks and self.count == len(self.masks):
                last = self.masks[-1]
                self.masks[-1] = last._replace(length=last.length + length)
        elif self.count <= MASKS_MAX:
            self.masks.append(Mask(offset, length, kind.removesuffix("_long")))

    def _renew(self, data: bytes, done: int) -> None:
        kept = max(0, done - CONTEXT_BYTES)
        self._held = bytearray(data[kept:])
        self._offset += kept
        self._given = done - kept


def _whole_pairs(data: bytes, start: int, end: int) -> int:
    """The last place up to `end` that is not between a backslash and what it escapes."""
    slashes = end - start - len(data[start:end].rstrip(b"\\"))
    return end - slashes % 2


def _blanked(data: bytes, start: int, end: int, spans: Iterable[tuple[int, int]]) -> bytes:
    blank = bytearray(data[start:end])
    for first, last in spans:
        blank[first - start : last - start] = MASK * (last - first)
    return bytes(blank)
