"""`markup.readers.json_pieces`: JSON goes out up to the first place that is open."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from headgate.markup.readers.json_pieces import Pieces, escaped, quoted

ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from(["\ud83d", "\ude00", '"', "\\", "\n"]))


@given(ANY_TEXT)
def test_a_quoted_text_is_a_json_string_of_it_in_utf8(text: str) -> None:
    assert text.encode("utf-16", "surrogatepass") == json.loads(quoted(text)).encode("utf-16", "surrogatepass")
    quoted(text).encode("utf-8")


@given(ANY_TEXT, ANY_TEXT)
def test_escaped_pieces_say_their_texts_together(left: str, right: str) -> None:
    said = json.loads(f'"{escaped(left)}{escaped(right)}"')

    assert (left + right).encode("utf-16", "surrogatepass") == said.encode("utf-16", "surrogatepass")


def test_nothing_behind_an_open_place_is_taken() -> None:
    pieces = Pieces()
    pieces.put("a")
    place = pieces.leave()
    pieces.put("c")

    assert "a" == pieces.take()
    assert (False, "") == (pieces.decided, pieces.take())

    pieces.fill(place, "b")

    assert (True, "bc") == (pieces.decided, pieces.take())


def test_places_are_filled_in_any_order() -> None:
    pieces = Pieces()
    first = pieces.leave()
    pieces.put(",")
    second = pieces.leave()
    pieces.fill(second, "2")

    assert "" == pieces.take()

    pieces.fill(first, "1")

    assert "1,2" == pieces.take()


def test_what_waits_is_counted() -> None:
    pieces = Pieces()
    pieces.put("abc")

    assert 0 == pieces.waiting

    place = pieces.leave()
    pieces.put("de")

    assert 2 == pieces.waiting

    pieces.fill(place, "x")

    assert 0 == pieces.waiting


def test_what_is_given_up_is_taken_whole() -> None:
    pieces = Pieces()
    pieces.put("a")
    pieces.leave()
    pieces.put("c")

    assert "ac" == pieces.take_all()
    assert pieces.decided


def test_a_copy_is_filled_alone() -> None:
    pieces = Pieces()
    place = pieces.leave()
    twin = pieces.copy()
    pieces.fill(place, "1")
    twin.fill(place, "2")

    assert ("1", "2") == (pieces.take(), twin.take())
