"""Text in any split -> the text before the next tag, and the tag; the only hold-back there is.

Strategy: one buffer with a read position. What may still become a tag stays in the buffer, everything
before it is given out. A buffer holds at most one unfinished tag (or a header, bounded by its reader),
so appending costs linear time in all.
Spec: ours; each family's delimiters are named in its own file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from headgate.markup.literals import pattern_of
from headgate.markup.plain import plain


class Tags:
    """A set of literal tags that can be looked for together.

    Args:
        tags: the tags.
        words: one that begins with a letter counts only behind white space that is not taken yet, since any word may
            end with its first letters.
    """

    def __init__(self, tags: Iterable[str], *, words: bool = False) -> None:
        self.all = tuple(sorted(set(tags), key=len, reverse=True))
        self.words = words
        found = {is_word: [tag for tag in self.all if self._is_word(tag) is is_word] for is_word in (False, True)}
        self._find = re.compile(rf"{pattern_of(found[False])}|(?<=\s){pattern_of(found[True])}").search
        self._starts = frozenset(tag[:length] for tag in self.all for length in range(1, len(tag)))
        self._longest = max(map(len, self.all), default=1) - 1
        self._firsts = frozenset(tag[0] for tag in self.all)
        self.plain = plain(self.all, words=words)

    def find(self, text: str, position: int) -> tuple[int, str] | None:
        """Return the place of the first whole tag and the tag (the longest at that place), or None."""
        found = self._find(text, position)
        if found is not None and found.start() == position and self._is_word(found.group()):
            found = self._find(text, position + 1)
        return (found.start(), found.group()) if found else None

    def held(self, text: str, position: int) -> int:
        """Return how many characters at the end of `text` may be the start of a tag."""
        for length in range(min(self._longest, len(text) - position), 0, -1):
            if text[-length] in self._firsts and text[-length:] in self._starts:
                before = text[position : len(text) - length]
                if not self._is_word(text[-length]) or before[-1:].isspace():
                    return length
        return 0

    def may_start(self, text: str) -> bool:
        """Whether `text` is a proper beginning of a tag (the empty text is)."""
        return not text or text in self._starts

    def _is_word(self, tag: str) -> bool:
        return self.words and tag[0].isalnum()


@lru_cache(maxsize=256)
def tags(*literals: str) -> Tags:
    """The set of these tags, made once."""
    return Tags(literals)


NO_TAGS = tags()


@lru_cache(maxsize=256)
def both(some: Tags, more: Tags) -> Tags:
    """The tags of two sets together, made once."""
    return Tags((*some.all, *more.all), words=some.words or more.words)


class Scanner:
    """The text not yet decided. Readers look at `text` from `position` on, and take from the left."""

    __slots__ = ("position", "text")

    def __init__(self) -> None:
        self.text = ""
        self.position = 0

    def feed(self, text: str, /) -> None:
        """Append text; what was taken is forgotten."""
        self.text = self.text[self.position :] + text
        self.position = 0

    def copy(self) -> Scanner:
        """An independent scanner in the same state."""
        copied = Scanner()
        copied.text, copied.position = self.text, self.position
        return copied

    def __len__(self) -> int:
        return len(self.text) - self.position

    def peek(self, length: int) -> str:
        """Look at the next `length` characters, or at as many as there are."""
        return self.text[self.position : self.position + length]

    def starts(self, literal: str) -> bool:
        """Whether `literal` stands next."""
        return self.text.startswith(literal, self.position)

    def take(self, length: int) -> str:
        """Take `length` characters."""
        start, self.position = self.position, self.position + length
        return self.text[start : self.position]

    def put_back(self, taken: str) -> None:
        """Put back what was taken, in front of what is left."""
        self.text = taken + self.text[self.position :]
        self.position = 0

    def take_all(self) -> str:
        """Take everything there is."""
        return self.take(len(self.text) - self.position)

    def take_space(self, at_most: int | None = None) -> str:
        """Take the white space at the left, or so much of it."""
        stop = len(self.text) if at_most is None else min(len(self.text), self.position + at_most)
        end = self.position
        while end < stop and self.text[end].isspace():
            end += 1
        return self.take(end - self.position)

    def before(self, tags: Tags, text: str, /) -> tuple[str, bool] | None:
        """Append text, unless that makes a tag whole, and take what `until` takes with `trim`.

        Returns what was taken, and whether anything was left; None, and nothing is changed, for a whole tag.
        """
        whole = self.text[self.position :] + text
        if tags.plain.inside(whole) is not None:
            said = whole.rstrip()
            if len(whole) - len(said) > SPACE_MAX:
                said = whole[:-SPACE_MAX]
        elif tags.find(whole, 0) is None:
            said = whole[: _without_space(whole, 0, len(whole) - tags.held(whole, 0), trim=True)]
        else:
            return None
        self.text, self.position = whole, len(said)
        return said, len(said) < len(whole)

    def until(self, tags: Tags, *, trim: bool = False) -> tuple[str, str, str | None]:
        """Take the text before the next tag, and the tag.

        Returns `(text, space, tag)`. Without a whole tag in sight `tag` is None, and what may be the
        start of one stays. With `trim`, the white space before the tag is `space`, and white space at
        the end, which may stand before a tag still to come, stays too (at most `SPACE_MAX` of it).
        """
        if not self.position and tags.plain.text(self.text) is not None:
            return self.take_all(), "", None
        found = tags.find(self.text, self.position)
        if found is None:
            end = len(self.text) - tags.held(self.text, self.position)
            return self.take(_without_space(self.text, self.position, end, trim=trim) - self.position), "", None
        place, tag = found
        end = _without_space(self.text, self.position, place, trim=trim)
        return self.take(end - self.position), self.take(place - end), self.take(len(tag))


SPACE_MAX = 64
"""White space held before a possible tag, in characters; real tags have one or two line ends beside them."""


def _without_space(text: str, start: int, end: int, *, trim: bool) -> int:
    if not trim:
        return end
    last = text[max(start, end - SPACE_MAX) : end]
    return end - len(last) + len(last.rstrip())
