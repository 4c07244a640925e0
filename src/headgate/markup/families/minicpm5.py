"""`<function name="f"><param name="k">v</param></function>` -> tool calls (MiniCPM5).

Strategy: a value may stand in `<![CDATA[…]]>`. Engines lose the space in a tag, or leave it as the tokenizer writes it.
Spec: the chat template of openbmb/MiniCPM5; llama.cpp common/parsers/minicpm5.cpp and vLLM
tool_parsers/minicpm5xml_tool_parser.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Named, Tag, attribute

_SPACES = (" ", "", "\u0120")  # as it should be, lost, and as byte-level tokenizers write it
_name = attribute("name")


def _quoted_name(inside: str) -> Named | None:
    return _name(f"name={inside}")


def _tag(name: str) -> Tag:
    return Tag(tuple(f"<{name}{space}name=" for space in _SPACES), ">", _quoted_name)


_CALL = _tag("function")

FAMILY = tag_family(
    "minicpm5",
    Grammar(
        call=_CALL,
        call_closers=("</function>",),
        parameter=_tag("param"),
        parameter_closers=lambda _: ("</param>",),
        cdata=True,
        lone=_CALL.prefixes,
    ),
)
