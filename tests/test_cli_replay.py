"""`headgate replay` as a process: what it serves, at which pace, and how a mistake is told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from recording import Got, ask
from test_cli_record import PATH, verb

from headgate.cassette import Cassette, Meta, Piece
from headgate.cli import main

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
TEXT = b"0123456789"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with a cassette that takes 0.4 s."""
    one = Cassette(meta=Meta(model="m"), request=BODY, pieces=(Piece(0.1, TEXT[:4]), Piece(0.4, TEXT[4:])))
    (tmp_path / "kept" / "one").mkdir(parents=True)
    for name, data in one.files().items():
        (tmp_path / "kept" / "one" / name).write_bytes(data)
    return tmp_path


def timed(url: str, body: bytes = BODY) -> tuple[float, Got]:
    started_s = time.monotonic()
    got = ask(url, "POST", PATH, body)
    return time.monotonic() - started_s, got


@pytest.mark.parametrize(("speed", "least_s", "most_s"), [("1", 0.39, 5.0), ("10", 0.03, 0.35), ("0", 0.0, 0.3)])
def test_it_answers_at_the_pace_that_was_asked_for(speed: str, least_s: float, most_s: float, kept: Path) -> None:
    with verb("replay", "kept", "--speed", speed, cwd=kept) as replay:
        ask(replay.url, "GET", "/health")  # the first request of a process is slower
        took_s, got = timed(replay.url)
        models = json.loads(ask(replay.url, "GET", "/v1/models").body)
        status, said, errors = replay.end()

    assert (200, TEXT, True) == (got.status, got.body, got.whole)
    assert least_s <= took_s <= most_s
    assert ["m"] == [model["id"] for model in models["data"]]
    assert replay.first.startswith("Headgate replays 1 cassette and listens on http://127.0.0.1:")
    assert ("POST /v1/chat/completions", 130, "") == (said.strip(), status, errors)


def test_a_miss_is_a_404_that_says_why(kept: Path) -> None:
    with verb("replay", "kept", "--match", "exact", cwd=kept) as replay:
        _, got = timed(replay.url, BODY.replace(b"hi", b"ho"))

    assert 404 == got.status
    assert f"The nearest is {Path('kept/one')}, which differs at /messages/0/content." in got.body.decode()


def test_a_fault_breaks_the_reply(kept: Path) -> None:
    with verb("replay", "kept", "--speed", "0", "--fault", "cut@5", cwd=kept) as replay:
        _, got = timed(replay.url)

    assert (TEXT[:5], False) == (got.body, got.whole)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere is no folder. A cassette is a folder with meta.toml"),
        (["kept", "--fault", "drop@1"], "expected a fault of the form cut@N"),
        (["kept", "--speed", "-1"], "expected a speed from 0"),
        (["kept", "--speed", "nan"], "expected a speed from 0"),
        (["kept", "--listen", "192.0.2.1:1"], "expected an address of this machine alone"),
        (["broken"], f"{Path('broken')}: response.raw is missing"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: list[str], said: str, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(kept)
    (kept / "broken").mkdir()
    (kept / "broken" / "meta.toml").write_bytes(b"")

    status = main(["replay", *words])

    errors = capsys.readouterr().err
    assert (2, 1) == (status, errors.count("\n"))
    assert errors.startswith("headgate replay: ")
    assert said in errors
