"""`headgate.rows`: what is found at once is what is found record by record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.rows import BYTES_MAX, Rows

HEAD, TAIL = b'data: {"a":"', b'","b":1}\n\n'
ENVELOPES = [
    (HEAD, b"", TAIL),
    (b'event: x\ndata: {"a":"', b"", b'"}\n\n'),
    (b'{"at":"', b'","text":"', b'"}\n'),
]
JUNK = [b"", b": ping\n\n", b'data: {"c":2}\n\n', b"\n", b"data: [DONE]\n\n", b'","text":"', HEAD, TAIL, b"x"]

texts = st.text(st.characters(exclude_characters='"\\\n', exclude_categories=["Cs"]), max_size=6).map(str.encode)
records = st.lists(st.tuples(texts, texts, st.sampled_from([b"", b"", b"", *JUNK])), max_size=9)


@pytest.mark.parametrize("envelope", ENVELOPES, ids=["one line", "two lines", "with a time"])
@given(said=records, cut=st.integers(0, 40))
def test_it_finds_what_stands_in_the_records_it_begins_with(
    envelope: tuple[bytes, bytes, bytes], said: list[tuple[bytes, bytes, bytes]], cut: int
) -> None:
    head, middle, tail = envelope
    blocks = [head + (time + middle if middle else b"") + text + tail + junk for time, text, junk in said]
    data = b"before" + b"".join(blocks)
    data = data[: max(6, len(data) - cut)]
    rows = Rows(*envelope)
    pieces, found = rows.find(data, 6)

    size = rows.size(pieces[: len(found)])
    rebuilt = b"".join(head + piece + tail for piece in pieces[: len(found)])
    assert rebuilt == data[6 : 6 + size]
    assert all(not middle or piece.partition(middle)[2] == text for piece, text in zip(pieces, found, strict=False))
    assert all(b"\n" not in text for text in found)
    clean = next((number for number, (_, _, junk) in enumerate(said) if junk), len(said))
    whole = sum(len(block) for block in blocks[:clean])
    if 6 + whole <= len(data):
        assert [text for _, text, _ in said[:clean]] == found[:clean]


def test_a_row_has_a_limit() -> None:
    data = (HEAD + b"word" + TAIL) * 10_000
    rows = Rows(HEAD, b"", TAIL)
    pieces, _ = rows.find(data, 0)

    assert BYTES_MAX - len(HEAD + TAIL) - 4 < rows.size(pieces) <= BYTES_MAX
