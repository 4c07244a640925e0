"""A list of Python-style calls without a tag around it (`[f(a=1), g()]`) -> call spans.

Strategy: it counts where a block may begin, if every tool in it is declared, every argument is a literal, and the list
ends its line or its sentence: one in the middle of a sentence is quoted. It is held until all that is known. Where the
caller named the family it also counts behind text.
Spec: the prompt format of Llama 3.2 and 4 (meta-llama/llama-models, models/llama3_2/text_prompt_format.md); vLLM
tool_parsers/pythonic_tool_parser.py and Ollama model/parsers/lfm2.go read it as a whole message, SGLang function_call/
pythonic_detector.py anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.python_calls import NAME, PythonCalls
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span

_CLOSERS = ("<|python_end|>", "<|tool_call_end|>")
"""What may stand behind a list whose opener was stripped."""

_LIST = re.compile(rf"\[\s{{0,64}}({NAME})\s{{0,64}}\(")
_MAY_BE_LIST = re.compile(rf"\[\s{{0,64}}(?:({NAME})\s{{0,64}})?\Z")


@dataclass(frozen=True)
class PythonLists(CallFamily):
    """Such lists, as one form of a family."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a list whose first tool is declared; None while it may still."""
        if settings.tools is None and not settings.named:
            return False
        found = _LIST.match(rest)
        if found is not None:
            return settings.may_call(found.group(1))
        part = _MAY_BE_LIST.match(rest)
        if part is None:
            return False
        name = part.group(1) or ""
        return None if settings.tools is None or any(tool.startswith(name) for tool in settings.tools) else False


def lists(name: str, *, in_text: bool = False) -> PythonLists:
    """Lists where a block may begin, or behind text too (for `when_named`)."""
    return PythonLists(name, ("[",) if in_text else (), PythonList, anywhere=in_text, unmistakable=False)


class PythonList(PythonCalls):
    """Reads one list, and gives nothing out before it is whole."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, (), _CLOSERS, strict=True)
        self._whole = True

    def _behind_list(self, scanner: Scanner, out: list[Span]) -> Control | None:
        behind = scanner.peek(2)
        if len(behind) < 2 and not self._final:
            return Control.MORE
        if not _ends_sentence(behind):
            return self._fail(scanner, out)
        return super()._behind_list(scanner, out)


def _ends_sentence(behind: str) -> bool:
    """Whether nothing of the same sentence follows: the end, a line end, another block, or a space and a capital."""
    return not behind or behind[0] in "\n\r[<" or (behind[0].isspace() and not behind[1:].islower())
