"""A run of text or of reasoning -> its spans, up to the next tag that counts.

Strategy: a tag counts outside code (a thought's closer, everywhere). White space before a tag is left to
whoever reads the tag.
Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from msgspec import Struct, field

from headgate.markup.code import Code
from headgate.markup.plain import NOTHING, Plain
from headgate.markup.scanner import NO_TAGS, Scanner, Tags
from headgate.markup.spans import Kind, Span


class Run(Struct, eq=False, gc=False):
    """Says what stands between the tags.

    Args:
        kind: what it is: text or reasoning.
        ends: the tags to stop at.
        even_in_code: those of them that count in code, too.
    """

    kind: Kind
    _ends: Tags
    _even_in_code: Tags = NO_TAGS
    _code: Code = field(default_factory=Code)

    def stop_at(self, ends: Tags, even_in_code: Tags = NO_TAGS) -> None:
        """Stop at these tags from now on."""
        self._ends, self._even_in_code = ends, even_in_code

    @property
    def _follows_code(self) -> bool:
        return len(self._ends.all) > len(self._even_in_code.all)

    def copy(self) -> Run:
        """An independent run in the same state."""
        return Run(self.kind, self._ends, self._even_in_code, self._code.copy())

    def passes(self, text: str) -> bool:
        """Whether all of `text` plainly belongs to it, with nothing to hold; then it is taken."""
        if self._ends.plain.text(text) is None:
            return False
        if not self._code.quiet and self._follows_code:
            self._code.feed(text)
        return True

    @property
    def plains(self) -> Plain:
        """What matches text that belongs to it as it is; all other text is to be taken by `take`."""
        return self._ends.plain if self._code.quiet or not self._follows_code else NOTHING

    def take(self, scanner: Scanner, text: str) -> tuple[str, Plain] | None:
        """Take text that makes no tag whole; None, and nothing is taken, where it does.

        Returns what can be said now, without what may be the start of a tag and white space before that, which stay in
        the scanner; and what is plain from then on.
        """
        taken = scanner.before(self._ends, text)
        if taken is None:
            return None
        said, holds = taken
        if not self._follows_code:
            return said, NOTHING if holds else self._ends.plain
        self._code.feed(said)
        return said, self._ends.plain if not holds and self._code.quiet else NOTHING

    def say(self, text: str, out: list[Span]) -> None:
        """Take text into the run."""
        if text:
            out.append(Span(self.kind, text, text))
            self.follow(text)

    def follow(self, text: str) -> None:
        """Note text of the run that somebody else gives out."""
        if self._follows_code:
            self._code.feed(text)

    def to_tag(self, scanner: Scanner, out: list[Span]) -> tuple[str, str] | None:
        """Say what comes before the next tag that counts.

        Returns the white space before the tag, and the tag, both taken; None while there is no whole tag.
        """
        while True:
            text, space, tag = scanner.until(self._ends, trim=True)
            self.say(text, out)
            if tag is None:
                return None
            if tag in self._even_in_code.all or not self._in_code_after(space):
                return space, tag
            self.say(space + tag, out)

    def _in_code_after(self, space: str) -> bool:
        if not space:
            return self._code.inside
        ahead = self._code.copy()
        ahead.feed(space)  # a line end in it ends an inline span
        return ahead.inside
