"""`<tool_calls:S><tool_call:S>f<tool_sep:S><arg_key:S>k</arg_key:S><arg_value:S>v…` -> tool calls (Hunyuan 3 and 4).

Strategy: the tags of each checkpoint have a suffix of their own (`:opensource`), or none, which the opener tells.
Hunyuan 4 writes no `<tool_sep>`. Values are bare text, typed by the tool's schema.
Spec: the chat templates of tencent/Hy3-preview and tencent/Hy4-preview; vLLM tool_parsers/hy_v3_tool_parser.py and
hy_v4_tool_parser.py, SGLang function_call/hunyuan_detector.py and mlx_lm/tool_parsers/hy_v3.py read the same.
"""

from __future__ import annotations

import re
from functools import lru_cache

from headgate.markup.family import Family, Reader, Settings
from headgate.markup.readers.arg_pairs import arg_pairs
from headgate.markup.readers.forms import FormReader
from headgate.markup.readers.tag_family import TagFamily, tag_family
from headgate.markup.scanner import Scanner

_NAME = "hy-v3"
_OPENER = re.compile(r"<tool_calls(:[^\s<>]{1,64})?>")
_BEGUN = re.compile(r"<tool_calls:[^\s<>]{0,64}")


@lru_cache(maxsize=64)
def _with(suffix: str) -> TagFamily:
    return tag_family(_NAME, arg_pairs(suffix=suffix, section="tool_calls", mark="tool_sep"))


class Suffixed:
    """The family: one for each suffix."""

    name = _NAME
    openers = ("<tool_calls>", "<tool_calls:")
    anywhere = True
    unmistakable = True
    thinks = True
    when_named: tuple[Family, ...] = ()

    def wanted(self, settings: Settings, /) -> bool:
        """Whether calls are to be taken out of text."""
        return _with("").wanted(settings)

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a block of calls with one suffix throughout; None while it may still."""
        found = _OPENER.match(rest)
        if found is None:
            return None if _BEGUN.fullmatch(rest) or self.openers[0].startswith(rest) else False
        return _with(found[1] or "").opens(rest, settings)

    def reader(self, settings: Settings, /) -> SuffixReader:
        """A reader of one block."""
        return SuffixReader((), settings)


FAMILY = Suffixed()


class SuffixReader(FormReader):
    """Reads a block with the suffix that its opener has."""

    def _chosen(self, scanner: Scanner) -> Reader:
        if self._reader is None:
            found = _OPENER.match(scanner.text, scanner.position)
            self._reader = _with((found and found[1]) or "").reader(self._settings)
        return self._reader

    def copy(self) -> SuffixReader:
        """An independent reader in the same state."""
        twin = SuffixReader((), self._settings)
        twin._reader = self._reader.copy() if self._reader else None
        return twin
