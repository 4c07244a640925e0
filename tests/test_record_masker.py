"""`headgate.record.masker`: the number of bytes stays, keys do not, and no split of the bytes changes that."""

from __future__ import annotations

import json
import random
import tracemalloc
from itertools import pairwise

import pytest

from headgate.record.heads import credentials, keys_in, mask_header, mask_path
from headgate.record.masker import MASKS_MAX, Masker, masked

KEY = 'hg-canary/7Q+x=9_"zz"\\AAA'
TOKEN = "sk-proj-abcdefghijklmnop0123456789"


def in_pieces(data: bytes, sizes: list[int]) -> tuple[bytes, Masker]:
    masker, out, at = Masker([KEY]), b"", 0
    for size in sizes:
        out += masker.feed(data[at : at + size])
        at += size
    return out + masker.feed(data[at:]) + masker.close(), masker


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


def quoted(text: str) -> str:
    """As it stands between the quotes of a JSON string."""
    return json.dumps(text)[1:-1]


SPELLINGS = {
    "plain": KEY,
    "json": quoted(KEY),
    "json in json": quoted(quoted(KEY)),
    "json in json in json": quoted(quoted(quoted(KEY))),
    "slashes": quoted(KEY).replace("/", "\\/"),
    "escapes": escaped(KEY),
    "upper escapes": escaped(KEY).upper().replace("\\U", "\\u"),
    "escapes in json": quoted(escaped(KEY)),
    "url": "".join(f"%{byte:02X}" for byte in KEY.encode()),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_known_key_goes_however_it_is_spelled(spelling: str) -> None:
    before, after = b'{"a":"x ', b' y"}'

    out, masks = masked(before + spelling.encode() + after, [KEY])

    assert before + b"*" * len(spelling.encode()) + after == out
    assert [(len(before), len(spelling.encode()), "known")] == masks


SHAPED = {
    "token": (f"it is {TOKEN}.", TOKEN),
    "after a line end in json": (f'{{"content":"\\n{TOKEN}"}}', TOKEN),
    "escaped dashes": (r"x sk\u002dabcdefghijklmnop0123 y", r"sk\u002dabcdefghijklmnop0123"),
    "hugging face": ("hf_abcdefghijklmnop0123", "hf_abcdefghijklmnop0123"),
    "signed": ("t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_;", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_"),
    "bearer": ("Bearer abcdefghij0123456789+/==\n", "abcdefghij0123456789+/=="),
    "field": (r'{"api_key" : "p\"q\\", "a": 1}', r"p\"q\\"),
    "field in json": (r'{"arguments":"{\"password\": \"hunter2\"}"}', "hunter2"),
    "private": ("-----BEGIN RSA PRIVATE KEY-----\\nMIIE+/=\\nAB-----END", "\\nMIIE+/=\\nAB"),
}


@pytest.mark.parametrize(("text", "key"), SHAPED.values(), ids=SHAPED)
def test_what_is_shaped_like_a_key_goes(text: str, key: str) -> None:
    assert text.replace(key, "*" * len(key)).encode() == masked(text.encode())[0]


@pytest.mark.parametrize(
    "text",
    [
        "a task-management-system-design, sk-learn, hf_transformers_model_name, eyJ, Bearer of bad news",
        '{"token":" Hello","logprob":-0.1,"bytes":[32]}',
        '{"usage":{"prompt_tokens":1},"password":{"type":"string"},"api_key":null}',
        "chatcmpl-abcdefghijklmnop0123456789 call_abcdefghijklmnop0123456789",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert (text.encode(), []) == masked(text.encode())


def big() -> bytes:
    line = "".join(f"{text} {spelling} " for text, _ in SHAPED.values() for spelling in SPELLINGS.values())
    endless = "sk-" + "a" * 9_000 + ' "password":"' + '\\"' * 5_001 + '" '
    return ((line + "word " * 900 + endless) * 2).encode()


@pytest.mark.parametrize("seed", range(8))
def test_no_split_changes_anything(seed: int) -> None:
    data, chance = big(), random.Random(seed)
    expected, whole = in_pieces(data, [])

    out, masker = in_pieces(data, [chance.choice([1, 3, 50, 4096, 8191, 20_000]) for _ in range(2_000)])

    assert (expected, whole.masks) == (out, masker.masks)
    assert len(data) == len(out)


def test_the_masks_are_exactly_what_was_changed() -> None:
    data = big()

    out, masks = masked(data, [KEY])

    changed = {at for at, (old, new) in enumerate(zip(data, out, strict=True)) if old != new}
    listed = {at for mask in masks for at in range(mask.offset, mask.offset + mask.length)}
    assert changed <= listed
    assert all(out[at] == ord("*") for at in listed)
    assert all(left.offset + left.length <= right.offset for left, right in pairwise(masks))


def test_a_key_is_found_at_every_cut() -> None:
    data = f'{"x" * 4090}"{KEY}" {TOKEN} '.encode()

    for at in range(4080, len(data)):
        out, _ = in_pieces(data, [at])

        assert b"canary" not in out
        assert b"abcdefgh" not in out


def test_an_endless_stream_of_keys_costs_no_memory() -> None:
    masker = Masker([KEY])
    piece = f'data: {{"content":"{TOKEN} {TOKEN} {"hello" * 200}"}}\n\n'.encode() * 60
    tracemalloc.start()
    try:
        for _ in range(160):
            masker.feed(piece)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    masker.close()

    assert 160 * len(piece) > 10_000_000
    assert held < 1_000_000
    assert MASKS_MAX == len(masker.masks)
    assert 160 * 60 * 2 - MASKS_MAX == masker.unlisted


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("authorization", "Bearer short", "authorization: Bearer *****"),
        ("x-api-key", "k", "x-api-key: *"),
        ("cookie", "a=b; c=d", "cookie: ********"),
        ("x-auth-token", "täglich", "x-auth-token: ********"),
        ("x-ratelimit-remaining-tokens", "149984", "x-ratelimit-remaining-tokens: 149984"),
        ("x-note", f"see {TOKEN}", f"x-note: see {'*' * len(TOKEN)}"),
        ("accept", "text/event-stream", "accept: text/event-stream"),
    ],
)
def test_a_header_keeps_its_name_and_its_length(name: str, value: str, expected: str) -> None:
    line = mask_header(name, value, ())

    assert expected == line.text
    assert len(f"{name}: {value}".encode()) == len(line.text.encode())


def test_a_path_loses_the_keys_of_its_query() -> None:
    path = mask_path("/v1beta/models/m:go?alt=sse&key=AIza0&X-Goog-Signature=abc", ())

    assert "/v1beta/models/m:go?alt=sse&key=*****&X-Goog-Signature=***" == path.text
    assert [(32, 5, "query"), (55, 3, "query")] == path.masks


def test_credentials_are_learned_from_heads_but_not_words() -> None:
    headers = [
        ("authorization", "Bearer a-very-own-key"),
        ("x-api-key", "lm-studio"),
        ("cookie", "a=b; session=0123456789"),
    ]

    found = credentials(headers, "/x?key=queried%2Fkey")

    assert {"a-very-own-key", "0123456789", "queried%2Fkey", "queried/key"} <= found
    assert not found & {"lm-studio", "b"}


def test_keys_of_the_environment_are_known_by_their_names() -> None:
    environ = {"OPENAI_API_KEY": "0123456789", "HF_TOKEN": "short", "PATH": "/a/long/path"}

    assert {"0123456789"} == keys_in(environ)
