"""What is open around a Python value, and the JSON brackets that come of it.

Strategy: a stack. What `(` and `{` begin is known one item later, so the place of its JSON bracket is left open until
then, for a while. Tuples and sets become lists.
Spec: https://docs.python.org/3/reference/expressions.html#displays-for-lists-sets-and-dictionaries
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from headgate.markup.readers.json_pieces import Pieces

DEPTH_MAX = 200
"""How deep values may be nested; JSON readers give up at some hundreds (Go's encoding/json at 10,000)."""

UNDECIDED_MAX = 1024
"""How much JSON waits to learn what its brackets are, in characters; then they are the commonest thing."""


class Open(Enum):
    """What is open around a value."""

    CALL = auto()
    """The call's own parentheses."""
    LIST = auto()
    TUPLE = auto()
    PARENTHESES = auto()
    """A tuple, or just parentheses: a comma will tell."""
    SET = auto()
    DICT = auto()
    BRACES = auto()
    """A dictionary or a set: a colon or a comma will tell."""
    SPLAT = auto()
    """`**{…}`: a dictionary whose items are arguments of the call."""

    @property
    def closer(self) -> str:
        """The bracket that closes it."""
        return _CLOSERS[self]

    @property
    def keyed(self) -> bool:
        """Whether its items begin with keys, as far as is known."""
        return self in {Open.DICT, Open.BRACES, Open.SPLAT}


_CLOSERS = {
    **dict.fromkeys((Open.CALL, Open.TUPLE, Open.PARENTHESES), ")"),
    **dict.fromkeys((Open.SET, Open.DICT, Open.BRACES, Open.SPLAT), "}"),
    Open.LIST: "]",
}
_OPENERS = {"[": Open.LIST, "(": Open.PARENTHESES, "{": Open.BRACES}
_JSON = {
    **dict.fromkeys((Open.LIST, Open.TUPLE, Open.SET), ("[", "]")),
    **dict.fromkeys((Open.DICT, Open.CALL), ("{", "}")),
}


class Frame(NamedTuple):
    """One open bracket.

    `items` is how many have begun, `key` whether the last one is a dictionary's key so far; `place` is where its own
    JSON will stand, behind `lead`, or -1 where that is decided.
    """

    kind: Open
    items: int = 0
    key: bool = False
    place: int = -1
    lead: str = ""


class Brackets:
    """The stack, and the JSON that is written."""

    def __init__(self) -> None:
        self.pieces = Pieces()
        self.pieces.put("{")
        self._stack = [Frame(Open.CALL)]

    def copy(self) -> Brackets:
        """Independent brackets in the same state."""
        twin = Brackets()
        twin.pieces, twin._stack = self.pieces.copy(), self._stack.copy()
        return twin

    @property
    def top(self) -> Frame:
        """The innermost."""
        return self._stack[-1]

    @property
    def kinds(self) -> list[Open]:
        """All that is open, outermost first."""
        return [frame.kind for frame in self._stack]

    def __len__(self) -> int:
        return len(self._stack)

    def begin_item(self) -> str:
        """Another item begins; returns what stands before it in JSON."""
        frame = self._stack[-1]
        self._stack[-1] = frame._replace(items=frame.items + 1, key=frame.kind.keyed)
        return ", " if frame.items else ""

    def enter(self, opener: str, lead: str) -> bool:
        """A bracket opens a value; `lead` is JSON that goes before it. False if it is one too deep."""
        if len(self._stack) > DEPTH_MAX:
            return False
        kind = _OPENERS[opener]
        if kind is Open.LIST:
            self.pieces.put(lead + "[")
        self._stack.append(Frame(kind) if kind is Open.LIST else Frame(kind, place=self.pieces.leave(), lead=lead))
        return True

    def splat(self) -> None:
        """`**{` opens more arguments of the call."""
        self._stack.append(Frame(Open.SPLAT, self._stack[-1].items))

    def colon(self) -> bool:
        """A colon follows a key; False if nothing may be one here."""
        if not self._stack[-1].key:
            return False
        self._decide(Open.DICT)
        self.pieces.put(": ")
        self._stack[-1] = self._stack[-1]._replace(key=False)
        return True

    def comma(self) -> bool:
        """A comma follows an item; False if none may."""
        frame = self._stack[-1]
        if frame.kind is Open.BRACES:
            self._decide(Open.SET)
        elif frame.kind is Open.PARENTHESES and frame.place >= 0:
            self._decide(Open.TUPLE)
        elif frame.kind is Open.PARENTHESES or frame.key:
            return False
        return True

    def leave(self, *, behind_value: bool) -> bool:
        """The innermost bracket is closed, behind an item or before one; False behind a key without a value."""
        frame = self._stack[-1]
        if frame.kind is Open.BRACES:
            self._decide(Open.SET if frame.items else Open.DICT)
        elif frame.kind is Open.PARENTHESES and frame.place >= 0:
            self._decide(Open.PARENTHESES if frame.items else Open.TUPLE)
        frame = self._stack[-1]
        if frame.key and behind_value:
            return False
        self._stack.pop()
        self.pieces.put(_JSON.get(frame.kind, ("", ""))[1])
        if frame.kind is Open.SPLAT:
            self._stack[-1] = self._stack[-1]._replace(items=frame.items)
        return True

    def settle(self) -> None:
        """Where too much waits: parentheses are just parentheses, and braces are a dictionary."""
        if self.pieces.waiting <= UNDECIDED_MAX:
            return
        for number, frame in enumerate(self._stack):
            if frame.place >= 0:
                kind = Open.DICT if frame.kind is Open.BRACES else frame.kind
                self.pieces.fill(frame.place, frame.lead + _JSON.get(kind, ("", ""))[0])
                self._stack[number] = frame._replace(kind=kind, place=-1)

    def _decide(self, kind: Open) -> None:
        """It is known what the innermost bracket opened."""
        frame = self._stack[-1]
        if frame.place >= 0:
            self.pieces.fill(frame.place, frame.lead + _JSON.get(kind, ("", ""))[0])
            self._stack[-1] = frame._replace(kind=kind, key=frame.key and kind is Open.DICT, place=-1)
