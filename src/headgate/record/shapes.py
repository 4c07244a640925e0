"""What a key looks like in bytes: known ones by their letters, unknown ones by the forms that vendors give them.

Strategy: a pattern only recognises the beginning, within `LOOKAHEAD_BYTES`; how far a key goes on is its tail's
affair, so that no length is too long. Letters may be spelled plainly, by JSON's escapes (also of JSON within JSON) or
by a URL's.
Spec: https://www.rfc-editor.org/rfc/rfc8259.html#section-7 and https://www.rfc-editor.org/rfc/rfc3986.html#section-2.1
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

LOOKAHEAD_BYTES = 4096
"""What a pattern may need to see, from a key's first byte on, to recognise it."""

CONTEXT_BYTES = 8
"""What a pattern may need to see before it."""

_KNOWN_CHARS_MAX = 256
"""Of a longer key (a cookie, a signed token) so much is recognised; the rest is its tail."""

_SLASHES = r"\\{1,8}"  # JSON within JSON doubles them at each level
_QUOTE = r'(?:\\{1,8}")'
_BLANKS = rf"(?:[ \t]|{_SLASHES}[nrt]){{0,16}}"
_ALNUM = r"0-9A-Za-z"


def _spelled(character: str) -> str:
    """Every spelling of a character that we know, as a pattern. At most 13 bytes."""
    data = character.encode()
    percent = "".join(f"%{byte:02x}" for byte in data)
    plain = "".join(f"\\x{byte:02x}" for byte in data)
    forms = [rf"{_SLASHES}u{ord(character):04x}", percent]
    if character in '"\\/':
        forms.append(_SLASHES + plain)
    return f"(?:{plain}|(?i:{'|'.join(forms)}))"


def _word(text: str) -> str:
    return "".join(map(_spelled, text))


# The characters of a token and, as escapes, their codes: -, 0-9, A-Z, _, a-z.
_CODES = r"(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
_TOKEN = rf"(?:[{_ALNUM}_-]|{_SLASHES}u00{_CODES}|%{_CODES})"
_SIGNED = rf"(?:[{_ALNUM}_.~+=-]|\\{{0,8}}/|{_SLASHES}u00(?:{_CODES}|2[bBeEfF]|3[dD])|%(?:{_CODES}|2[bBeEfF]|3[dD]))"

# Where a word may begin: "task-…" holds no "sk-…", but in JSON a line end before a key is the letters \n.
_BEGIN = rf"(?:(?<![{_ALNUM}])|(?<=\\[nrtbf])|(?<=\\u[{_ALNUM}]{{4}})|(?<=%[{_ALNUM}]{{2}}))"

# A vendor's prefix, then at least so much that no prose has it: 16 characters, for some of letters and digits only.
_DASHED = ("sk-", "csk-", "xai-", "pplx-", "nvapi-", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xapp-", "github_pat_")
_UNBROKEN = ("gsk_", "hf_", "r8_", "fw_", "tgp_v1_", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_")
_TOKENS = (
    rf"(?:{'|'.join(map(_word, _DASHED))}){_TOKEN}{{16}}"
    rf"|(?:{'|'.join(map(_word, _UNBROKEN))})[{_ALNUM}]{{16}}"
    rf"|{_word('AIza')}{_TOKEN}{{30}}"
)
_FIELDS = (
    r"(?i:(?:x[-_])?api[-_]?key|(?:proxy-)?authorization|access[-_]?token|refresh[-_]?token|auth[-_]?token"
    r"|client[-_]?secret|secret[-_]?(?:access[-_]?)?key|private[-_]?key|password|passwd)"
)

SHAPES = re.compile(
    rf"(?P<token>{_BEGIN}(?:{_TOKENS}))"
    rf"|(?P<signed>{_BEGIN}{_word('eyJ')}{_SIGNED}{{16}})"
    rf"|(?P<bearer>{_BEGIN}(?i:bearer)(?: |\+|%20){{1,4}})(?={_SIGNED}{{20}})"
    rf'|(?P<field>(?<!\\)"{_FIELDS}"[ \t\r\n]{{0,16}}:[ \t\r\n]{{0,16}}")'
    rf"|(?P<nested>{_QUOTE}{_FIELDS}{_QUOTE}{_BLANKS}:{_BLANKS}{_QUOTE})"
    rf"|(?P<private>-----BEGIN [A-Z ]{{0,40}}PRIVATE KEY-----)".encode("latin-1"),
)
"""Keys that nobody told us of. The name of the group is the kind."""

_ANCHORS = tuple(
    word.lower().encode()
    for word in (
        *_DASHED,
        *_UNBROKEN,
        *("AIza", "eyJ", "bearer", "PRIVATE KEY", "api", "auth", "access", "refresh", "secret", "private", "passw"),
    )
)
"""Whatever `SHAPES` finds holds one of these, unless it is spelled with escapes: `in` is 50 times as fast."""

AFTER = frozenset({"bearer", "field", "nested", "private"})
"""Kinds whose pattern ends where the key begins; of the others it is part."""

ESCAPING = frozenset({"field"})
"""Kinds whose tail holds pairs of a backslash and another byte, which must stay together."""

_signed_tail = re.compile(rf"{_SIGNED}*".encode())
TAILS = {
    "known": re.compile(b""),
    "known_long": re.compile(rb'[^"\\\s,;&]*'),
    "token": re.compile(rf"{_TOKEN}*".encode()),
    "signed": _signed_tail,
    "bearer": _signed_tail,
    "field": re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL),
    "nested": re.compile(rb'[^"\\]*'),
    "private": re.compile(rf"(?:[{_ALNUM}+/= \r\n]|{_SLASHES}[nr/])*".encode()),
}
"""What each kind goes on with. Whatever end of a tail is cut off is one too, but for `ESCAPING`."""


class Finder(NamedTuple):
    """A pattern, and what a text must hold for it to be worth a look: texts in lower case, or one of the escapes."""

    pattern: re.Pattern[bytes]
    anchors: tuple[bytes, ...]
    escapes: tuple[bytes, ...] = (b"\\u", b"%")

    def may_find(self, data: bytes, /) -> bool:
        """Whether the pattern might find anything in a text; never false if it would."""
        lower = data.lower()
        return any(word in lower for group in (self.anchors, self.escapes) for word in group)


SHAPED = Finder(SHAPES, _ANCHORS)


@lru_cache(maxsize=64)
def known(secrets: frozenset[str]) -> Finder | None:
    """What finds these secrets, wherever they stand and however they are spelled; None if there are none."""
    short = [secret for secret in secrets if 0 < len(secret) <= _KNOWN_CHARS_MAX]
    long = [secret[:_KNOWN_CHARS_MAX] for secret in secrets if len(secret) > _KNOWN_CHARS_MAX]
    groups = [f"(?P<{name}>{_any(words)})" for name, words in (("known_long", long), ("known", short)) if words]
    if not groups:
        return None
    words = [*short, *long]
    escapes = (b"\\",) if any(set(word) & set('"\\/') for word in words) else (b"\\u",)
    anchors = tuple(word.lower().encode() for word in words)
    return Finder(re.compile("|".join(groups).encode()), anchors, (*escapes, b"%"))


def _any(words: Iterable[str]) -> str:
    # The longest first: one may be the beginning of another.
    return "|".join(map(_word, sorted(words, key=lambda word: (-len(word), word))))
