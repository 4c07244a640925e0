"""`<function=f>{…}</function>`, and `>>>f` with JSON on the next line, -> tool calls (Functionary 3.1 and 3.2).

Strategy: the tag counts only before a brace, since other families have tags inside it. `>>>` is prose, so it counts
only before a declared tool's name and its JSON; where the family is named, so do the other recipients: `all`, whose
content is text, and `python`, whose content may be a program. The prompt may end with the first `>>>`.
Spec: the chat templates of meetkai/functionary-medium-v3.1 and -v3.2; llama.cpp common/parsers/functionary-v3-2.cpp
reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.markup.family import Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.code_calls import TOOLS, programs
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.function_json import function_json
from headgate.markup.readers.named_calls import Header, begins_name
from headgate.markup.readers.text_tags import TextTags

_NAME, _ARROWS = "functionary", ">>>"
_HEADER = Header((_ARROWS,), bare=True)


@dataclass(frozen=True)
class Recipients(CallFamily):
    """Calls whose recipient stands alone on a line, behind `>>>` or, without openers, at the beginning."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins with a declared tool's name, a line end, and an object; None while it may still."""
        begun = begins_name(rest, self.openers, (("{",),))
        if not begun:
            return begun
        line, end, _ = rest.partition("{")[0].removeprefix(*self.openers or ("",)).partition("\n")
        return bool(end) and not line[:1].isspace() and settings.may_call(line.rstrip())


_PYTHON = tuple(f"{tool}\n" for tool in TOOLS)
_NAMED = (
    TextTags(_NAME, (f"{_ARROWS}all\n",)),
    TextTags(_NAME, ("all\n",), anywhere=False),
    Recipients(_NAME, (), _HEADER.unopened, anywhere=False),
    programs(_NAME, *(_ARROWS + line for line in _PYTHON), anywhere=True),
    programs(_NAME, *_PYTHON),
)
_CALLS = Recipients(_NAME, (_ARROWS,), _HEADER.reader, unmistakable=False)

FAMILY = Forms(_NAME, (function_json(_NAME), _CALLS), _NAMED)
