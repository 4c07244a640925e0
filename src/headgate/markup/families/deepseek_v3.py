"""`<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f` and fenced JSON -> tool calls (DeepSeek V3, R1).

Strategy: V3 names the kind of the tool before its name and fences the arguments, V3.1 does neither; the reader takes
both, and a call without its own opener in the first form only, as R1's distillations write it.
Spec: the chat templates of deepseek-ai/DeepSeek-V3-0324 and DeepSeek-R1-0528; vLLM tool_parsers/
deepseekv3_tool_parser.py, SGLang function_call/deepseekv3_detector.py, Ollama model/parsers/cogito.go and
llama.cpp common/chat.cpp (DeepSeek R1) read the same.
"""

from __future__ import annotations

from headgate.markup.family import Settings
from headgate.markup.readers.calls import CallFamily, begins
from headgate.markup.readers.named_calls import Header, begins_name
from headgate.markup.readers.text_tags import TextTags

_SECTIONS = (
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls｜>",
    "<｜tool_calls_begin｜>",
    "<｜tool calls begin｜>",
    "<｜tool\\_calls\\_begin｜>",
)
"""How the distilled models spell the first token; the later ones they spell right."""
_CALL, _SEPARATOR = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>"
_LONE = (f"function{_SEPARATOR}",)
_OUTPUTS = ("<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>")

HEADER = Header(
    (*_SECTIONS, _CALL),
    begins=(_CALL,),
    kind="function",
    lone=_LONE,
    marks=(_SEPARATOR,),
    fences=("```json", "```"),
    ends=("<｜tool▁call▁end｜>",),
    closes=("<｜tool▁calls▁end｜>",),
)


class DeepSeek(CallFamily):
    """A section of calls, or a call without one."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a section that holds a call, or a call; None while it may still."""
        del settings
        section = begins(rest, _SECTIONS, (_CALL, *_LONE))
        return begins_name(rest, (_CALL,), ((_SEPARATOR,),)) if section is False else section


def family(name: str) -> DeepSeek:
    """The family of this name; when named, it takes what models copy of a tool's output for text, but for its tags."""
    return DeepSeek(name, HEADER.openers, HEADER.reader, when_named=(TextTags(name, _OUTPUTS, inline=True),))


FAMILY = family("deepseek-v3")
