"""`<|tool_call_start|>[f(a=1)]<|tool_call_end|>`, or a JSON list in it -> tool calls (LFM2, LFM2.5).

Strategy: the model sometimes writes the same list again behind the closer, with a closer of its own; that is no second
call. Where the family is named a list counts without its tags too, as servers strip them.
Spec: the chat template of LiquidAI/LFM2-8B-A1B; vLLM tool_parsers/lfm2_tool_parser.py, SGLang function_call/
lfm2_detector.py, Ollama model/parsers/lfm2.go and llama.cpp common/parsers/lfm2.cpp read the same.
"""

from __future__ import annotations

from typing import Self

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.python_calls import PythonCalls, Tagged
from headgate.markup.readers.python_lists import lists
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span

_NAME = "lfm2"
_OPENER, _CLOSER = "<|tool_call_start|>", "<|tool_call_end|>"
_JSON = Frame((_OPENER,), closers=(_CLOSER,))


class _Calls(PythonCalls):
    """Reads one block, and its echo."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, (_OPENER,), (_CLOSER,))
        self._sources: list[str] = []  # of the block, unless it is too long to be repeated
        self._left = settings.limits.arguments_chars_max
        self._from = 0  # where the scanner stood when this feeding began
        self._echo = ""  # the source that an echo repeats
        self._echoed = 0

    def copy(self) -> Self:
        """An independent reader in the same state."""
        twin = super().copy()
        twin._sources = self._sources.copy()
        return twin

    def feed(self, scanner: Scanner, out: list[Span], /) -> Control:
        """Read on."""
        self._from = scanner.position
        control = super().feed(scanner, out)
        if not self._echo:
            self._remember(scanner.text[self._from : scanner.position])
        return control

    def _remember(self, source: str) -> None:
        self._left -= len(source)
        self._sources.append(source)
        if self._left < 0:
            self._sources = []

    def _close_block(self, closer: str, scanner: Scanner, out: list[Span]) -> Control | None:
        over = super()._close_block(closer, scanner, out)
        self._remember(scanner.text[self._from : scanner.position])
        if not closer or not self._called or self._left < 0:
            return over
        self._echo = "".join(self._sources).removeprefix(_OPENER).lstrip()
        self._state = _Calls._in_echo
        return None

    def _in_echo(self, scanner: Scanner, out: list[Span]) -> Control | None:
        if not self._echoed:
            self._hold_space(scanner)
        rest = scanner.peek(len(self._echo) - self._echoed)
        if not self._echo.startswith(rest, self._echoed):
            scanner.put_back(self._taken())
            return Control.OVER
        self._hold(scanner.take(len(rest)))
        self._echoed += len(rest)
        if self._echoed < len(self._echo):
            return Control.MORE
        self._skip("", out)
        return Control.OVER


FAMILY = Forms(
    _NAME,
    (
        Tagged(_NAME, (_OPENER,), _Calls),
        CallFamily(_NAME, _JSON.openers, _JSON.reader, follows=("{", "[{", "[ {", "[\n")),
    ),
    when_named=(lists(_NAME),),
)
