"""Tags -> patterns that match a text in which none of them stands, begins at the end, or is hidden by code.

Strategy: one pass over the text, by character class. Most tags begin with a sign that prose seldom holds, and there
the next character tells enough; the few that begin with a letter are looked for there. Where in doubt a pattern does
not match.
Spec: https://docs.python.org/3/library/re.html (possessive quantifiers)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

_CODE = "`~"
_NOT_AS_IT_IS = r'"\\\x00-\x1f\x7f-\xff'
"""In JSON text, as bytes: escapes, and what is not ASCII, want a look of their own; as part of a character class."""
_NO_SPACE_BEHIND = r"(?<!\s)"


class Plain(NamedTuple):
    """What matches texts that are plain; each returns None for all others.

    `text` matches where nothing is to be held and no code begins or ends, `inside` also where white space is to be held
    or code begins or ends, `json` where the text as JSON, without its quotes, is plain and stands for itself. `row`
    matches as many as there are of such texts from a place on, each of which ends with `ROW_END`.
    """

    text: Callable[[str], object]
    inside: Callable[[str], object]
    json: Callable[[bytes], object]
    row: Callable[[bytes, int], re.Match[bytes] | None]


def _never(text: str | bytes) -> None:
    """No text is plain."""
    del text


def _always(text: str) -> bool:
    """Any text is plain."""
    del text
    return True


class Flow(NamedTuple):
    """A text that goes on: what is plain in it now, and what takes any other.

    `take` returns what can be said of a text now, with what is plain from then on; None, and nothing is taken, where
    something in it may be a tag.
    """

    plain: Plain
    take: Callable[[str], tuple[str, Plain] | None]


ROW_END = b"\0"
"""What stands in no JSON."""
_ANY_JSON = f"[^{_NOT_AS_IT_IS}]"

NOTHING = Plain(_never, _never, _never, re.compile(b"").match)
"""Where every text wants a look."""
ANYTHING = Plain(
    _always,
    _always,
    re.compile(rf"{_ANY_JSON}*+\Z".encode("latin-1")).match,
    re.compile(rf"(?:{_ANY_JSON}++\0)*+".encode("latin-1")).match,
)
"""Where no markup is looked for."""


def _take_as_it_is(text: str) -> tuple[str, Plain]:
    """All of a text can be said."""
    return text, ANYTHING


ANY_FLOW = Flow(ANYTHING, _take_as_it_is)
"""A text in which no markup is looked for."""


def plain(tags: Iterable[str], *, words: bool = False) -> Plain:
    """Make the patterns for these tags; `words` is as for `scanner.Tags`."""
    found = sorted(set(tags))
    in_ascii = _Tags(sorted(set(filter(None, map(_ascii_part, found)))), words)
    end, row_end = _NO_SPACE_BEHIND + r"\Z", _NO_SPACE_BEHIND + r"\0"
    json = _without(in_ascii, _CODE, _NOT_AS_IT_IS) + end
    row = rf"(?:(?!\0){_without(in_ascii, _CODE, _NOT_AS_IT_IS, end=row_end[-2:])}{row_end})*+"
    return Plain(
        re.compile(_without(_Tags(found, words), _CODE + "\n") + end).match,
        re.compile(_without(_Tags(found, words)) + r"\Z").match,
        re.compile(json.encode("latin-1")).match,
        re.compile(row.encode("latin-1")).match,
    )


class _Tags(NamedTuple):
    """The tags, and whether those that begin with a letter begin no word in its midst."""

    all: list[str]
    words: bool


def _without(tags: _Tags, hidden: str = "", escaped: str = "", *, end: str = r"\Z") -> str:
    """A pattern for text without these tags or their beginnings at its `end`, and without the `hidden` characters.

    `escaped` are more such characters, as part of a class.
    """
    firsts = sorted({tag[0] for tag in tags.all} - set(hidden))
    others = re.escape(hidden + "".join(firsts)) + escaped
    run = f"[^{others}]*+" if others else "(?s:.)*+"
    begun = [_no_word(first, tags, end) if first.isalnum() else _no_sign(first, tags.all) for first in firsts]
    return f"{run}(?:(?:{'|'.join(begun)}){run})*+" if begun else run


def _no_word(first: str, tags: _Tags, end: str) -> str:
    """The letter where it begins none of the tags, and no part of one at the end of the text."""
    inside_a_word = rf"(?<!\s){first}|" if tags.words else ""
    return f"{inside_a_word}{first}(?!{_rests(first, tags.all, end)})"


def _no_sign(first: str, tags: list[str]) -> str:
    """The sign before a character that follows it in none of the tags."""
    seconds = {tag[1:2] for tag in tags if tag[0] == first}
    return "(?!)" if "" in seconds else rf"{re.escape(first)}(?=[^\0{re.escape(''.join(sorted(seconds)))}])"


def _rests(first: str, words: list[str], end: str) -> str:
    """What follows the letter where it begins one of the words, or the end of the text with a part of one."""
    rests = [word[1:] for word in words if word[0] == first]
    begun = sorted({rest[:length] for rest in rests for length in range(len(rest) + 1)}, key=len, reverse=True)
    return "|".join([*map(re.escape, rests), *(re.escape(part) + end for part in begun)])


def _ascii_part(word: str) -> str:
    """The word up to its first character that is not ASCII, for which any such stands: none of them is plain anyway."""
    place = next((place for place, character in enumerate(word) if not character.isascii()), len(word))
    return word if place == len(word) else word[:place] + "\x80" if place else ""
