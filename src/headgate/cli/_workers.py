"""Several processes that serve one address, and the one that keeps them running.

Strategy: the supervisor makes the sockets and forks; each worker listens on one of its own (SO_REUSEPORT: the kernel
deals the clients out), which outlives the worker, so that a client who waits is served by the worker's successor.
Signals are passed on. A worker whose supervisor is gone ends like one that was told to.
Spec: https://man7.org/linux/man-pages/man7/socket.7.html (SO_REUSEPORT)
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

from headgate.config.values import Config
from headgate.errors import ConfigError, HeadgateError
from headgate.gateway.server import STOPS, listen

Sockets = list[socket.socket]
Work = Callable[[Sockets, bool], None]
"""Serves on sockets until a signal ends it; the other argument says whether it is the one that tells the user so.

It begins with `STOPS` blocked, and unblocks them once it has handlers for them: what Python does without, an exception
wherever it is, may get lost while modules are loaded and an event loop is made.
"""

_DEATHS_MAX = 5
_DEATHS_S = 60.0
"""So many deaths in so long a time are no accident: the supervisor gives up."""
_PAUSE_S = 0.5
"""Before a worker is started again: one that dies at once must not keep the processor busy."""
_MISTAKE = 2


def check(config: Config, workers: int) -> None:
    """Refuse more than one worker where they would get into each other's way.

    Raises:
        ConfigError: with what to do about it.
    """
    if workers < 1:
        raise ConfigError(f"--workers: expected at least 1, got {workers}.")
    if workers > 1 and not hasattr(os, "fork"):
        raise ConfigError("--workers: expected 1 on this system, which has no fork.")
    if workers > 1 and (not config.upstreams or any(upstream.embedded for upstream in config.upstreams)):
        raise ConfigError(
            "--workers: expected engines that run by themselves (--upstream), since each worker asks them."
        )


def sockets_of(config: Config, workers: int) -> list[Sockets]:
    """The sockets of each worker.

    Raises:
        ConfigError: as `listen` does.
    """
    # Shared sockets would join those of another gateway that shares them too; these tell whether the port is free.
    probe = listen(config.host, config.port)
    port = probe[0].getsockname()[1]
    for one in probe:
        one.close()
    if not sys.platform.startswith("linux"):
        return [listen(config.host, port)] * workers  # elsewhere the last socket would get all clients
    return [listen(config.host, port, shared=True) for _ in range(workers)]


class Supervisor:
    """Keeps one worker on each of `sockets`. `run` it in a process without threads.

    Args:
        sockets: of each worker.
        work: what a worker does; it runs in a process of its own.
        say: tells the operator a sentence.
    """

    def __init__(self, sockets: Sequence[Sockets], work: Work, say: Callable[[str], None]) -> None:
        self._sockets = sockets
        self._work = work
        self._say = say
        self._places: dict[int, int] = {}  # of each process, which of the sockets it has
        self._deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        self._ending: int | None = None  # the signal that ends it
        self._alive, self._life = os.pipe()  # nothing is written to it: it ends with the supervisor

    def run(self) -> int:
        """Serve until a signal; return the exit status if it is not one.

        Raises:
            KeyboardInterrupt: after SIGINT.
        """
        before = {number: signal.signal(number, self._pass_on) for number in STOPS}
        status = 0
        for place in range(len(self._sockets)):
            self._start(place, is_first=place == 0)
        while self._places:
            process, result = os.wait()
            place = self._places.pop(process)
            if self._ending is None and status == 0:
                status = self._restart(place, os.waitstatus_to_exitcode(result))
        for number, handler in before.items():
            signal.signal(number, handler)
        if self._ending is not None:
            signal.raise_signal(self._ending)
        return status

    def _restart(self, place: int, code: int) -> int:
        """Start a worker again; the exit status if there is no point in that."""
        self._deaths.append(time.monotonic())
        is_hopeless = len(self._deaths) == _DEATHS_MAX and self._deaths[-1] - self._deaths[0] < _DEATHS_S
        if code == _MISTAKE or is_hopeless:
            self._say(f"a worker ended with status {code}; it would again. See the lines before this one.")
            self._end(signal.SIGTERM)
            return _MISTAKE if code == _MISTAKE else 1
        self._say(f"a worker ended with status {code}. Another takes its place.")
        time.sleep(_PAUSE_S)
        if self._ending is None:
            self._start(place, is_first=False)
        return 0

    def _start(self, place: int, *, is_first: bool) -> None:
        # A signal between the fork and the note of it would be passed on to all workers but this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        process = os.fork()
        if process == 0:
            self._be_worker(place, is_first=is_first)
        self._places[process] = place
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        if self._ending is not None:
            os.kill(process, self._ending)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number in (signal.SIGTERM, signal.SIGINT):
            self._ending = number
            self._end(number)
        else:
            self._tell(number)

    def _end(self, number: int) -> None:
        """Let the workers end. A socket refuses clients only once nobody has it open any more."""
        self._close(self._sockets)
        self._tell(number)

    def _tell(self, number: int) -> None:
        for process in self._places:
            os.kill(process, number)

    def _close(self, sockets: Iterable[Sockets]) -> None:
        for one in (one for each in sockets for one in each):
            one.close()

    # In the worker.

    def _be_worker(self, place: int, *, is_first: bool) -> None:
        """Work, and end the process: what called this belongs to the supervisor."""
        status = 1
        try:
            os.setpgid(0, 0)  # else Ctrl-C would reach it twice, which means at once
            os.close(self._life)
            sockets = self._sockets[place]
            self._close(each for each in self._sockets if each is not sockets)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            threading.Thread(target=self._follow, daemon=True).start()
            self._work(sockets, is_first)
            status = 0
        except HeadgateError as error:
            print(f"headgate serve: {error}", file=sys.stderr)
            status = _MISTAKE
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _follow(self) -> None:
        """End as soon as the supervisor has."""
        os.read(self._alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)
