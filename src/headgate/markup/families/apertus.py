"""`<|tools_prefix|>[{"f": {…}}]<|tools_suffix|>` -> tool calls (Apertus).

Strategy: each object has one key, the tool's name, and its value are the arguments.
Spec: the chat template of swiss-ai/Apertus-8B-Instruct-2509; vLLM tool_parsers/apertus_tool_parser.py, SGLang
function_call/apertus2509_detector.py, Ollama model/parsers/apertus15.go and mlx_lm/tool_parsers/apertus.py read it.
"""

from __future__ import annotations

from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame, JsonCalls
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Span

_FRAME = Frame(openers=("<|tools_prefix|>",), closers=("<|tools_suffix|>",))


class KeyedCalls(JsonCalls):
    """Reads calls whose tool is named by their only key."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, _FRAME)

    def _begin_value(self, scanner: Scanner, out: list[Span]) -> Control | None:
        self._hold_space(scanner)
        first = scanner.peek(1)
        if first and first not in "{n":
            return self._wrong(scanner, out)
        if first and not self._name:
            self._name, self._key = self._key, "arguments"
        return JsonCalls._begin_value(self, scanner, out)


FAMILY = CallFamily("apertus", _FRAME.openers, KeyedCalls, follows=("[", "{"))
