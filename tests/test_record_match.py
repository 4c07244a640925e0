"""`headgate.record.match` and `spoiler`: which cassette answers, what a miss says, and how a reply is broken."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from recording import ask, relayed

from headgate.cassette import Cassette, Meta, Piece
from headgate.errors import UsageError
from headgate.messages import HttpRequest
from headgate.record.folders import load
from headgate.record.match import VOLATILE, Match, Matcher
from headgate.record.spoiler import Fault, Kind, Spoiler, parse_fault
from headgate.upstream.replay import ReplayUpstream

PATH = "/v1/chat/completions"
BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5}'


def cassette(reply: str, body: bytes = BODY, path: str = PATH, response_headers: tuple[str, ...] = ()) -> Cassette:
    pieces = (Piece(0, reply[:2].encode()), Piece(0, reply[2:].encode()))
    return Cassette(meta=Meta(path=path, model="m", response_headers=response_headers), request=body, pieces=pieces)


def answer(matcher: Matcher, body: bytes = BODY, path: str = PATH, method: str = "POST", **headers: str) -> str:
    request = HttpRequest(method=method, path=path, body=body, headers=tuple(headers.items()))
    chosen = matcher((), request)
    return "nothing" if chosen is None else f"{chosen.meta.status} {chosen.response.decode()}"


def body(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(BODY), **fields})


@pytest.mark.parametrize("field", VOLATILE)
def test_a_loose_match_looks_past_what_changes(field: str) -> None:
    assert "200 one" == answer(Matcher({"a": cassette("one")}), body(**{field: "x"}))


def test_the_page_lists_what_changes() -> None:
    page = (Path(__file__).parents[1] / "docs" / "record.md").read_text("utf-8")

    assert f"nor these: {', '.join(f'`{field}`' for field in VOLATILE)}." in page


@pytest.mark.parametrize(
    "same",
    [
        b'{ "temperature": 0.50, "messages": [{"content": "hi", "role": "user"}], "model": "m" }',
        body(top_p=None),
        body(model="\u006d"),
    ],
)
def test_a_loose_match_reads_the_body(same: bytes) -> None:
    cassettes = {"a": cassette("one")}

    assert "200 one" == answer(Matcher(cassettes), same)
    assert answer(Matcher(cassettes, Match.EXACT), same).startswith("404") == (same != BODY)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (body(temperature=1), "/temperature"),
        (body(stream=True), "/stream (not recorded)"),
        (b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', "/temperature (recorded only)"),
        (body(messages=[{"role": "user", "content": "ho"}]), "/messages/0/content"),
        (body(messages=[]), "/messages"),
        (b"no JSON", "the body"),
        (b"", "the body"),
    ],
)
def test_a_miss_names_the_nearest_and_what_differs(asked: bytes, place: str) -> None:
    far = cassette("far", body(model="x", messages=[1, 2], temperature=9, top_p=1))

    said = answer(Matcher({"far": far, "near": cassette("one")}), asked)

    assert said.startswith("404 ")
    assert f"The nearest is near, which differs at {place}." in said or "the body" == place
    assert '"ho"' not in said


def test_a_miss_of_the_path_lists_the_paths() -> None:
    matcher = Matcher({"a": cassette("one"), "b": cassette("two", b"", "GET /v1/models")})

    assert "There are cassettes for GET /v1/models, POST /v1/chat/completions." in answer(matcher, path="/v2")


def test_an_exact_match_takes_the_query_and_the_bytes() -> None:
    matcher = Matcher({"a": cassette("one", path=f"{PATH}?a=1")}, Match.EXACT)

    assert "200 one" == answer(matcher, path=f"{PATH}?a=1")
    assert "differs at the query." in answer(matcher, path=f"{PATH}?a=2")
    assert "the bytes of the body, but not what they mean" in answer(matcher, BODY + b" ", f"{PATH}?a=1")


@pytest.mark.parametrize("match", [Match.EXACT, Match.LOOSE])
def test_a_key_of_the_request_does_not_hinder_a_match(match: Match) -> None:
    key = "a-very-own-key"
    recorded = cassette("one", body(user_key="*" * len(key)), f"{PATH}?key={'*' * len(key)}")

    said = answer(
        Matcher({"a": recorded}, match), body(user_key=key), f"{PATH}?key={key}", authorization=f"Bearer {key}"
    )

    assert "200 one" == said


def test_what_was_asked_twice_is_answered_in_turn() -> None:
    matcher = Matcher({"a": cassette("one"), "b": cassette("two")})

    assert ["200 one", "200 two", "200 one"] == [answer(matcher) for _ in range(3)]


def test_in_order_nothing_is_compared_and_an_end_is_said() -> None:
    matcher = Matcher({"a": cassette("one"), "b": cassette("two")}, Match.ORDER)

    said = [answer(matcher, b"?", "/any") for _ in range(3)]

    assert ["200 one", "200 two"] == said[:2]
    assert said[2].startswith("404 ")
    assert "all 2 cassettes were played" in said[2]


def test_models_and_health_are_left_to_the_replay_unless_recorded() -> None:
    models = {"a": cassette("one"), "b": cassette("mine", b"", "GET /v1/models")}

    assert "nothing" == answer(Matcher({"a": cassette("one")}), b"", "/v1/models", "GET")
    assert "nothing" == answer(Matcher(models), b"", "/health", "GET")
    assert "200 mine" == answer(Matcher(models), b"", "/v1/models", "GET")


# Faults

TEXT = "0123456789"


def spoiled(fault: Fault, *headers: str) -> tuple[bytes, bool]:
    one = cassette(TEXT, response_headers=headers)
    with relayed(Spoiler(ReplayUpstream("x", [one], speed=0, chooser=Matcher({"a": one})), fault)) as url:
        got = ask(url, "POST", PATH, BODY)
    return got.body, got.whole


@pytest.mark.parametrize("at", [0, 1, 2, 5, 9])
def test_a_cut_gives_exactly_so_many_bytes(at: int) -> None:
    assert (TEXT[:at].encode(), False) == spoiled(Fault(Kind.CUT, at))


@pytest.mark.parametrize("at", [0, 1, 2, 5, 9])
def test_a_reset_breaks_the_reply_there(at: int) -> None:
    got, whole = spoiled(Fault(Kind.RESET, at))

    assert TEXT.encode()[:at].startswith(got)  # a system may drop what its program has not read yet
    assert not whole


@pytest.mark.parametrize("at", [0, 1, 2, 9])
def test_a_corrupt_byte_is_one_byte(at: int) -> None:
    expected = bytearray(TEXT.encode())
    expected[at] ^= 0xFF

    assert (bytes(expected), True) == spoiled(Fault(Kind.CORRUPT, at))


@pytest.mark.parametrize("at", [0, 1, 2, 9])
def test_a_stall_falls_silent_and_stays_open(at: int) -> None:
    engine = ReplayUpstream("x", [cassette(TEXT)], speed=0, chooser=Matcher({"a": cassette(TEXT)}))
    with relayed(Spoiler(engine, Fault(Kind.STALL, at))) as url:
        got = ask(url, "POST", PATH, BODY, wait_s=0.3)

    assert (TEXT[:at].encode(), "TimeoutError") == (got.body, got.error)


@pytest.mark.parametrize("kind", Kind)
def test_a_shorter_reply_passes(kind: Kind) -> None:
    assert (TEXT.encode(), True) == spoiled(Fault(kind, 11))


def test_a_recorded_length_makes_a_cut_visible() -> None:
    assert (b"0123", False) == spoiled(Fault(Kind.CUT, 4), "content-length: 10", "x-own: 1")


@pytest.mark.parametrize("text", ["", "cut", "cut@", "cut@-1", "cut@1.5", "drop@1", "cut@1 "])
def test_another_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cut@N"):
        parse_fault(text)


# Folders


def test_folders_are_searched_and_faults_name_them(tmp_path: Path) -> None:
    for name in ("b/two", "a/one"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for file, data in cassette(name[2:]).files().items():
            (folder / file).write_bytes(data)

    assert [str(tmp_path / "a/one"), str(tmp_path / "b/two")] == list(load([tmp_path]))
    assert [str(tmp_path / "b/two")] == list(load([tmp_path / "b" / "two"]))
    (tmp_path / "b/two/chunks.txt").unlink()
    with pytest.raises(UsageError, match=r"b.two: chunks.txt is missing"):
        load([tmp_path])
    with pytest.raises(UsageError, match="is no folder"):
        load([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no cassette"):
        load([tmp_path / "empty"])
