"""A settled request -> one line for whoever runs the gateway; and names that are safe in lines and headers.

Strategy: the fields are an allowlist, so that no prompt, no key and no word of a model can be among them, and what
comes from outside (a request id, a model's name, a principal) is made plain before it gets here or as it does.
Spec: ours (`docs/reliability.md`)
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import msgspec

from headgate.events import Timings
from headgate.library import new_id
from headgate.stopwatch import MEASURED

if TYPE_CHECKING:
    from headgate.gateway.policy import Settlement

logger = logging.getLogger("headgate.requests")
logger.setLevel(logging.WARNING)  # a library does not log every request unless it is asked to: `write_to` asks

_writing: set[logging.Handler] = set()
_is_id = re.compile(r"[A-Za-z0-9._:-]{1,128}").fullmatch
"""Request ids as proxies make them: nginx's are 32 hexadecimal digits, Envoy's are UUIDs of 36 characters."""

_is_safe = re.compile(r"[A-Za-z0-9/:@+._~-]{0,256}").fullmatch
_NAME_CHARS_MAX = 256
"""Of a model's name; the longest on Hugging Face have about 200 characters with their owner and file."""
NAME_CHARS_READ = _NAME_CHARS_MAX + 1
"""What tells that a name is longer; nothing behind it is shown."""

_PROBES = frozenset({"health", "ready"})
"""Actions that load balancers ask for every few seconds; those that were answered well are of interest to nobody."""

_encode = msgspec.json.Encoder().encode


class Writable(Protocol):
    """As much of a text stream as is needed to write lines."""

    def write(self, text: str, /) -> object:
        """Write some."""


def request_id(given: str | None) -> str:
    """The client's own id if it is short and plain, or else a new one."""
    return given if given is not None and _is_id(given) else new_id("req_")


@lru_cache(maxsize=256)
def safe(name: str) -> str:
    """A name that can stand in a header or a line: visible ASCII, everything else as `%XX`, cut at 256 characters.

    The last names are remembered: whoever has one of any length cuts it at `NAME_CHARS_READ` before.
    """
    if _is_safe(name):
        return name
    return quote(name[:_NAME_CHARS_MAX].encode("utf-8", "replace"), safe="/:@+._-~")[:_NAME_CHARS_MAX]


def write_to(
    stream: Writable, form: Callable[[Settlement], str] | None = None, *, probes: bool = False
) -> logging.Handler:
    """Write each settled request to a stream, one line each, until `stop_writing` of what is returned.

    Args:
        stream: where to.
        form: makes a line of a settlement; `line` by default.
        probes: whether `/health` and `/ready` are written too when they were answered with 200.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(form or line))
    handler.setLevel(logging.DEBUG if probes else logging.INFO)
    logger.addHandler(handler)
    _writing.add(handler)
    logger.setLevel(min(one.level for one in _writing))
    logger.propagate = False
    return handler


def stop_writing(handler: logging.Handler) -> None:
    """Take a handler off again; without any of ours, requests are logged as before."""
    logger.removeHandler(handler)
    _writing.discard(handler)
    logger.setLevel(min((one.level for one in _writing), default=logging.WARNING))
    logger.propagate = not _writing


def write(settlement: Settlement, /) -> None:
    """Log a settlement, if anybody wants to know; handlers of others get a line of JSON."""
    is_probe = settlement.action in _PROBES and settlement.status == 200
    level = logging.DEBUG if is_probe else logging.INFO
    if logger.isEnabledFor(level):
        logger.log(level, "%s", _Line(settlement), extra={"settlement": settlement})


def line(settlement: Settlement, /) -> str:
    """One JSON object on one line, without what is empty."""
    fields = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "request_id": settlement.request_id,
        "principal": safe(settlement.principal),
        "action": settlement.action,
        "outcome": settlement.outcome.value,
        "code": settlement.code,
        "status": settlement.status,
        "upstream": None if settlement.upstream is None else safe(settlement.upstream),
        "model": settlement.model,
        "answered_model": settlement.answered_model,
        "first_byte_ms": _ms(settlement.started_s, settlement.first_byte_s),
        "total_ms": _ms(settlement.started_s, settlement.ended_s),
        "bytes_in": settlement.bytes_in,
        "bytes_out": settlement.bytes_out,
        "repairs": settlement.repairs,
        **_tokens(settlement),
        **_times(settlement),
    }
    return _encode({name: value for name, value in fields.items() if value not in (None, "", {})}).decode()


def _tokens(settlement: Settlement) -> dict[str, Any]:
    usage = settlement.usage
    if usage is None:
        return {}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
    }


def _times(settlement: Settlement) -> dict[str, Any]:
    """What was measured here, and what the engine itself says of its speed."""
    measured, usage = settlement.measured or Timings(), settlement.usage
    told = (usage.timings if usage else None) or Timings()
    ours = {name: getattr(measured, name) for name in MEASURED}
    return {**ours, "prompt_per_second": told.prompt_per_second, "predicted_per_second": told.predicted_per_second}


def _ms(since_s: float, until_s: float | None) -> float | None:
    return None if until_s is None else round((until_s - since_s) * 1000, 3)


class _Line:
    """A line that is only made where it is shown."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement

    def __str__(self) -> str:
        return line(self._settlement)


class _Formatter(logging.Formatter):
    """Makes a line of a settlement."""

    def __init__(self, form: Callable[[Settlement], str]) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        settlement: Settlement = record.__dict__["settlement"]
        return self._form(settlement)
