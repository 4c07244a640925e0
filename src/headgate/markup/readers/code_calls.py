"""Program text to the end of a message -> a call of the tool that runs programs (`{"code": …}`).

Strategy: the text goes out as it comes, escaped, as the value of the tool's one parameter; nothing closes it. The last
character stays until the end, for the quote and the brace behind it.
Spec: the files that use this one name the templates; llama.cpp common/chat.cpp reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.markup.family import Control, Family, Settings
from headgate.markup.readers.calls import CallFamily, CallReader, begins
from headgate.markup.readers.json_pieces import escaped, quoted
from headgate.markup.readers.schema import Schema
from headgate.markup.scanner import Scanner, tags
from headgate.markup.spans import Span

TOOLS = ("python", "ipython", "code_interpreter")
"""What tools that run programs are called, as Llama's and Functionary's templates declare them."""

_PARAMETER = "code"


@dataclass(frozen=True)
class Programs(CallFamily):
    """Programs behind one of the openers, which may hold the tool's name and else stand for any that runs programs.

    Args:
        but: another family whose blocks begin alike, and come first.
    """

    but: Family | None = None

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with an opener, and what follows is no JSON; None while it may still be."""
        begun, other = begins(rest, self.openers), self.but.opens(rest, settings) if self.but else False
        if not begun or other is not False:
            return False if begun is False or other else None
        opener = _opener_of(rest, self.openers)
        behind = rest[len(opener) :].lstrip()
        if not _tool(opener, settings) or behind.startswith(("{", "[")):
            return False
        return True if behind else None


def programs(name: str, *openers: str, anywhere: bool = False, but: Family | None = None) -> Programs:
    """The family of this name; it needs to be told of the tools."""
    return Programs(
        name, openers, lambda settings: CodeCalls(settings, openers), anywhere=anywhere, unmistakable=False, but=but
    )


class CodeCalls(CallReader):
    """Reads one program, from its opener on."""

    def __init__(self, settings: Settings, openers: tuple[str, ...]) -> None:
        super().__init__(settings)
        self._openers = openers
        self._tool = ""

    def _opener(self, scanner: Scanner, out: list[Span]) -> Control | None:
        opener = _opener_of(scanner.peek(max(map(len, self._openers))), self._openers)
        self._tool = _tool(opener, self._settings)
        self._hold(scanner.take(len(opener)))
        self._state = CodeCalls._before
        return None

    def _before(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        if not len(scanner):
            return Control.MORE
        self._start(self._tool, out)
        self._state = CodeCalls._begin
        return None

    def _begin(self, scanner: Scanner, out: list[Span]) -> Control | None:
        if len(scanner) == 1:
            return Control.MORE
        raw = scanner.take(1)
        self._argue(raw, self._head + escaped(raw), out)
        self._state = CodeCalls._code
        return None

    def _code(self, scanner: Scanner, out: list[Span]) -> Control | None:
        if raw := scanner.take(max(0, len(scanner) - 1)):
            self._argue(raw, escaped(raw), out)
        return Control.MORE

    def _cut(self, rest: str) -> str:
        return ("" if self._state is CodeCalls._code else self._head) + escaped(rest) + '"}'

    @property
    def _head(self) -> str:
        names = Schema((self._settings.tools or {}).get(self._tool)).names
        return "{" + quoted(names[0] if len(names) == 1 else _PARAMETER) + ': "'


def _opener_of(rest: str, openers: tuple[str, ...]) -> str:
    return next(opener for opener in tags(*openers).all if rest.startswith(opener))


def _tool(opener: str, settings: Settings) -> str:
    """The declared tool that the opener names, or any that runs programs; "" if there is none."""
    named = [tool for tool in TOOLS if opener.rstrip("\n").endswith(tool)]
    return next((tool for tool in named or TOOLS if settings.tools is not None and settings.may_call(tool)), "")
