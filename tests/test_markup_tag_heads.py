"""`markup.readers.tag_heads`: opening tags that carry a name, whole, begun, or none at all."""

from __future__ import annotations

import pytest

from headgate.markup.readers.arg_pairs import NameTag
from headgate.markup.readers.tag_heads import Head, Named, Tag, attribute, attributes, bare_name

EQUALS = Tag(("<function=", "<f="), ">", bare_name)
INVOKE = Tag(("<invoke",), ">", attribute("name"))
BEHIND = NameTag("<call>", ("<key>", "</call>"), "<sep>")


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (EQUALS, "<function=get_weather>", Head(22, "get_weather")),
        (EQUALS, "<f= a >…", Head(7, "a")),
        (EQUALS, "<function=>", False),
        (EQUALS, "<function=a<b>", False),
        (EQUALS, "<function=a\nb>", False),
        (EQUALS, "<function>", False),
        (EQUALS, "<function=get_weather", True),
        (EQUALS, "<func", True),
        (EQUALS, "", True),
        (EQUALS, "function=a>", False),
        (INVOKE, '<invoke name="a">', Head(17, "a")),
        (INVOKE, "<invoke name='a' >", Head(18, "a")),
        (INVOKE, "<invoke  name = a>", Head(18, "a")),
        (INVOKE, '<invoke name="a>b">', Head(19, "a>b")),
        (INVOKE, '<invoke name="a>', True),
        (INVOKE, '<invoke index="1" name="a">', Head(27, "a")),
        (INVOKE, "<invoke>", False),
        (INVOKE, '<invoke name="">', False),
        (INVOKE, '<invoke name="a" and more>', False),
        (BEHIND, "<call>a<key>", Head(7, "a")),
        (BEHIND, "<call>\n a\n</call>", Head(10, "a")),
        (BEHIND, "<call>a<sep>\n<key>", Head(13, "a")),
        (BEHIND, "<call>a<se", True),
        (BEHIND, "<call>a", True),
        (BEHIND, "<call>", True),
        (BEHIND, "<call>a b<key>", False),
        (BEHIND, "<call><key>", False),
        (BEHIND, "<call>a<other>", False),
        (BEHIND, "<call>\\s*(.*)</call>", False),
    ],
)
def test_a_tag_stands_there_or_may_still_or_does_not(tag: Tag | NameTag, text: str, *, expected: Head | bool) -> None:
    assert expected == tag.match(text, 0)
    assert expected == tag.match(f">{text}", 1)


@pytest.mark.parametrize(
    ("tag", "text"),
    [(EQUALS, "<function=get_weather>"), (INVOKE, '<invoke index="1" name="a>b">'), (BEHIND, "<call>\na<sep>\n<key>")],
)
def test_every_beginning_of_a_tag_may_become_one(tag: Tag | NameTag, text: str) -> None:
    assert [True] * len(text) == [tag.match(text[:place], 0) for place in range(len(text))]
    assert isinstance(tag.match(text, 0), Head)


def test_attributes_are_all_or_nothing() -> None:
    assert {"a": "1", "b:c-d": "2>", "e": "3"} == attributes(""" a="1" b:c-d='2>' e=3 """)
    assert {} == attributes(" ")
    assert attributes('a="1" and') is None


def test_a_name_may_come_with_its_types() -> None:
    tag = Tag(("<p ",), ">", lambda inside: Named(inside, frozenset({"string"})))

    assert Head(5, "x", frozenset({"string"})) == tag.match("<p x>", 0)
