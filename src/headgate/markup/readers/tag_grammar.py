"""The tags of XML-like calls, as one model writes them, and which of them may follow which.

Strategy: a value is bare text that may hold anything, such tags too. So a tag counts as one only where what follows
it (white space aside) is a tag that may come next, or the end.
Spec: ours; the spellings are those of the chat templates named in the files that use them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from headgate.markup.family import Settings
from headgate.markup.readers.schema import Schema, Types
from headgate.markup.readers.tag_heads import Head, HeadTag
from headgate.markup.readers.typed import STRING
from headgate.markup.scanner import Tags, tags


class Rank(IntEnum):
    """How far a closing tag closes."""

    PARAMETER = 0
    CALL = 1
    BLOCK = 2


class Newlines(IntEnum):
    """Which line ends beside a value belong to its tags."""

    NONE = 0
    PAIR = 1
    """One at each side, where a value stands on lines of its own; the template writes values between the tags."""
    EACH = 2
    """One at each side, if it is there; the template writes values on lines of their own."""


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """How calls are written.

    Args:
        openers: what begins a block of calls; empty where each call is a block.
        closers: what ends it.
        call: the tag with the tool's name.
        call_closers: what ends a call.
        parameter: the tag with a parameter's name.
        parameter_closers: what ends its value, by the parameter's name.
        newlines: which line ends belong to the tags.
        unknown: the types of a value of which no schema tells.
        unclosed: whether a parameter's tag may follow a value whose own closer is missing.
        inner: what may stand between the block's tags and a call's, or between two calls.
        label: whether free text may stand there too, before a call.
        cdata: whether a value may stand in `<![CDATA[…]]>`.
        lone: which of the call's prefixes may begin one without a block around it.
        lone_object: whether its arguments may then be one object; `<function=f>{…}` is another family's.
        plain: whether a call without parameters looks like prose about the tag (`<tool_call>f</tool_call>`).
        nested: what begins an element inside a value; empty where values are flat.
        value: the JSON of a value with elements inside, by its schema; None if it is none.
        tool: the declared tool that a written name means.
    """

    openers: tuple[str, ...] = ()
    closers: tuple[str, ...] = ()
    call: HeadTag
    call_closers: tuple[str, ...]
    parameter: HeadTag
    parameter_closers: Callable[[str], tuple[str, ...]]
    newlines: Newlines = Newlines.PAIR
    unknown: Types = STRING
    unclosed: bool = True
    inner: tuple[str, ...] = ()
    label: bool = False
    cdata: bool = False
    lone: tuple[str, ...] = ()
    lone_object: bool = False
    plain: bool = False
    nested: str = ""
    value: Callable[[str, Schema], str | None] | None = None
    tool: Callable[[str, Settings], str] = lambda name, _: name

    @property
    def begins(self) -> tuple[str, ...]:
        """What its blocks begin with."""
        return (*self.openers, *self.lone)

    def ends(self, key: str) -> Tags:
        """What may end the value of this parameter, or may begin what the value only quotes."""
        heads = self.parameter.prefixes if self.unclosed else ()
        return tags(*self.parameter_closers(key), *self._closers, *self._openers, *heads)

    def rank(self, tag: str) -> Rank:
        """What a tag opens or closes; what opens or closes no call and no block does a parameter."""
        return self._closers.get(tag, self._openers.get(tag, Rank.PARAMETER))

    def closes(self, tag: str) -> bool:
        """Whether a tag of the structure closes a call."""
        return tag in self._closers

    def opens(self, tag: str) -> bool:
        """Whether a tag of the structure opens a call, or a block of them."""
        return tag in self._openers

    def is_last(self, rank: Rank) -> bool:
        """Whether the message may end behind a closing tag of this rank."""
        return rank is not Rank.CALL or not self.closers

    def structure(self, text: str, place: int) -> str | None:
        """The closer or opener that stands at this place, "" if there is none, None while there may be."""
        if self._structure.may_start(text[place:]):
            return None
        return next((tag for tag in self._structure.all if text.startswith(tag, place)), "")

    def past(self, text: str, place: int) -> int:
        """The place behind white space, and behind what may stand around calls."""
        while True:
            place += len(text[place:]) - len(text[place:].lstrip())
            inner = next((inner for inner in self._inner.all if text.startswith(inner, place)), "")
            if not inner:
                return place
            place += len(inner)

    def header(self, text: str) -> tuple[int, Head] | bool:
        """The call's tag that the text begins with, behind so many characters of what may stand before it.

        False if there is none; True while there may be.
        """
        place = self.past(text, 0)
        if self.label and not self.call.match(text, place):
            place = text.find("<", place)
            if place < 0:
                return True
        head = self.call.match(text, place)
        if isinstance(head, Head):
            return place, head
        return head or self._may_be_inner(text, place)

    def follows(self, text: str, rank: Rank, accepts: Callable[[str], bool] | None = None) -> bool | None:
        """Whether what stands behind a closing tag may follow it; None while that is open.

        Args:
            text: what stands there, as far as it is known.
            rank: what the tag closes.
            accepts: which parameters may follow. Where it is given, the tags must lead on to the end, or to
                another call: so are tags told from tags that a value quotes.
        """
        place = 0
        while True:
            place = self.past(text, place)
            head = self.parameter.match(text, place) if rank is Rank.PARAMETER else False
            if isinstance(head, Head):
                return accepts is None or accepts(head.name)
            tag = self.structure(text, place)
            if head or tag is None or self._may_be_inner(text, place):
                return None
            if tag not in self._closers or self._closers[tag] <= rank:
                # Another call may follow anything; what is no tag, or closes what is closed, is data.
                return self.opens(tag)
            if accepts is None:
                return True
            rank, place = self._closers[tag], place + len(tag)

    def _may_be_inner(self, text: str, place: int) -> bool:
        return bool(self.inner) and self._inner.may_start(text[place:])

    @cached_property
    def _closers(self) -> dict[str, Rank]:
        ranks = dict.fromkeys(self.closers, Rank.BLOCK)
        return ranks | dict.fromkeys(self.call_closers, Rank.CALL)

    @cached_property
    def _openers(self) -> dict[str, Rank]:
        ranks = dict.fromkeys(self.openers, Rank.BLOCK)
        return ranks | dict.fromkeys(self.call.prefixes, Rank.CALL)

    @cached_property
    def _structure(self) -> Tags:
        return tags(*self._closers, *self._openers)

    @cached_property
    def _inner(self) -> Tags:
        return tags(*self.inner)
