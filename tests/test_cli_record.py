"""`headgate record` as a process: what it says, what it keeps, how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from recording import ask, recordings
from test_cli_serve import environment, running

from headgate.cli import main
from headgate.testing.fake_engine import sse, streamed

WITHIN_S = 20.0
PATH = "/v1/chat/completions"
EVENT = sse({"choices": []})
NOWHERE = "http://127.0.0.1:1"


class Process(NamedTuple):
    """A verb that listens."""

    process: subprocess.Popen[str]
    first: str

    @property
    def url(self) -> str:
        return self.first.split()[-1]

    def end(self, signal_: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Stop it; its exit status, and what else it said on standard output and standard error."""
        self.process.send_signal(signal_)
        status = self.process.wait(WITHIN_S)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return status, self.process.stdout.read(), self.process.stderr.read()


@contextmanager
def verb(*words: str, cwd: Path, environ: Mapping[str, str] | None = None) -> Generator[Process]:
    """Run `headgate` with these words, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "headgate", *words, "--listen", "127.0.0.1:0"],
        cwd=cwd,
        env=environment(cwd, environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first, process.communicate(timeout=WITHIN_S)
        yield Process(process, first)
    finally:
        process.kill()
        process.communicate(timeout=WITHIN_S)


def test_it_says_what_it_does_and_keeps_an_exchange(tmp_path: Path) -> None:
    with running(streamed(EVENT)) as engine, verb("record", engine.url + "/v1", "--to", "kept", cwd=tmp_path) as record:
        got = ask(record.url, "POST", PATH, b'{"model":"m"}', {"content-type": "application/json"})
        [one] = recordings(tmp_path / "kept")
        status, said, errors = record.end()
        engine_url = engine.url

    assert f"Headgate records {engine_url} and listens on {record.url}\n" == record.first
    assert "folder in kept" in said
    assert "The prompts are in it." in said
    assert (EVENT, EVENT, b'{"model":"m"}') == (got.body, one.response, one.request)
    assert (130, "") == (status, errors)


def test_a_key_of_the_environment_is_not_written(tmp_path: Path) -> None:
    key = "an-odd-kind-of-key"
    with (
        running(streamed(f"it is {key}".encode())) as engine,
        verb("record", engine.url, "--to", "kept", cwd=tmp_path, environ={"SOME_API_KEY": key}) as record,
    ):
        ask(record.url, "POST", PATH, b"{}")
        [one] = recordings(tmp_path / "kept")

    assert b"it is " + b"*" * len(key) == one.response


def test_a_stream_that_its_client_leaves_is_kept(tmp_path: Path) -> None:
    with (
        running(streamed(EVENT, 60.0)) as engine,
        verb("record", engine.url, "--to", "kept", cwd=tmp_path) as record,
    ):
        ask(record.url, "POST", PATH, b"{}", wait_s=0.5)
        [one] = recordings(tmp_path / "kept")

    assert (EVENT, "client_gone") == (one.response, one.meta.ended)


def test_a_page_and_another_host_are_refused(tmp_path: Path) -> None:
    with verb("record", NOWHERE, "--to", "kept", cwd=tmp_path) as record:
        page = ask(record.url, "POST", PATH, b"{}", {"origin": "https://evil.example"})
        rebound = ask(record.url, "POST", PATH, b"{}", {"host": "evil.example"})

    assert (403, 421) == (page.status, rebound.status)
    assert [] == list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense", "--to", "kept"], "expected a base URL"),
        ([NOWHERE, "--to", "file"], "cannot record to file (File exists)"),
        ([NOWHERE, "--to", "file/below"], "cannot record to"),
        ([NOWHERE, "--to", "kept", "--listen", "0.0.0.0:0"], "expected an address of this machine alone"),
        ([NOWHERE, "--to", "kept", "--listen", "127.0.0.1"], "expected HOST:PORT"),
        ([NOWHERE, "--to", "kept", "--listen", "127.0.0.1:x"], "expected HOST:PORT"),
        ([NOWHERE, "--to", "kept", "--listen", "[::1:0"], "expected HOST:PORT"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"")

    status = main(["record", *words])

    errors = capsys.readouterr().err
    assert (2, 1) == (status, errors.count("\n"))
    assert errors.startswith("headgate record: ")
    assert said in errors
