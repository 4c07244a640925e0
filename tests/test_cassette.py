"""`headgate.cassette`: files in, a value out, and back; every fault names its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cassette import Cassette, Meta, Piece
from headgate.errors import UsageError

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = sorted(path.parent for kind in ("dialects", "endpoints") for path in (FIXTURES / kind).rglob("meta.toml"))

FILES = {
    "meta.toml": (
        b'engine = "llama.cpp"\nversion = "b1"\nmodel = "tiny"\ndate = "2026-11-20"\npath = "/v1/chat/completions"\n'
        b'status = 200\ncontent_type = "text/event-stream"\nshows = "A \\"quoted\\" word."\nsource = "recorded"\n'
    ),
    "request.json": b'{"stream": true}',
    "response.raw": b"data: 1\n\ndata: 2\n\n",
    "chunks.txt": b"1.25 9\n3.0 9\n",
}
CASSETTE = Cassette(
    meta=Meta(engine="llama.cpp", version="b1", model="tiny", date="2026-11-20", shows='A "quoted" word.'),
    request=b'{"stream": true}',
    pieces=(Piece(0.00125, b"data: 1\n\n"), Piece(0.003, b"data: 2\n\n")),
)


def changed(name: str, content: bytes | None) -> dict[str, bytes]:
    """Return the files with one replaced or left out."""
    files = {key: value for key, value in FILES.items() if key != name}
    return files if content is None else files | {name: content}


def test_files_become_a_cassette_and_the_same_files_again() -> None:
    assert CASSETTE == Cassette.load(FILES)
    assert CASSETTE.files() == FILES


def test_pieces_are_seconds_and_bytes() -> None:
    assert [(0.00125, b"data: 1\n\n"), (0.003, b"data: 2\n\n")] == list(Cassette.load(FILES).pieces)
    assert CASSETTE.response == FILES["response.raw"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(FIXTURES).as_posix())
def test_every_fixture_is_a_cassette(folder: Path) -> None:
    """A bug report is a cassette is a fixture."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    cassette = Cassette.load(files)
    written = cassette.files()

    assert cassette == Cassette.load(written)
    same = written.keys() & {"meta.toml", "request.json", "request.raw", "response.raw"}
    assert {name: files[name] for name in same} == {name: written[name] for name in same}


@pytest.mark.parametrize(
    ("path", "expected"), [("/api/chat", ("POST", "/api/chat")), ("GET /v1/models", ("GET", "/v1/models"))]
)
def test_a_path_may_name_its_method(path: str, expected: tuple[str, str]) -> None:
    cassette = Cassette(meta=Meta(path=path))

    assert expected == (cassette.method, cassette.path)


def test_a_request_that_is_no_json_has_a_file_of_its_own() -> None:
    files = Cassette(meta=Meta(), request=b"{broken").files()

    assert b"{broken" == files["request.raw"]
    assert b"{broken" == Cassette.load(files).request
    assert b"" == Cassette.load(changed("request.json", None)).request


def test_unknown_keys_are_kept() -> None:
    """A later version's recording passes through an earlier version unharmed."""
    meta = FILES["meta.toml"] + b'derailed = true\nwaits_for = "markup:x"\nmany = ["a", "b"]\n"odd key" = 1.5\n'
    files = changed("meta.toml", meta)
    more = {"derailed": True, "waits_for": "markup:x", "many": ["a", "b"], "odd key": 1.5}

    assert more == Cassette.load(files).more
    assert files == Cassette.load(files).files()


def test_what_the_replay_goes_by_is_written_only_where_it_is_said() -> None:
    meta = Meta(asks=("leak", "spill"), fallback=True, truncated=True)
    written = Cassette(meta=meta).files()["meta.toml"]

    assert meta == Cassette.load({"meta.toml": written, "response.raw": b"", "chunks.txt": b""}).meta
    assert b"fallback" not in FILES["meta.toml"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_meta_toml(text: str) -> None:
    """TOML refuses control characters that JSON lets stand, so its writer must not be JSON's alone."""
    cassette = Cassette(meta=Meta(shows=text, asks=(text,)), more={f"x{text}": [text]})

    assert cassette == Cassette.load(cassette.files())


@given(st.lists(st.tuples(st.integers(0, 10**9), st.binary(min_size=1, max_size=9))))
def test_any_reads_survive_chunks_txt(reads: list[tuple[int, bytes]]) -> None:
    times_us = sorted(time_us for time_us, _ in reads)
    pieces = tuple(Piece(time_us / 1000 / 1000, data) for time_us, (_, data) in zip(times_us, reads, strict=True))
    files = Cassette(meta=Meta(), pieces=pieces).files()

    assert files == Cassette.load(files).files()
    assert [piece.data for piece in pieces] == [piece.data for piece in Cassette.load(files).pieces]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("meta.toml", None, "meta.toml is missing"),
        ("response.raw", None, "response.raw is missing"),
        ("chunks.txt", None, "chunks.txt is missing"),
        ("meta.toml", b"engine = ", "meta.toml: Invalid value"),
        ("meta.toml", b'status = "200"', "meta.toml: Expected `int`, got `str` - at `$.status`"),
        ("meta.toml", b'source = "heard"', r"meta.toml: Invalid enum value 'heard' - at `$.source`"),
        ("meta.toml", b"[table]\nx = 1", "meta.toml: Expected .* got `object` - at `$.table`"),
        ("meta.toml", b'x = "\xff"', "meta.toml: expected UTF-8, got another byte at offset 5"),
        ("chunks.txt", b"1.0 9\n", "chunks.txt: the lengths sum to 9 bytes, but response.raw has 18"),
        ("chunks.txt", b"1.0 9\n2.0 10\n", "chunks.txt: the lengths sum to 19 bytes, but response.raw has 18"),
        ("chunks.txt", b"1.0 9\nx 9\n", "chunks.txt, line 2: expected milliseconds and a length, got 'x 9'"),
        ("chunks.txt", b"1.0\n2.0 18\n", "chunks.txt, line 1: expected milliseconds and a length"),
        ("chunks.txt", b"1.0 9 9\n2.0 9\n", "chunks.txt, line 1: expected milliseconds from 0 on"),
        ("chunks.txt", b"1.0 18\n2.0 0\n", "chunks.txt, line 2: expected milliseconds from 0 on"),
        ("chunks.txt", b"-1.0 18\n", "chunks.txt, line 1: expected milliseconds from 0 on"),
        ("chunks.txt", b"nan 18\n", "chunks.txt, line 1: expected milliseconds from 0 on"),
        ("chunks.txt", b"2.0 9\n1.0 9\n", "chunks.txt, line 2: expected a time from 2 ms on, got 1 ms"),
    ],
)
def test_a_fault_names_its_file(name: str, content: bytes | None, fault: str) -> None:
    with pytest.raises(UsageError, match=fault.replace("$", r"\$")):
        Cassette.load(changed(name, content))
