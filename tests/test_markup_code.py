"""`headgate.markup.code`: what stands in a fence or an inline span, at every split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import cut_at, cuts

from headgate.markup.code import Code


def inside(pieces: list[str]) -> bool:
    code = Code()
    for piece in pieces:
        code.feed(piece)
    return code.inside


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("prose", False, id="prose"),
        pytest.param("`", True, id="inline"),
        pytest.param("`a` ", False, id="inline closed"),
        pytest.param("a `b` and `c", True, id="second inline"),
        pytest.param("``a`b", True, id="a shorter run does not close"),
        pytest.param("`a``b", True, id="a longer run does not close"),
        pytest.param("``a`b`` ", False, id="an equal run closes"),
        pytest.param("a stray ` here\n", False, id="a stray backtick hides one line only"),
        pytest.param("```\n", True, id="fence"),
        pytest.param("```python\nx = 1\n", True, id="fence with a language"),
        pytest.param("```\nx\n```\n", False, id="fence closed"),
        pytest.param("```\nx\n```", False, id="fence closed at the end"),
        pytest.param("```\nx\n``\n", True, id="two backticks close no fence"),
        pytest.param("````\n```\n", True, id="a shorter fence does not close"),
        pytest.param("```\n`````\n", False, id="a longer fence closes"),
        pytest.param("```\nx ```\n", True, id="a fence closes at the start of a line"),
        pytest.param("~~~\n```\n", True, id="backticks close no tildes"),
        pytest.param("~~~\n~~~\n", False, id="tildes close tildes"),
        pytest.param("~~\n", False, id="two tildes are none"),
        pytest.param("a ~~~\n", False, id="tildes in a line are none"),
        pytest.param("   ```\n", True, id="indented fence"),
        pytest.param("a\n```\n", True, id="fence on a later line"),
        pytest.param("a ```\nb", False, id="three backticks in a line are inline"),
        pytest.param("```a``` b", False, id="three backticks on their own line are inline"),
        pytest.param("```a``` `b", True, id="inline after three backticks"),
        pytest.param("```a`\nb", False, id="a fence's line holds no backtick"),
        pytest.param("~~~a`b\nc", True, id="a tilde fence's line may hold one"),
        pytest.param("```\n`a\n```\n", False, id="backticks in a fence are its text"),
        pytest.param("```\n\n\n", True, id="blank lines keep a fence open"),
        pytest.param("`a\n`b", True, id="inline spans end with the line"),
        pytest.param("é`ü", True, id="unicode"),
    ],
)
def test_what_follows_stands_in_code_or_not_at_every_split(text: str, expected: bool) -> None:  # noqa: FBT001
    for pieces in cuts(text):
        assert expected is inside(pieces), pieces


def test_asking_changes_nothing() -> None:
    """Whether a run of backticks is over is not known yet when somebody asks."""
    code = Code()
    for character in "``":
        code.feed(character)
        assert code.inside
    code.feed("`\n")

    assert code.inside


def test_a_copy_goes_its_own_way() -> None:
    code = Code()
    code.feed("``")
    twin = code.copy()
    twin.feed("` ")
    code.feed(" x `` ")

    assert (False, True) == (code.inside, twin.inside)


@given(text=st.text(alphabet="`~ \na", max_size=60), places=st.lists(st.integers(0, 60)))
def test_no_split_changes_the_answer(text: str, places: list[int]) -> None:
    assert inside([text]) == inside(cut_at(text, places))
