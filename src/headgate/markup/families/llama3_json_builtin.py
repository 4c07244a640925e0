"""`<|python_tag|>brave_search.call(query="…")` -> a tool call (Llama 3.1's built-in tools).

Spec: meta-llama/llama-models, models/llama3_1/prompt_format.md; llama.cpp common/chat.cpp (Llama 3.x) reads the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from headgate.markup.family import Settings
from headgate.markup.readers.calls import CallFamily, begins
from headgate.markup.readers.converted import Arguments
from headgate.markup.readers.python_arguments import PythonArguments
from headgate.markup.readers.python_calls import NAME, PythonCalls
from headgate.markup.readers.schema import Schema

_METHOD = ".call"
_FOLLOWS = re.compile(rf"\s*{NAME}(?<=\.call)\s*\(")
_MAY_FOLLOW = re.compile(rf"\s*(?:{NAME}\s*)?\Z")


@dataclass(frozen=True)
class BuiltIn(CallFamily):
    """Calls of a tool's method `call`."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with the opener and such a call; None while it may still."""
        del settings
        begun = begins(rest, self.openers)
        behind = rest[len(self.openers[0]) :]
        if not begun or _FOLLOWS.match(behind):
            return begun
        return None if _MAY_FOLLOW.match(behind) else False


class BuiltInCalls(PythonCalls):
    """Reads one such call."""

    def _read_call(self, name: str, arguments: Arguments) -> None:
        name = name.removesuffix(_METHOD)
        names = Schema((self._settings.tools or {}).get(name)).names
        super()._read_call(name, PythonArguments(names, self._settings.limits.markup_chars_max))


def built_in(name: str, opener: str) -> BuiltIn:
    """The form of the family of this name."""
    return BuiltIn(name, (opener,), lambda settings: BuiltInCalls(settings, (opener,), ()))
