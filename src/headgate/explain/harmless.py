"""Text from the other side -> text that neither a terminal nor a reader's eye is misled by.

A terminal acts on control characters, and bidirectional overrides make a line read as another one. Whatever is not
printable is shown as an escape: one rule, applied where text is written and not where it is made.
"""

from __future__ import annotations

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def harmless(text: str) -> str:
    """Escape everything that is not printable; the space is."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    point = ord(character)
    if point < 0x100:
        return _NAMED.get(character, f"\\x{point:02x}")
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
