"""`headgate.record`: what is written of an exchange, whatever becomes of it, and that no key is."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from raw_http import WITHIN_S
from recording import ask, recorded, recordings
from test_cli_serve import running

from headgate.cassette import Cassette
from headgate.messages import HttpRequest
from headgate.record.recorder import Recorder, RecordingUpstream
from headgate.testing.fake_engine import CLOSE, CUT, HANG, Asked, Script, plain, sse, streamed
from headgate.upstream.base import Call, Receiver, Reply
from headgate.upstream.fetch import fetch
from headgate.upstream.http import HttpUpstream

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
PATH = "/v1/chat/completions"
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": true}'
JSON = {"content-type": "application/json"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = sse({"choices": []})


def test_an_exchange_is_kept_byte_for_byte(tmp_path: Path) -> None:
    with running(streamed(EVENT, 0.05, EVENT)) as engine, recorded(engine.url, tmp_path) as url:
        got = ask(url, "POST", PATH, BODY, {**JSON, "x-own": "1"})
        [one] = recordings(tmp_path)

    assert (200, EVENT * 2, True) == (got.status, got.body, got.whole)
    assert (BODY, EVENT * 2) == (one.request, one.response)
    assert BODY == engine.asked[0].body
    assert "1" == engine.asked[0].headers["x-own"]
    assert (PATH, "POST", "m", 200) == (one.path, one.method, one.meta.model, one.meta.status)
    assert ("complete", False, "recorded") == (one.meta.ended, one.meta.truncated, one.meta.source)
    assert "x-own: 1" in one.meta.request_headers
    assert "content-type: text/event-stream" in one.meta.response_headers
    assert [len(EVENT)] * 2 == [len(piece.data) for piece in one.pieces]
    assert one.pieces[1].at_s - one.pieces[0].at_s > 0.04


def test_any_path_method_and_body_pass(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Script:
        return plain(asked.body or b"none", status=201, content_type="application/x-any")

    with running(answer) as engine, recorded(engine.url, tmp_path) as url:
        got = [
            ask(url, "GET", "/api/tags?a=1&b=%20"),
            ask(url, "POST", "/raw", b"\x00\xff no JSON"),
            ask(url, "DELETE", "/api/delete", b'{"a": 1}'),
            ask(url, "HEAD", "/"),
        ]
        kept = recordings(tmp_path)

    assert [b"none", b"\x00\xff no JSON", b'{"a": 1}', b""] == [one.body for one in got]
    assert ["GET /api/tags?a=1&b=%20", "/raw", "DELETE /api/delete", "GET /"] == [one.meta.path for one in kept]
    assert [b"", b"\x00\xff no JSON", b'{"a": 1}', b""] == [one.request for one in kept]
    assert {201} == {one.status for one in got}
    assert ["", "request.raw", "request.json", ""] == [_request_file(folder) for folder in sorted(tmp_path.iterdir())]


def _request_file(folder: Path) -> str:
    return next((path.name for path in folder.iterdir() if path.name.startswith("request.")), "")


@pytest.mark.parametrize(
    ("script", "ended", "body"),
    [
        ([HEAD, b"%x\r\n" % len(EVENT) + EVENT + b"\r\n", 0.05, CUT], "reset", EVENT),
        ([HEAD, b"%x\r\n" % len(EVENT) + EVENT + b"\r\n", CLOSE], "cut", EVENT),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", CLOSE], "cut", b"half"),
        ([b"nonsense\r\n\r\n", CLOSE], "upstream_protocol", b""),
    ],
    ids=["reset", "cut", "short", "no HTTP"],
)
def test_a_break_is_kept_and_passed_on(script: Script, ended: str, body: bytes, tmp_path: Path) -> None:
    with running(list(script)) as engine, recorded(engine.url, tmp_path) as url:
        got = ask(url, "POST", PATH, BODY, JSON)
        [one] = recordings(tmp_path)

    assert (ended, True, body) == (one.meta.ended, True, one.response)
    if one.meta.status:
        assert (body, False) == (got.body, got.whole)
    else:
        assert (502, "upstream_protocol") == (got.status, json.loads(got.body)["error"]["code"])


def test_an_engine_that_is_not_there_is_a_502_and_a_recording(tmp_path: Path) -> None:
    with recorded("http://127.0.0.1:1", tmp_path) as url:
        got = ask(url, "POST", PATH, BODY, JSON)
        [one] = recordings(tmp_path)

    assert (502, "upstream_connect", 0) == (got.status, one.meta.ended, one.meta.status)


def test_a_client_that_leaves_is_kept_and_frees_the_engine(tmp_path: Path) -> None:
    script: Script = [HEAD, b"%x\r\n" % len(EVENT) + EVENT + b"\r\n", HANG]
    with running(script) as engine, recorded(engine.url, tmp_path) as url:
        place = urlsplit(url)
        with socket.create_connection((place.hostname, place.port), WITHIN_S) as client:
            client.sendall(b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}" % PATH.encode())
            while EVENT not in client.recv(65536):
                pass
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        [one] = recordings(tmp_path)

    assert ("client_gone", True, EVENT) == (one.meta.ended, one.meta.truncated, one.response)


# Keys

CANARY = 'hgc-Kan/4r1+e=n"v0gel'


def places(key: str) -> list[tuple[str, dict[str, str], bytes, list[bytes]]]:
    """Requests and replies that hold a key in every kind of place; its request always names it in a header."""
    quoted, in_path = json.dumps(key)[1:-1], key.replace('"', "%22")
    own = {"authorization": f"Bearer {key}"}
    text = json.dumps({"content": f"is {key}?"}).encode()
    nested = json.dumps({"arguments": json.dumps({"k": key})}).encode()
    codes = "".join(f"\\u{ord(character):04X}" for character in key).encode()
    every = range(1, len(text))
    return [
        (PATH, own, text, [text]),
        (PATH, {"X-API-Key": key}, nested, [nested]),
        (PATH, {"cookie": f"session={key}; a=b"}, b"not JSON " + key.encode(), [b"\xff" + key.encode()]),
        (PATH, {**own, "x-note": f"it is {key}", "referer": f"http://x/?k={key}"}, b'"' + codes + b'"', [codes]),
        (PATH, own, b"", [text[at : at + 1] for at in range(len(text))]),
        *((PATH, own, b"{}", [text[:at], text[at:]]) for at in every),
        (f"/v1?key={in_path}", {}, quoted.encode(), [quoted.encode()]),
        (f"/{in_path}/x", own, b"", [b"x"]),
    ]


@pytest.mark.parametrize("case", places(CANARY), ids=str)
def test_no_place_leaks_a_key(case: tuple[str, dict[str, str], bytes, list[bytes]], tmp_path: Path) -> None:
    path, headers, body, pieces = case

    kept = asyncio.run(
        _record_through_memory(HttpRequest(path=path, headers=tuple(headers.items()), body=body), pieces, tmp_path)
    )

    assert (len(body), sum(map(len, pieces))) == (len(kept.request), len(kept.response))
    assert [len(piece) for piece in pieces] == [len(piece.data) for piece in kept.pieces]
    assert kept.meta.masks
    _assert_gone(tmp_path)


def _assert_gone(directory: Path) -> None:
    spelled = {CANARY, json.dumps(CANARY)[1:-1], CANARY.replace('"', "%22"), "Kan", "v0gel", "u004B", "u0076"}
    for path in directory.rglob("*"):
        texts = [str(path.name).lower(), *([path.read_text("latin-1").lower()] if path.is_file() else [])]
        for text in texts:
            assert not [word for word in spelled if word.lower() in text], path


async def _record_through_memory(request: HttpRequest, pieces: list[bytes], directory: Path) -> Cassette:
    """Record an exchange whose engine brings exactly these pieces."""
    upstream = RecordingUpstream(_Engine(pieces), Recorder(directory), secrets=())
    await upstream.fetch(request)
    [one] = recordings(directory)
    return one


class _Engine:
    """An upstream that says what it is given."""

    name = "engine"

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def open(self, request: HttpRequest, receiver: Receiver, /) -> Call:
        asyncio.get_running_loop().call_soon(self._run, receiver)
        return self

    async def fetch(self, request: HttpRequest, /) -> Reply:
        return await fetch(self, request, body_bytes_max=10_000)

    async def close(self) -> None:
        """Nothing is open."""

    def _run(self, receiver: Receiver) -> None:
        receiver.head(200, [("content-type", "text/plain"), ("set-cookie", f"s={CANARY}")])
        for piece in self.pieces:
            receiver.data(piece)
        receiver.end()

    def pause(self) -> None:
        """It is over at once."""

    resume = abort = pause


def test_a_configured_key_goes_wherever_it_comes_up(tmp_path: Path) -> None:
    """The engine's own key never passes the recorder, but an engine may quote it."""
    script = streamed(CANARY[:7].encode(), 0.05, CANARY[7:].encode())
    with running(script) as engine, recorded(engine.url, tmp_path, secrets=[CANARY]) as url:
        got = ask(url, "POST", PATH, json.dumps({"a": CANARY}).encode(), JSON)
        [one] = recordings(tmp_path)

    assert CANARY.encode() == got.body  # the client gets what the engine said
    assert b"*" * len(CANARY) == one.response
    assert ["request.json 7 22 known", "response.raw 0 21 known"] == list(one.meta.masks)
    _assert_gone(tmp_path)


# The disk


@POSIX
def test_only_the_user_may_read_a_recording(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with running(streamed(EVENT)) as engine, recorded(engine.url, tmp_path / "new") as url:
            ask(url, "POST", PATH, BODY, JSON)
            recordings(tmp_path / "new")
    finally:
        os.umask(before)

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    }
    files = {"meta.toml", "request.json", "response.raw", "chunks.txt"}
    assert files < set(modes)
    assert all(mode == (0o600 if name in files else 0o700) for name, mode in modes.items()), modes


def test_names_sort_by_time_and_hold_nothing_odd(tmp_path: Path) -> None:
    with running(streamed(EVENT)) as engine, recorded(engine.url, tmp_path) as url:
        for path in ("/b", "/a/..%2F..%2Fetc/x", "/con:*?<>|" + "%ff" * 60):
            ask(url, "GET", path)
        recordings(tmp_path)

    names = [folder.name for folder in sorted(tmp_path.iterdir())]
    assert ["0001", "0002", "0003"] == [name.split("-")[1] for name in names]
    assert all(set(name) <= set("0123456789abcdefghijklmnopqrstuvwxyzTZ.-") and len(name) < 80 for name in names)


def _full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A disk without room, from the first byte of a reply on."""
    from headgate.record import tape

    def write(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tape, "chunk_line", write)
    return monkeypatch.undo


def _block(directory: Path) -> None:
    """A file where the directory was."""
    shutil.rmtree(directory)
    directory.write_bytes(b"")


def test_a_full_disk_costs_the_recording_only_and_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    async def run(url: str) -> None:
        upstream = RecordingUpstream(HttpUpstream("", url), Recorder(tmp_path, complain=said.append))
        room = _full(monkeypatch)
        for _ in range(3):
            assert EVENT == (await upstream.fetch(HttpRequest(path=PATH, body=BODY))).body
        room()
        await upstream.fetch(HttpRequest(path=PATH, body=BODY))
        _block(tmp_path)
        assert EVENT == (await upstream.fetch(HttpRequest(path=PATH, body=BODY))).body
        await upstream.close()

    with running(streamed(EVENT)) as engine:
        asyncio.run(run(engine.url))

    assert 2 == len(said)
    assert "No space left on device" in said[0]
    assert "go on without being recorded" in said[1]


def test_ten_megabytes_cost_no_memory(tmp_path: Path) -> None:
    """Pieces go to the disk as they come; only what may be part of a key waits."""
    piece = sse({"choices": [{"delta": {"content": "hello"}}]}) * 1_000

    async def run() -> int:
        recorder = Recorder(tmp_path)
        tape = recorder.begin(HttpRequest(path=PATH, body=BODY), "", frozenset())
        assert tape is not None
        tape.head(200, [])
        tape.data(0, piece)
        tracemalloc.start()
        size = 0
        while size < 10_000_000:
            tape.data(time.monotonic(), piece)
            size += len(piece)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        tape.close("complete")
        return peak

    assert asyncio.run(run()) < 20 * len(piece) < 1_500_000
    [one] = recordings(tmp_path)
    assert len(one.response) > 10_000_000
