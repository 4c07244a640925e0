"""A choice's text in any split -> spans: who reads which part of it.

Strategy: where a block may begin (at the start, and after a closed block) the families are asked whether
the text opens one of theirs; whoever does reads on until it gives control back. Everywhere else text is
text, but for the closer of a thought that was opened in the prompt.
Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.markup import spans
from headgate.markup.code import Code
from headgate.markup.family import Family, Reader, Settings
from headgate.markup.scanner import SPACE_MAX, Scanner
from headgate.markup.spans import Kind, Span
from headgate.markup.think import ANY_CLOSER, Thought

_NEVER_EMPTY = frozenset({Kind.TEXT, Kind.REASONING, Kind.MARKUP, Kind.ARGUMENTS})


class Splitter:
    """Splits one choice's text.

    Args:
        families: the families to ask, in order.
        settings: what they may decide by.
        starts_in_reasoning: whether the thought was opened in the prompt; None lets the stream tell.
    """

    def __init__(
        self, families: Sequence[Family], settings: Settings, *, starts_in_reasoning: bool | None = None
    ) -> None:
        self._families = families
        self._settings = settings
        self._scanner = Scanner()
        self._code = Code()
        self._may_open = True
        self._space_is_markup = False
        thinks = settings.parse_reasoning and any(family.name == "think" for family in families)
        self._unopened = thinks and starts_in_reasoning is None
        self._reader: Reader | None = Thought(None) if thinks and starts_in_reasoning else None

    def feed(self, text: str, /) -> list[Span]:
        """Return the spans that more text decides."""
        out: list[Span] = []
        self._scanner.feed(text)
        while self._step(out):
            pass
        return out

    @property
    def holds(self) -> bool:
        """Whether text is held, or a family reads on."""
        return bool(len(self._scanner)) or self._reader is not None

    def interrupt(self) -> list[Span]:
        """A block that the engine itself structured follows: decide everything held, as at the end."""
        out = self.close()
        self._may_open, self._space_is_markup, self._unopened = True, False, False
        self._code = Code()
        return out

    def close(self) -> list[Span]:
        """The text is over: return what is still held."""
        out: list[Span] = []
        if self._reader is None:
            if self._may_open and self._space_is_markup:
                out.append(spans.markup(self._scanner.take_space()))
            out.append(spans.text(self._scanner.take_all()))
        elif not self._reader.close(self._scanner, out):
            self._reader = None
        return [span for span in out if span.raw or span.kind not in _NEVER_EMPTY]

    def copy(self) -> Splitter:
        """An independent splitter in the same state."""
        twin = Splitter.__new__(Splitter)
        twin.__dict__.update(self.__dict__)
        twin._scanner, twin._code = self._scanner.copy(), self._code.copy()
        twin._reader = self._reader.copy() if self._reader else None
        return twin

    def _step(self, out: list[Span]) -> bool:
        """Decide one thing; whether there may be more to decide."""
        if self._reader is not None:
            if not self._reader.feed(self._scanner, out):
                return False
            self._reader = None
            self._may_open = self._space_is_markup = True
            self._unopened = False
            return True
        return self._open(out) if self._may_open else self._text(out)

    def _open(self, out: list[Span]) -> bool:
        limit = self._settings.limits.markup_chars_max
        rest = self._scanner.peek(SPACE_MAX + limit + 1)
        word = rest.lstrip()
        space = len(rest) - len(word)
        if space > SPACE_MAX:
            # No tag stands behind so much white space: the text has begun.
            return self._begin_text(SPACE_MAX, out)
        if not word:
            return False
        verdicts = [family.opens(word[:limit], self._settings) for family in self._families]
        if True in verdicts:
            if space:
                out.append(spans.markup(self._scanner.take(space)))
            self._reader = self._families[verdicts.index(True)].reader(self._scanner, self._settings, out)
            self._unopened = False
            return True
        if None in verdicts and len(word) <= limit:
            return False
        return self._begin_text(space, out)

    def _begin_text(self, space: int, out: list[Span]) -> bool:
        if space and self._space_is_markup:
            out.append(spans.markup(self._scanner.take(space)))
        self._may_open = False
        return True

    def _text(self, out: list[Span]) -> bool:
        if not self._unopened:
            if rest := self._scanner.take_all():
                out.append(spans.text(rest))
            return False
        text, space, tag = self._scanner.until(ANY_CLOSER, trim=True)
        self._say(text, out)
        if tag is None:
            return False
        self._code.feed(space)  # a line end in it ends an inline span
        if self._code.inside:
            out.append(spans.text(space + tag))
            self._code.feed(tag)
        else:
            out += [spans.markup(space + tag), spans.repair("reasoning_unopened"), spans.BLOCK_END]
            self._unopened, self._may_open, self._space_is_markup = False, True, True
        return True

    def _say(self, text: str, out: list[Span]) -> None:
        if text:
            out.append(spans.text(text))
            self._code.feed(text)
