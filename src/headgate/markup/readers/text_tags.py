"""Tags that stand around text, or in it, and say nothing to a reader (`<|START_TEXT|>`, `</co: 0:[1]>`) -> nothing.

Strategy: a tag at a time, and only where the caller names the family, since no text may lose a character that its
model meant.
Spec: the chat templates of the models named in the files that use this one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.markup import spans
from headgate.markup.family import Control, Family, Settings
from headgate.markup.readers.calls import begins
from headgate.markup.scanner import SPACE_MAX, Scanner, tags
from headgate.markup.spans import Span

_TAG_MAX = 64
"""Characters of a tag that runs to a literal; a citation names a few documents."""


@dataclass(frozen=True)
class TextTags:
    """A family of such tags.

    Args:
        name: the name of the family that they go with.
        openers: the tags, or what they begin with.
        runs_to: what ends each tag; empty where the openers are whole tags.
        anywhere: whether they count in the middle of a text.
        inline: whether the text around one is one text, so that white space beside it stays.
        at_end: whether they count only where nothing but white space follows to the end of the message.
    """

    name: str
    openers: tuple[str, ...]
    runs_to: str = ""
    anywhere: bool = True
    inline: bool = False
    at_end: bool = False
    unmistakable: bool = field(default=True, init=False)
    thinks: bool = field(default=False, init=False)
    when_named: tuple[Family, ...] = field(default=(), init=False)

    def wanted(self, settings: Settings, /) -> bool:
        """Whether to look for them: always, whatever else is parsed."""
        del settings
        return True

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with a whole tag; None while it may still."""
        del settings
        begun = begins(rest, self.openers)
        if not begun or not self.runs_to:
            return begun
        tag, end, _ = rest[:_TAG_MAX].partition(self.runs_to)
        if "\n" in tag or (not end and len(tag) == _TAG_MAX):
            return False
        return True if end else None

    def reader(self, settings: Settings, /) -> TagReader:
        """A reader of one tag."""
        del settings
        return TagReader(self)


class TagReader:
    """Reads one tag."""

    def __init__(self, family: TextTags) -> None:
        self._family = family

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Take the tag."""
        tag = self._tag(scanner)
        if self._family.at_end:
            return self._feed_at_end(scanner, tag, out)
        if self._family.inline:
            out.append(spans.text(""))  # what stands before the tag belongs to the text
        out.append(spans.markup(scanner.take(len(tag))))
        return Control.NOT_MINE if self._family.inline else Control.OVER

    def _feed_at_end(self, scanner: Scanner, tag: str, out: list[Span]) -> Control:
        behind = scanner.peek(len(tag) + SPACE_MAX + 1)[len(tag) :]
        if len(behind) <= SPACE_MAX and not behind.strip():
            return Control.MORE
        out.append(spans.text(scanner.take(len(tag))))
        return Control.NOT_MINE

    def _tag(self, scanner: Scanner) -> str:
        if self._family.runs_to:
            tag, end, _ = scanner.peek(_TAG_MAX).partition(self._family.runs_to)
            return tag + end
        return next(opener for opener in tags(*self._family.openers).all if scanner.starts(opener))

    def close(self, scanner: Scanner, out: list[Span], /) -> bool:
        """The text ends behind the tag."""
        out.append(spans.markup(scanner.take_all()))
        return False

    def copy(self) -> TagReader:
        """An independent reader in the same state."""
        return TagReader(self._family)
