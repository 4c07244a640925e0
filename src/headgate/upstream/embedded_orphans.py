"""Where the engines' logs and process ids are kept, and how one is ended that a killed gateway has left behind.

Strategy: each engine's process has a random word in its command line, and a file that holds the word and its process
id. A process is ended only if it still has the word and no longer the parent that started it, so that a process id
which was given out again harms nobody. Linux ends such an engine by itself, and its own watch does elsewhere; this is
for one that neither reached, as while it loads a model.
Spec: https://specifications.freedesktop.org/basedir/latest
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec


class Process(NamedTuple):
    """A process, as its system describes it."""

    parent: int
    command: str


class PidFile(msgspec.Struct, frozen=True):
    """What is kept of a running engine: its process, the gateway's, and the word in its command line."""

    pid: int
    parent: int
    run: str


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder for logs and process ids: `$XDG_STATE_HOME/headgate`, or its usual place; None without a home."""
    if os.name == "nt":
        local = environ.get("LOCALAPPDATA", "")
        return Path(local) / "headgate" if local else None
    state = environ.get("XDG_STATE_HOME", "")
    if Path(state).is_absolute():  # the specification says that another one is to be ignored
        return Path(state) / "headgate"
    try:
        return Path.home() / ".local" / "state" / "headgate"
    except RuntimeError:  # a user without a home directory, as in some containers
        return None


def remember(folder: Path | None, process: PidFile) -> None:
    """Write an engine's file. Where that cannot be done, nobody looks for it later."""
    if folder is None:
        return
    with contextlib.suppress(OSError):
        path = _path(folder, process.run)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(process))


def forget(folder: Path | None, run: str) -> None:
    """Remove an engine's file, when it has ended."""
    if folder is not None:
        with contextlib.suppress(OSError):
            _path(folder, run).unlink(missing_ok=True)


def end_orphans(folder: Path | None) -> list[int]:
    """End every engine whose gateway is gone. Returns their process ids."""
    if folder is None or os.name == "nt":  # where the engine's own watch has to do
        return []
    ended: list[int] = []
    for path, kept in _kept(folder):
        if not _is_engine(kept):
            forget(folder, kept.run)
        elif _is_orphan(kept) and _end(kept):
            ended.append(kept.pid)
            path.unlink(missing_ok=True)
    return ended


def look_up(pid: int) -> Process | None:
    """What a process is; None if there is none, or the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        if Path("/proc/self/stat").exists():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            # The second field is the program's name in parentheses, which may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            return Process(int(fields[1]), command)
        asked = ["ps", "-ww", "-o", "ppid=,command=", "-p", str(pid)]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split(None, 1)  # noqa: S603
        return Process(int(said[0]), said[1])
    return None


def _kept(folder: Path) -> Iterator[tuple[Path, PidFile]]:
    for path in sorted(folder.glob("engine-*.pid")):
        try:
            yield path, msgspec.json.decode(path.read_bytes(), type=PidFile)
        except (OSError, msgspec.DecodeError):  # another gateway's, which has just removed it or is writing it
            continue


def _is_engine(kept: PidFile) -> bool:
    process = look_up(kept.pid)
    return process is not None and len(kept.run) >= 16 and kept.run in process.command.split()


def _is_orphan(kept: PidFile) -> bool:
    process = look_up(kept.pid)
    return process is not None and process.parent != kept.parent


def _end(kept: PidFile) -> bool:
    try:
        if not hasattr(os, "pidfd_open"):
            os.kill(kept.pid, signal.SIGKILL)
            return True
        held = os.pidfd_open(kept.pid)
        try:
            # Held, it stays the same process; looked at again, it is the right one.
            if not _is_engine(kept):
                return False
            signal.pidfd_send_signal(held, signal.SIGKILL)
        finally:
            os.close(held)
    except OSError:  # it has ended meanwhile, or belongs to somebody else
        return False
    return True


def _path(folder: Path, run: str) -> Path:
    return folder / f"engine-{run}.pid"
