"""`markup.readers.forms`: one family, several ways to write a call."""

from __future__ import annotations

from headgate.limits import DEFAULTS
from headgate.markup.family import Control, Settings
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.scanner import Scanner
from headgate.markup.spans import Kind, Span

ONE, TWO = (Frame(openers=(f"<{name}>",), closers=(f"</{name}>",)) for name in ("one", "two"))
FORMS = Forms(
    "both",
    [
        CallFamily("both", ONE.openers, ONE.reader, follows=("{",)),
        CallFamily("both", TWO.openers, TWO.reader, follows=("{",), unmistakable=False),
    ],
)
DECLARED = Settings({"f": None}, True, True, DEFAULTS)
UNKNOWN = Settings(None, True, True, DEFAULTS)
CALL = '{"name": "f", "arguments": {}}'


def scanner(text: str) -> Scanner:
    found = Scanner()
    found.feed(text)
    return found


def kinds(out: list[Span]) -> list[Kind]:
    return [span.kind for span in out]


def test_its_openers_are_those_of_its_forms() -> None:
    assert ("<one>", "<two>") == FORMS.openers


def test_any_form_opens_it() -> None:
    assert [True, True] == [FORMS.opens(f"<{name}>{CALL}", DECLARED) for name in ("one", "two")]
    assert [None, None] == [FORMS.opens(begun, DECLARED) for begun in ("<one>", "<t")]
    assert False is FORMS.opens("<one>text", DECLARED)


def test_a_form_that_is_not_wanted_opens_nothing() -> None:
    assert FORMS.wanted(UNKNOWN)
    assert True is FORMS.opens(f"<one>{CALL}", UNKNOWN)
    assert False is FORMS.opens(f"<two>{CALL}", UNKNOWN)
    assert not FORMS.wanted(Settings({}, True, True, DEFAULTS))


def test_the_form_that_it_begins_like_reads_a_block() -> None:
    for name in ("one", "two"):
        out: list[Span] = []
        text = scanner(f"<{name}>{CALL}</{name}> and on")

        assert FORMS.reader(DECLARED).feed(text, out) is Control.OVER
        assert [Kind.CALL, Kind.ARGUMENTS, Kind.CALL_END] == kinds(out)[:3]
        assert " and on" == text.take_all()


def test_a_copy_goes_on_alone() -> None:
    out: list[Span] = []
    text = scanner(f"<two>{CALL[:-1]}")
    reader = FORMS.reader(DECLARED)

    assert reader.feed(text, out) is Control.MORE
    twin, rest = reader.copy(), scanner(text.peek(100))
    text.feed("}</two>")
    assert reader.feed(text, out) is Control.OVER
    assert twin.feed(rest, []) is Control.MORE


def test_a_block_that_is_cut_is_its_forms() -> None:
    out: list[Span] = []
    reader = FORMS.reader(DECLARED)
    text = scanner("<one>{")
    reader.feed(text, out)

    assert reader.close(text, out) is False
    assert [Kind.TEXT] == kinds(out)
    assert "<one>{" == "".join(span.raw for span in out)
