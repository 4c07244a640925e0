"""A choice's text in any split -> spans: who reads which part of it.

Strategy: where a block may begin (at the start, and after a closed block) every family is asked whether the
text opens one of theirs; in the middle of a text or a thought, outside code, only families of tool calls are,
at one of their openers. Whoever says yes reads on until it gives control back. Everything else is text, but
for the closer of a thought that was opened in the prompt.
Spec: ours (`docs/design.md`, rescue without harm).
"""

from __future__ import annotations

from functools import partial

from headgate.markup import spans
from headgate.markup.doors import BEGINNING, asked, doors
from headgate.markup.draft import Draft
from headgate.markup.family import Control, Families, Reader, Settings
from headgate.markup.plain import NOTHING, Flow
from headgate.markup.readers.bare_calls import BareCalls
from headgate.markup.run import Run
from headgate.markup.scanner import SPACE_MAX, Scanner
from headgate.markup.spans import Kind, Span
from headgate.markup.thoughts import ANY_CLOSER, Thought
from headgate.twins import twin


class Splitter:
    """Splits one choice's text, or the reasoning that its engine told apart.

    Args:
        families: the families to ask, in order.
        settings: what they may decide by.
        starts_in_reasoning: whether the thought was opened in the prompt; None lets the stream tell.
        told: the text is reasoning that the engine told apart; only tool calls are looked for in it.
    """

    __slots__ = (
        "_asking",
        "_doors",
        "_draft",
        "_may_open",
        "_reader",
        "_scanner",
        "_settings",
        "_space",
        "_space_is_markup",
        "_text",
        "_thought",
        "_told",
        "_unopened",
    )

    def __init__(
        self,
        families: Families,
        settings: Settings,
        *,
        starts_in_reasoning: bool | None = None,
        told: bool = False,
    ) -> None:
        self._settings = settings
        self._doors = found = doors(families, settings)
        self._told = told
        self._scanner, self._draft = Scanner(), Draft(settings.limits)
        self._space = ""  # white space before what may be, or is, somebody's block
        self._asking = False
        self._reader: Reader | None = None
        self._thought: Thought | None = None
        self._begin(unopened=found.thinks and starts_in_reasoning is None)
        if told or (starts_in_reasoning and found.thinks):
            self._think(Thought(endless=told))

    def _begin(self, *, unopened: bool) -> None:
        self._may_open, self._space_is_markup, self._unopened = True, False, unopened
        self._text = Run(Kind.TEXT, self._doors.openers_and_closers if unopened else self._doors.openers)

    def feed(self, text: str, /) -> list[Span]:
        """Return the spans that more text decides."""
        out: list[Span] = []
        self._scanner.feed(text)
        while self._step(out):
            pass
        return out

    def plain(self, text: str, /) -> Kind | None:
        """What all of `text` is, where that is plain to see: text or reasoning, with nothing held.

        It is taken then, as if it were fed; nothing is taken where this is None.
        """
        scanner = self._scanner
        if scanner.position < len(scanner.text):
            return None
        if self._may_open:  # so that nobody reads on, and nothing is held
            begins = not (self._space_is_markup and text[:1].isspace()) and self._doors.let_pass(text)
            self._may_open = not (begins and self._text.passes(text))
            return None if self._may_open else Kind.TEXT
        run = self._going_on()
        return run.kind if run is not None and run.passes(text) else None

    def flow(self, kind: Kind, /) -> Flow | None:
        """The text of this kind that goes on, until something else is fed; None where none does."""
        run = self._going_on()
        if run is None or run.kind is not kind:
            return None
        return Flow(NOTHING if len(self._scanner) else run.plains, partial(run.take, self._scanner))

    def _going_on(self) -> Run | None:
        """The run of text or reasoning that goes on, if no block may begin or has begun."""
        if self._may_open or self._reader is not None or self._asking or self._draft.held:
            return None
        return self._text if self._thought is None else self._thought.run

    @property
    def holds(self) -> bool:
        """Whether text is held, or a family reads on."""
        return bool(len(self._scanner) or self._reader or self._thought or self._asking or self._draft.held)

    def interrupt(self) -> list[Span]:
        """A block that the engine itself structured follows: decide everything held, as at the end."""
        out: list[Span] = []
        self._close(out, over=False)
        self._draft.drop(out)
        self._begin(unopened=False)
        if self._told:
            self._think(Thought(endless=True))
        return spans.without_empty(out)

    def close(self) -> list[Span]:
        """The text is over: return what is still held."""
        out: list[Span] = []
        if not self.holds:
            return out
        self._close(out)
        self._draft.keep(out)
        return spans.without_empty(out)

    def copy(self) -> Splitter:
        """An independent splitter in the same state."""
        copied = twin(self)
        copied._scanner, copied._text, copied._draft = self._scanner.copy(), self._text.copy(), self._draft.copy()
        copied._reader = self._reader.copy() if self._reader else None
        copied._thought = self._thought.copy() if self._thought else None
        return copied

    def _step(self, out: list[Span]) -> bool:
        """Decide one thing; whether there may be more to decide."""
        if self._reader is not None:
            return self._read(self._reader, out)
        if self._asking:
            return self._ask(out)
        if self._thought is not None:
            return self._read_thought(self._thought, out)
        return self._open(out) if self._may_open else self._read_text(out)

    # -- where a block may begin ---------------------------------------------------------------------

    def _open(self, out: list[Span]) -> bool:
        rest = self._scanner.peek(SPACE_MAX + 1)
        space = len(rest) - len(rest.lstrip())
        if space > SPACE_MAX:
            # No tag stands behind so much white space: the text has begun.
            return self._begin_text(SPACE_MAX, out)
        if space == len(rest):
            return False
        families = self._doors.at(rest[space : space + BEGINNING])
        family = asked(families, self._scanner, space, self._settings) if families else False
        if family is None:
            return False
        if isinstance(family, bool):
            return self._begin_text(space, out)
        self._space = self._scanner.take(space)
        self._enter(family.reader(self._settings), out)
        return True

    def _begin_text(self, space: int, out: list[Span]) -> bool:
        if space and self._space_is_markup:
            out.append(spans.markup(self._scanner.take(space)))
        self._may_open = False
        return True

    def _enter(self, reader: Reader, out: list[Span]) -> None:
        self._may_open = self._asking = False
        if isinstance(reader, Thought):
            if self._space:
                out.append(spans.markup(self._space))
            self._think(reader)
        else:
            self._reader = reader

    def _think(self, thought: Thought) -> None:
        self._space, self._unopened, self._may_open = "", False, False
        self._thought = thought
        thought.watch(self._doors.openers)

    # -- inside a text or a thought ------------------------------------------------------------------

    def _read_text(self, out: list[Span]) -> bool:
        found = self._text.to_tag(self._scanner, out)
        if found is None:
            return False
        space, tag = found
        if self._unopened and tag in ANY_CLOSER.all:
            out += [spans.markup(space + tag), spans.repair("reasoning_unopened"), spans.BLOCK_END]
            self._after_block()
        else:
            self._scanner.position -= len(tag)
            self._space, self._asking = space, True
        return True

    def _read_thought(self, thought: Thought, out: list[Span]) -> bool:
        found: list[Span] = []
        control = thought.feed(self._scanner, found)
        if control is Control.OVER:
            self._draft.drop(out)
            out += found
            self._thought = None
            self._after_block()
            return True
        self._draft.take(found, out)
        if control is Control.MORE:
            return False
        self._space, self._asking = self._scanner.take_space(), True
        return True

    def _ask(self, out: list[Span]) -> bool:
        family = asked(self._doors.anywhere, self._scanner, 0, self._settings)
        if family is None:
            return False
        if isinstance(family, bool):
            self._asking = False
            self._say(self._space + self._scanner.take(1), out)
            self._space = ""
        else:
            self._enter(family.reader(self._settings), out)
        return True

    def _say(self, text: str, out: list[Span]) -> None:
        """Say text that is no markup, in the run that it stands in."""
        if self._thought is None:
            self._text.say(text, out)
        else:
            found: list[Span] = []
            self._thought.say(text, found)
            self._draft.take(found, out)

    # -- inside a family's block ---------------------------------------------------------------------

    def _read(self, reader: Reader, out: list[Span]) -> bool:
        found: list[Span] = []
        control = reader.feed(self._scanner, found)
        self._put(found, out)
        if control is Control.MORE:
            return False
        self._reader = None
        if control is Control.OVER and self._thought is None:
            self._after_block()
        return True

    def _put(self, found: list[Span], out: list[Span]) -> None:
        """Give out a block's spans; the white space before it is of the kind of the first."""
        if not found:
            return
        if self._space:
            first = next(span.kind for span in found if span.kind is not Kind.REPAIR)
            found.insert(0, spans.text(self._space) if first is Kind.TEXT else spans.markup(self._space))
            self._space = ""
        found = spans.without_empty(found)
        if self._thought is not None:
            self._draft.take(found, out)
            return
        out += found
        for span in found:
            if span.kind is Kind.TEXT:
                self._text.follow(span.raw)

    def _after_block(self) -> None:
        self._begin(unopened=False)
        self._space_is_markup = True

    # -- the end -------------------------------------------------------------------------------------

    def _close(self, out: list[Span], *, over: bool = True) -> None:
        """Decide what is held, as if nothing followed."""
        found: list[Span] = []
        if not over and isinstance(self._reader, BareCalls):
            self._reader.interrupt()
        if self._reader is not None:
            reads_on = self._reader.close(self._scanner, found)
            self._put(found, out)
            self._reader = self._reader if reads_on else None
        if self._asking:
            self._say(self._space, out)
            self._asking, self._space = False, ""
        if self._thought is not None:
            self._thought.close(self._scanner, found := [])
            self._draft.take(found, out)
            self._thought = None
        elif self._may_open and self._space_is_markup:
            out.append(spans.markup(self._scanner.take_space()))
        out.append(spans.text(self._scanner.take_all()))
