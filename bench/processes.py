"""Programs that run while something is measured: each on its own core, ended by its own process group.

Linux only: what a process and its children have used is read from /proc.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LOAD_CORE, GATEWAY_CORE = "0", "1"
"""The engine and the load generator share a core; what is measured has the other one to itself."""
_PATIENCE_S = 5.0
_WEIGHT = "-10"


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def weigh_up(pid: int) -> bool:
    """Give a process's session more of a shared machine; False where that is not allowed.

    Where Linux groups processes by session, a process's own nice value counts only within its session.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(_WEIGHT, encoding="ascii")
    except OSError:
        return False
    return True


def _as_installed(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what keeps Python from its byte code: an installed program has it, and would start half as fast."""
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Running:
    """A program that was started, with everything it starts in turn.

    Args:
        command: the program and its arguments.
        cores: which it may use, as `taskset` names them.
        folder: where it runs.
        environment: variables besides our own.
        log: gets what it prints.
        weighed: whether it is given more of a shared machine.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cores: str,
        folder: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        weighed: bool = False,
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", cores, *command],
                cwd=folder,
                env={**_as_installed(os.environ), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if weighed:
            weigh_up(self.pid)

    @property
    def pid(self) -> int:
        """The program's own process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def pids(self) -> list[int]:
        """Its own process and all that descend from it."""
        return descendants(self.pid)

    def rss_kb(self) -> int:
        """The memory of all of them."""
        return sum(map(_rss_kb, self.pids()))

    def stop(self) -> None:
        """End it and what it started, by force if it does not listen."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


def descendants(pid: int) -> list[int]:
    """A process and everything it started, and they started, that still runs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended since
                behind_name = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
                children.setdefault(int(behind_name.split()[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _rss_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1])
    return 0
