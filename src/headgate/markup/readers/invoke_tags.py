"""Calls whose tags hold the name as an attribute: `<invoke name="f"><parameter name="k">v</parameter></invoke>`.

Spec: the chat template of MiniMaxAI/MiniMax-M2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Tag, attribute


def invoke_tags(opener: str, closer: str, namespace: str = "", **more: Any) -> Grammar:
    """The grammar in a block between these tags, its tags in this namespace; `more` are other parts of it."""
    name = attribute("name")
    grammar = Grammar(
        openers=(opener,),
        closers=(closer,),
        call=Tag((f"<{namespace}invoke",), ">", name),
        call_closers=(f"</{namespace}invoke>",),
        parameter=Tag((f"<{namespace}parameter",), ">", name),
        parameter_closers=lambda _: (f"</{namespace}parameter>",),
    )
    return replace(grammar, **more)
