"""`headgate.markup.literals`: the longest literal at the first place where any stands."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from headgate.markup.literals import pattern_of

literals = st.lists(st.text("ab<|(.", min_size=1, max_size=4), max_size=6)


@given(literals, st.text("ab<|(.", max_size=12))
def test_it_finds_what_trying_each_of_them_finds(tags: list[str], text: str) -> None:
    places = [(place, tag) for place in range(len(text)) for tag in tags if text.startswith(tag, place)]
    expected = min(places, key=lambda found: (found[0], -len(found[1])), default=None)
    found = re.search(pattern_of(tags), text)

    assert expected == (found and (found.start(), found.group()))


def test_no_literals_are_never_found() -> None:
    assert re.search(pattern_of([]), "") is None
