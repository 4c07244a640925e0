"""Tags -> patterns that match a text in which none of them stands, begins at the end, or is hidden by code.

Strategy: one pass over the text, by character class where most tags begin with a sign that prose seldom holds. The
few that begin with a letter are looked for at that letter only. Where in doubt a pattern does not match.
Spec: https://docs.python.org/3/library/re.html (possessive quantifiers)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

_CODE = "`~"
_NOT_AS_IT_IS = r'"\\\x00-\x1f\x7f-\xff'
"""In JSON text, as bytes: escapes, and what is not ASCII, want a look of their own."""
_NO_SPACE_BEHIND = r"(?<!\s)"


class Plain(NamedTuple):
    """What matches texts that are plain; each returns None for all others.

    `text` matches where nothing is to be held, `inside` where only white space is, `json` where the text as JSON,
    without its quotes, is plain and stands for itself.
    """

    text: Callable[[str], object]
    inside: Callable[[str], object]
    json: Callable[[bytes], object]


AS_IT_IS = re.compile(f"[^{_NOT_AS_IT_IS}]*+\\Z".encode("latin-1")).match
"""Matches text as JSON, without its quotes, that stands for itself."""


def plain(tags: Iterable[str]) -> Plain:
    """Make the patterns for these tags."""
    found = sorted(set(tags))
    signs = _CODE + "".join(sorted({tag[0] for tag in found if not tag[0].isalnum()}))
    words = [tag for tag in found if tag[0].isalnum()]
    ascii_words = list(filter(None, map(_ascii_part, words)))
    return Plain(
        re.compile(_without(re.escape(signs) + r"\n", words) + _NO_SPACE_BEHIND + r"\Z").match,
        re.compile(_without(re.escape(signs), words) + r"\Z").match,
        re.compile(
            _without(re.escape("".join(filter(str.isascii, signs))) + _NOT_AS_IT_IS, ascii_words).encode("latin-1")
            + rb"(?<!\s)\Z"
        ).match,
    )


def _without(signs: str, words: list[str]) -> str:
    """A pattern for text without these signs, and without these words or their beginnings at its end."""
    firsts = sorted({word[0] for word in words})
    run = f"[^{signs}{re.escape(''.join(firsts))}]"
    letters = [f"{re.escape(first)}(?!{_rests(first, words)})" for first in firsts]
    return f"(?:{run}++|{'|'.join(letters)})*+" if letters else f"{run}*+"


def _rests(first: str, words: list[str]) -> str:
    """What follows the letter where it begins one of the words, or the end of the text with a part of one."""
    rests = [word[1:] for word in words if word[0] == first]
    begun = sorted({rest[:length] for rest in rests for length in range(len(rest) + 1)}, key=len, reverse=True)
    return "|".join([*map(re.escape, rests), *(re.escape(part) + r"\Z" for part in begun)])


def _ascii_part(word: str) -> str:
    """The word up to its first character that is not ASCII: such a character is never plain anyway."""
    return next((word[:place] for place, character in enumerate(word) if not character.isascii()), word)
