"""What `headgate serve` logs: one line for each request, in the form that was asked for, and never in anybody's way."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from test_cli_serve import COMMAND, WITHIN_S, Gateway, environment, fails, serve

from headgate.cli._log import text
from headgate.cli._sink import Sink
from headgate.events import Timings, Usage
from headgate.gateway.policy import Outcome, Settlement

KEY, PROMPT = "sk-never-shown", "what is your name?"
KEYS = {"HEADGATE_API_KEYS": f"sk-another,{KEY}"}


def ask(gateway: Gateway, method: str, path: str, body: Any = None, **headers: str) -> int:
    """Ask, read the whole reply, and return its status."""
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=WITHIN_S)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, None if body is None else json.dumps(body), named)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def chat(gateway: Gateway, *, stream: bool, **headers: str) -> int:
    asked = {"model": "demo", "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    return ask(gateway, "POST", "/v1/chat/completions", asked, authorization=f"Bearer {KEY}", **headers)


def logged(gateway: Gateway) -> list[str]:
    """All lines, after an orderly end."""
    gateway.end(signal.SIGTERM)
    assert gateway.process.stderr is not None
    return gateway.process.stderr.read().splitlines()


# Each request is one line


def test_piped_each_request_is_one_object(tmp_path: Path) -> None:
    with serve("--demo", "--port", "0", cwd=tmp_path, environ=KEYS) as gateway:
        assert 200 == chat(gateway, stream=True, x_request_id="my-first")
        assert 200 == chat(gateway, stream=False, x_request_id="my-second")
        assert 401 == ask(gateway, "GET", "/v1/models", authorization="Bearer sk-wrong", x_request_id="my-third")
        assert 404 == ask(gateway, "GET", "/nothing", x_api_key=KEY)
        assert 421 == ask(gateway, "GET", "/v1/models", host="evil.test", x_api_key=KEY)
        assert 400 == ask(gateway, "GET", "/v1/models", host="a/b", x_api_key=KEY)
        assert 400 == ask(gateway, "POST", "/v1/chat/completions", {"messages": PROMPT}, x_api_key=KEY)
        lines = logged(gateway)

    entries = [json.loads(line) for line in lines]
    assert [
        ("ok", 200, None),
        ("ok", 200, None),
        ("refused", 401, "unauthorized"),
        ("refused", 404, "not_found"),
        ("refused", 421, "misdirected_host"),
        ("refused", 400, "invalid_request"),
        ("refused", 400, "invalid_request"),
    ] == [(entry["outcome"], entry["status"], entry.get("code")) for entry in entries]
    assert ["my-first", "my-second", "my-third"] == [entry["request_id"] for entry in entries[:3]]
    assert len(entries) == len({entry["request_id"] for entry in entries})
    first = entries[0]
    assert ("key-2", "chat", "demo", "demo") == (
        first["principal"],
        first["action"],
        first["upstream"],
        first["model"],
    )
    assert 0 < first["first_byte_ms"] <= first["total_ms"]
    assert (15, 7) == (first["input_tokens"], first["output_tokens"])
    for secret in (KEY, "sk-wrong", PROMPT, "Neo Vim"):
        assert not any(secret in line for line in lines)


def test_as_text_each_request_is_one_line(tmp_path: Path) -> None:
    with serve("--demo", "--port", "0", "--log", "text", cwd=tmp_path) as gateway:
        chat(gateway, stream=True, x_request_id="my-first")
        ask(gateway, "GET", "/nothing", x_request_id="my-second")
        first, second = logged(gateway)

    words = first.split()
    assert ["200", "ok", "chat", "upstream=demo", "model=demo"] == words[2:7]
    # A rate is there unless the whole answer came at once.
    assert ["tokens=15+7", "id=my-first"] == [word for word in words[9:] if not word.startswith("tokens_per_s=")]
    assert second.split()[2:6] == ["404", "refused", "-", "code=not_found"]


@pytest.mark.parametrize("how", [("--log", "off"), "HEADGATE_LOG"])
def test_requests_are_left_out_where_nobody_wants_them(tmp_path: Path, how: Any) -> None:
    flags, variables = ((), {how: "off"}) if isinstance(how, str) else (how, {})
    with serve("--demo", "--port", "0", *flags, cwd=tmp_path, environ=variables) as gateway:
        chat(gateway, stream=True)

        assert [] == logged(gateway)


def test_a_flag_is_stronger_than_the_variable(tmp_path: Path) -> None:
    with serve("--demo", "--port", "0", "--log", "text", cwd=tmp_path, environ={"HEADGATE_LOG": "json"}) as gateway:
        chat(gateway, stream=True)
        [line] = logged(gateway)

    assert not line.startswith("{")


def test_a_form_that_is_none_is_one_line(tmp_path: Path) -> None:
    assert "HEADGATE_LOG: expected one of text, json, off, got 'loud'." in fails(
        cwd=tmp_path, environ={"HEADGATE_LOG": "loud"}
    )


@pytest.mark.parametrize(("level", "lines"), [("warning", 0), ("debug", 2)])
def test_probes_that_are_answered_fill_no_log(tmp_path: Path, level: str, lines: int) -> None:
    with serve("--demo", "--port", "0", "--log-level", level, cwd=tmp_path) as gateway:
        assert 200 == ask(gateway, "GET", "/health")
        assert 200 == ask(gateway, "GET", "/ready")
        actions = [entry.get("action") for entry in map(json.loads, logged(gateway))]

    assert lines == len([action for action in actions if action in {"health", "ready"}])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_as_json_every_line_is_an_object(tmp_path: Path) -> None:
    """Also what is no request: a warning at the start, a reload, what failed."""
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    keys.chmod(0o644)
    (tmp_path / "headgate.toml").write_text(
        '[server]\nport = 0\napi_keys_file = "keys"\n[[upstream]]\nname = "u"\nurl = "http://127.0.0.1:1"\n'
        'models = ["demo"]\n'
    )
    with serve(cwd=tmp_path) as gateway:
        gateway.process.send_signal(signal.SIGHUP)
        assert gateway.process.stderr is not None
        lines = [gateway.process.stderr.readline() for _ in range(3)]
        assert 502 == chat(gateway, stream=True)
        lines += logged(gateway)

    messages = [json.loads(line).get("message", "") for line in lines]
    assert "can be read by others" in messages[0]
    assert "read headgate.toml again" in messages[2]
    assert "upstream_connect" in messages[3]
    assert "upstream_failed" == json.loads(lines[4])["outcome"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_on_a_terminal_it_is_text(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [*COMMAND, "--demo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=theirs
    ) as it:
        try:
            assert it.stdout is not None
            url = it.stdout.readline().split()[3].decode()
            with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0)) as client:
                client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
                shown = os.read(ours, 4096)
        finally:
            it.kill()
            os.close(theirs)
            os.close(ours)

    assert b" 200 ok models " in shown


def test_what_was_answered_before_a_signal_is_in_the_log(tmp_path: Path) -> None:
    with serve("--demo", "--port", "0", cwd=tmp_path) as gateway:
        for number in range(50):
            ask(gateway, "GET", "/v1/models", x_request_id=f"id-{number}")
        ids = [json.loads(line)["request_id"] for line in logged(gateway)]

    assert [f"id-{number}" for number in range(50)] == ids


# A log that nobody reads


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Windows hold as much as they like")
def test_a_log_that_nobody_reads_stops_nobody(tmp_path: Path) -> None:
    """A pipe holds 64 KiB: some hundred lines."""
    requests = 1000
    with serve("--demo", "--port", "0", cwd=tmp_path) as gateway:
        connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=WITHIN_S)
        for _ in range(requests):
            connection.request("GET", "/v1/models")
            reply = connection.getresponse()
            assert (200, True) == (reply.status, reply.read() != b"")
        connection.close()

        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.stderr is not None
        assert requests == len(gateway.process.stderr.read().splitlines())


@contextmanager
def pipe() -> Generator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


def test_what_does_not_fit_is_counted_and_told() -> None:
    with pipe() as (reading, writing):
        sink = Sink(writing, lambda lines: f"lost {lines}\n")
        line, lines = "x" * 1023 + "\n", 10_000
        began_s = time.monotonic()
        for _ in range(lines):
            sink.write(line)
        assert time.monotonic() - began_s < 1

        read, told = b"", 0
        while told < lines:
            assert select.select([reading], [], [], WITHIN_S)[0], (told, lines)
            read += os.read(reading, 65536)
            told = read.count(b"x\n") + sum(lost(read))
        sink.close()

    assert lines == told
    assert 0 < sum(lost(read)) <= lines - 4096


def lost(read: bytes) -> list[int]:
    return [int(line.removeprefix(b"lost ")) for line in read.splitlines() if line.startswith(b"lost ")]


def test_a_log_that_is_stuck_holds_up_the_end_for_a_second_and_no_more() -> None:
    with pipe() as (_, writing):
        sink = Sink(writing, str)
        for _ in range(10_000):
            sink.write("x" * 1024)
        began_s = time.monotonic()
        sink.close()

        assert 0.9 < time.monotonic() - began_s < 3


def test_a_log_whose_reader_has_gone_harms_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = Sink(writing, str)
    for _ in range(100):
        sink.write("x\n")
    sink.close()
    os.close(writing)


# The line


def settlement(**more: Any) -> Settlement:
    known: dict[str, Any] = {"principal": "anonymous", "outcome": Outcome.OK, "status": 200, **more}
    return Settlement(request_id="id-1", action="chat", started_s=1.0, ended_s=3.5, **known)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "200 ok chat total_s=2.500 id=id-1"),
        (
            {"upstream": "u", "model": "m", "first_byte_s": 1.25, "usage": Usage(input_tokens=3, output_tokens=4)},
            "200 ok chat upstream=u model=m first_byte_s=0.250 total_s=2.500 tokens=3+4 id=id-1",
        ),
        (
            {"model": "gpt-4", "answered_model": "m", "measured": Timings(measured_per_second=7.26)},
            "200 ok chat model=gpt-4 answered_model=m total_s=2.500 tokens_per_s=7.3 id=id-1",
        ),
        (
            {"outcome": Outcome.CLIENT_GONE, "status": 0, "code": "cancelled", "principal": "key-1"},
            "- client_gone chat code=cancelled by=key-1 total_s=2.500 id=id-1",
        ),
        ({"upstream": "a b\n", "principal": "x\ny"}, "200 ok chat by=x%0Ay upstream=a%20b%0A total_s=2.500 id=id-1"),
    ],
)
def test_a_request_on_one_line(more: dict[str, Any], words: str) -> None:
    line = text(settlement(**more))

    assert words == line.split(" ", 2)[2]
    assert line.isprintable()
