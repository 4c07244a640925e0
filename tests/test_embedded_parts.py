"""What keeps an embedded engine running, part by part: restarts, its log, what was left behind, ways not to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from headgate.config.embedded import EmbeddedConfig
from headgate.errors import ConfigError
from headgate.upstream import embedded_start
from headgate.upstream.embedded_log import LOG_BYTES_MAX, EngineLog
from headgate.upstream.embedded_orphans import PidFile, end_orphans, forget, look_up, remember, state_folder
from headgate.upstream.embedded_restarts import RESTARTS_MAX, WINDOW_S, Restarts

RUN = "0123456789abcdef0123456789abcdef"
WITHIN_S = 10.0

# Restarts


def test_the_first_restart_is_at_once_and_the_pauses_double() -> None:
    restarts = Restarts()

    assert [0, 0.5, 1, 2, 4, None] == [restarts.pause_s(at) for at in range(RESTARTS_MAX + 1)]


def test_an_old_death_is_forgotten() -> None:
    restarts = Restarts()
    for at in range(RESTARTS_MAX):
        restarts.pause_s(at)

    assert 4 == restarts.pause_s(WINDOW_S)
    assert 0 == restarts.pause_s(3 * WINDOW_S)
    assert 1 == restarts.count


def test_all_pauses_fit_into_the_window() -> None:
    restarts = Restarts()

    assert sum(restarts.pause_s(0) or 0 for _ in range(RESTARTS_MAX)) < WINDOW_S


# Log


def test_complaints_are_read_at_every_split() -> None:
    said = (
        b"0.00.001 I srv          init: loading model\n"
        b"0.00.004.123 E cmn  common_init_: failed to load model 'broken.gguf'\n"
        b"0.00.129.737 E common_chat_templates_init: error: Unexpected token: %} of type 9\n"
    )
    expected = ("failed to load model 'broken.gguf'", "error: Unexpected token: %} of type 9")
    for split in range(len(said) + 1):
        log = EngineLog(None)
        log.write(said[:split])
        log.write(said[split:])
        assert expected == log.complaints


def test_complaints_are_of_one_process_few_and_short() -> None:
    log = EngineLog(None)
    for number in range(100):
        log.write(b"0.00.1 E load: " + b"x" * 1000 + b"%d\n" % number)
    assert (20, {300}) == (len(log.complaints), {len(complaint) for complaint in log.complaints})

    log.begin()
    assert () == log.complaints


def test_a_line_without_end_is_not_kept() -> None:
    log = EngineLog(None)
    for _ in range(100):
        log.write(b"x" * 10_000)

    assert len(log._rest) <= 300


def test_the_file_stays_bounded_and_one_older_is_kept(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "state" / "engine.log")
    for _ in range(5 * 16):
        log.write(b"x" * 65535 + b"\n")
    log.close()

    sizes = {path.name: path.stat().st_size for path in (tmp_path / "state").iterdir()}
    assert {"engine.log", "engine.log.1"} == set(sizes)
    assert max(sizes.values()) <= LOG_BYTES_MAX + 65536


def test_what_another_run_wrote_is_kept(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = EngineLog(tmp_path / "engine.log")
        log.write(text)
        log.close()

    assert b"first\nsecond\n" == (tmp_path / "engine.log").read_bytes()


def test_a_folder_that_cannot_be_written_costs_only_the_file(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    log = EngineLog(tmp_path / "state" / "engine.log")

    log.write(b"0.1 E load: bad\n")

    assert ("bad",) == log.complaints


# What was left behind


@contextmanager
def sleeper(*words: str) -> Generator[subprocess.Popen[bytes]]:
    """A process with words in its command line; a child of this one."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words]) as process:
        try:
            end_s = time.monotonic() + WITHIN_S
            while not ((found := look_up(process.pid)) and all(word in found.command for word in words)):
                assert time.monotonic() < end_s
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


needs_posix = pytest.mark.skipif(os.name != "posix", reason="there are no orphans to be found")


@needs_posix
def test_an_orphan_is_ended_and_forgotten(tmp_path: Path) -> None:
    with sleeper(RUN) as process:
        remember(tmp_path, PidFile(process.pid, parent=1, run=RUN))

        assert [process.pid] == end_orphans(tmp_path)
        assert -signal.SIGKILL == process.wait(WITHIN_S)
    assert [] == list(tmp_path.iterdir())


@needs_posix
def test_the_engine_of_a_gateway_that_lives_is_left_alone(tmp_path: Path) -> None:
    with sleeper(RUN) as process:
        remember(tmp_path, PidFile(process.pid, parent=os.getpid(), run=RUN))

        assert [] == end_orphans(tmp_path)
        assert process.poll() is None
    assert 1 == len(list(tmp_path.iterdir()))


@needs_posix
@pytest.mark.parametrize("run", ["f" * 32, "", "-c"])
def test_another_process_with_the_same_number_is_left_alone(tmp_path: Path, run: str) -> None:
    with sleeper(RUN) as process:
        remember(tmp_path, PidFile(process.pid, parent=1, run=run))

        assert [] == end_orphans(tmp_path)
        assert process.poll() is None
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"pid": "x", "parent": 1, "run": ""}', b"\xff"])
def test_a_file_that_says_nothing_harms_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"engine-{RUN}.pid").write_bytes(content)

    assert [] == end_orphans(tmp_path)


@pytest.mark.parametrize("pid", [-1, 0, 2**22 + 1])
def test_a_number_that_is_no_process_harms_nobody(tmp_path: Path, pid: int) -> None:
    (tmp_path / f"engine-{RUN}.pid").write_bytes(msgspec.json.encode(PidFile(pid, parent=1, run=RUN)))

    assert [] == end_orphans(tmp_path)


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file"):
        remember(folder, PidFile(1, 1, RUN))
        forget(folder, RUN)
        assert [] == end_orphans(folder)


@needs_posix
def test_the_state_folder_is_where_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert Path("/state/headgate") == state_folder({"XDG_STATE_HOME": "/state"})
    assert Path("/home/somebody/.local/state/headgate") == state_folder({})
    assert Path("/home/somebody/.local/state/headgate") == state_folder({"XDG_STATE_HOME": "state"})


# Ways not to start that can be told before


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_start, "MODULE", "no_such_module")

    with pytest.raises(ConfigError, match=r"which is not installed\. Run: pip install 'headgate\[engine\]'"):
        embedded_start.check(EmbeddedConfig(gguf="model.gguf"))


@pytest.mark.parametrize(
    ("code", "words"), [(1, "exit status 1"), (-9, "killed by SIGKILL"), (-63, "killed by signal 63")]
)
def test_an_end_has_words(code: int, words: str) -> None:
    assert words == embedded_start.ended(code)


def test_the_gateway_never_loads_the_wheel() -> None:
    """It would bring 100 MB and its threads into the process that must not crash."""
    program = "import sys, headgate.cli.serve, headgate.gateway.app; print('xllamacpp' in sys.modules)"

    assert (
        "False\n" == subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    )
