"""`]<]minimax[>[<invoke name="f">]<]minimax[>[<k>v]<]minimax[>[</k>…` -> tool calls (MiniMax M3).

Strategy: a parameter's name is its tag's, and objects and lists are written as tags inside it (a list's are `item`, or
one tag several times), so that a value with tags in it is held until it is whole, and then read as a tree.
Spec: the chat template of MiniMaxAI/MiniMax-M3; llama.cpp common/parsers/minimax-m3.cpp, SGLang
function_call/minimax_m3.py and mlx_lm/tool_parsers/minimax_m3.py read the same.
"""

from __future__ import annotations

import re

from headgate.markup.readers.json_pieces import quoted
from headgate.markup.readers.schema import Schema, Wanted
from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tag_grammar import Grammar
from headgate.markup.readers.tag_heads import Named, Tag, attribute
from headgate.markup.readers.typed import STRING, as_json, may_be_string

_NAMESPACE = "]<]minimax[>["
_ITEM = "item"
_DEPTH_MAX = 64
"""Elements inside one another. Real arguments are a few levels deep."""

_KEY = re.compile(r"[^\s<>/]+")
_ELEMENT = re.compile(rf"{re.escape(_NAMESPACE)}<(/?)([^\s<>/]+)>")


def _tag(*names: str) -> tuple[str, ...]:
    return tuple(f"{_NAMESPACE}<{name}" for name in names)


def _key(inside: str) -> Named | None:
    return Named(inside) if _KEY.fullmatch(inside) else None


class _Node:
    """An element that is open: its name, its schema, and what has been read of it."""

    def __init__(self, name: str, schema: Schema, start: int) -> None:
        self.name = name
        self.schema = schema
        self.start = start
        self.children: list[tuple[str, str]] = []

    def child(self, name: str, start: int) -> _Node:
        if name == _ITEM and not self.schema.declares(name):
            return _Node(name, self.schema.element(len(self.children)), start)
        return _Node(name, self.schema.member(name), start)

    def json(self, text: str) -> str:
        """What the element means; `text` is its inside."""
        wanted = self.schema.wanted
        if not self.children:
            return _empty(text, wanted) or as_json(text, wanted if wanted.types else Wanted(STRING))
        is_list = "array" in wanted.types or "object" not in wanted.types
        if is_list and all(name == _ITEM for name, _ in self.children):
            return f"[{', '.join(json for _, json in self.children)}]"
        members: dict[str, list[str]] = {}
        for name, json in self.children:
            members.setdefault(name, []).append(json)
        return f"{{{', '.join(f'{quoted(name)}: {_one(values)}' for name, values in members.items())}}}"


def _one(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"[{', '.join(values)}]"


def _empty(text: str, wanted: Wanted) -> str | None:
    """A list or an object without elements."""
    if text.strip() or not wanted.types or may_be_string(wanted.types):
        return None
    return "[]" if "array" in wanted.types else "{}" if "object" in wanted.types else None


def _elements(text: str, schema: Schema) -> str | None:
    """The JSON of a value with elements inside, or with nothing; None if it is none."""
    if not text.lstrip().startswith(_NAMESPACE):
        return _empty(text, schema.wanted)
    root = _Node("", schema, 0)
    stack = [root]
    for found in _ELEMENT.finditer(text):
        closing, name = found.groups()
        if not closing and len(stack) <= _DEPTH_MAX:
            stack.append(stack[-1].child(name, found.end()))
        elif closing and stack[-1].name == name:
            node = stack.pop()
            stack[-1].children.append((name, node.json(text[node.start : found.start()])))
        else:
            return None
    return root.json("") if len(stack) == 1 and root.children else None


FAMILY = tag_family(
    "minimax-m3",
    Grammar(
        openers=_tag("tool_call>"),
        closers=_tag("/tool_call>"),
        call=Tag(_tag("invoke"), ">", attribute("name")),
        call_closers=_tag("/invoke>"),
        parameter=Tag(_tag(""), ">", _key),
        parameter_closers=lambda key: _tag(f"/{key}>"),
        unclosed=False,
        nested=_NAMESPACE,
        value=_elements,
        lone=_tag("invoke"),
    ),
)
