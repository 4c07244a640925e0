"""Calls whose tags hold the name behind an equals sign: `<function=f><parameter=k>v</parameter></function>`.

Spec: the chat template of Qwen/Qwen3-Coder-30B-A3B-Instruct.
"""

from __future__ import annotations

from headgate.markup.readers.tag_grammar import Grammar, Newlines
from headgate.markup.readers.tag_heads import Tag, bare_name


def function_tags(block: str, *, lone: bool) -> Grammar:
    """The grammar in a block of this name; `lone` tells whether the models leave the block's tags away."""
    return Grammar(
        openers=(f"<{block}>",),
        closers=(f"</{block}>",),
        call=Tag(("<function=",), ">", bare_name),
        call_closers=("</function>",),
        parameter=Tag(("<parameter=",), ">", bare_name),
        parameter_closers=lambda _: ("</parameter>",),
        newlines=Newlines.EACH,
        lone=("<function=",) if lone else (),
    )
