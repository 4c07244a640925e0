"""`<function=f>{…}</function>` -> tool calls; families with tags inside such a tag are others.

Spec: the chat template of meetkai/functionary-medium-v3.1; llama.cpp common/chat.cpp reads the second form too.
"""

from __future__ import annotations

from headgate.markup.readers.named_calls import Header, NamedFamily

_ENDS = ("</function>",)
_SIGN = Header(("<function=",), marks=(">",), ends=_ENDS)
_ATTRIBUTE = Header(('<function name="',), marks=('">',), ends=_ENDS)


def function_json(name: str) -> NamedFamily:
    """The form with an equals sign, for a family of this name."""
    return NamedFamily(name, _SIGN.openers, _SIGN.reader, steps=(_SIGN.marks, ("{",)))


def attribute_json(name: str) -> NamedFamily:
    """The form with an attribute, for a family of this name."""
    return NamedFamily(name, _ATTRIBUTE.openers, _ATTRIBUTE.reader, steps=(_ATTRIBUTE.marks, ("{",)))
