"""`<|open|>call tool="f"<|sep|><|open|>argument key="k" type="string"<|sep|>v…` -> tool calls (Kimi K3).

Strategy: a tag's type says what a value is where the tool's schema does not. The visible text stands between tags of
its own, which say nothing.
Spec: the chat template of moonshotai/Kimi-K3; llama.cpp common/parsers/kimi-k3.cpp, vLLM parser/kimi_k3.py and SGLang
function_call/kimik3_detector.py read the same.
"""

from __future__ import annotations

import html
from itertools import product

from headgate.markup.readers.forms import Forms
from headgate.markup.readers.tag_family import tag_family
from headgate.markup.readers.tag_grammar import Grammar, Newlines
from headgate.markup.readers.tag_heads import JSON_TYPES, Named, Tag, attributes
from headgate.markup.readers.text_tags import TextTags

_SECTIONS = ("response", "message")
_AROUND_TEXT = (
    *(f"<|{which}|>{section}<|sep|>" for which, section in product(("open", "close"), _SECTIONS)),
    '<|open|>message role="assistant"<|sep|>',
    "<|end_of_msg|>",
)


def _call(inside: str) -> Named | None:
    name = html.unescape((attributes(inside) or {}).get("tool", ""))
    return Named(name) if name else None


def _argument(inside: str) -> Named | None:
    found = attributes(inside) or {}
    key = html.unescape(found.get("key", ""))
    return Named(key, JSON_TYPES.get(found.get("type", ""), frozenset())) if key else None


_GRAMMAR = Grammar(
    openers=("<|open|>tools<|sep|>",),
    closers=("<|close|>tools<|sep|>",),
    call=Tag(("<|open|>call ",), "<|sep|>", _call),
    call_closers=("<|close|>call<|sep|>",),
    parameter=Tag(("<|open|>argument ",), "<|sep|>", _argument),
    parameter_closers=lambda _: ("<|close|>argument<|sep|>",),
    newlines=Newlines.NONE,
    lone=("<|open|>call ",),
)

FAMILY = Forms("kimi-k3", (tag_family("kimi-k3", _GRAMMAR), TextTags("kimi-k3", _AROUND_TEXT)))
