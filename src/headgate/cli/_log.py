"""What `headgate serve` logs, and in which form: lines for people, or objects for programs.

Strategy: requests, and whatever else is logged, go through one sink, so that with `json` each line is an object. Of a
request nothing is shown that `gateway.journal` does not show.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Literal, TypeAlias

import msgspec

from headgate.cli._sink import Sink
from headgate.gateway import journal
from headgate.gateway.door import ANONYMOUS
from headgate.gateway.policy import Settlement

Form: TypeAlias = Literal["text", "json", "off"]

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_PREFIX = "headgate serve: "
_encode = msgspec.json.Encoder().encode


class Log:
    """The log of a gateway, from its making until `close`. There is one in a process.

    Args:
        file: the descriptor of the file that it is written to.
        form: `text` or `json`, for all lines; `off` is text without the requests.
        level: the least level that is logged besides requests, as `logging` calls it, in lower case.
    """

    def __init__(self, file: int, form: Form, level: str) -> None:
        self._is_json = form == "json"
        self._sink = Sink(file, lambda lines: self._line(f"the log was stuck: {lines:,} lines were left out."))
        handler = logging.StreamHandler(self._sink)
        handler.setFormatter(_Json() if self._is_json else logging.Formatter(_FORMAT))
        logging.basicConfig(level=level.upper(), handlers=[handler])
        if form != "off":
            journal.write_to(self._sink, journal.line if self._is_json else text, probes=level == "debug")

    def say(self, sentence: str) -> None:
        """Tell the operator something, whatever the level is."""
        self._sink.write(self._line(sentence))

    def close(self) -> None:
        """Write what waits; nothing is written after it."""
        self._sink.close()

    def _line(self, sentence: str) -> str:
        return _line(sentence, is_json=self._is_json)


def say(sentence: str, form: Form) -> None:
    """Tell the operator something from a process that has no log of its own."""
    sys.stderr.write(_line(sentence, is_json=form == "json"))
    sys.stderr.flush()


def text(settlement: Settlement, /) -> str:
    """A request on one line: when, the status, how it ended, what for; then what else is known of it."""
    usage, measured = settlement.usage, settlement.measured
    known = {
        "code": settlement.code,
        "by": None if settlement.principal == ANONYMOUS else journal.safe(settlement.principal),
        "upstream": settlement.upstream and journal.safe(settlement.upstream),
        "model": settlement.model,
        "answered_model": settlement.answered_model,
        "first_byte_s": _seconds(settlement.started_s, settlement.first_byte_s),
        "total_s": _seconds(settlement.started_s, settlement.ended_s),
        "tokens": usage and f"{usage.input_tokens or 0}+{usage.output_tokens or 0}",
        "tokens_per_s": measured and measured.measured_per_second and f"{measured.measured_per_second:.1f}",
        "id": settlement.request_id,
    }
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    words = [stamp, str(settlement.status or "-"), settlement.outcome.value, settlement.action or "-"]
    return " ".join([*words, *(f"{name}={value}" for name, value in known.items() if value)])


class _Json(logging.Formatter):
    """A record as an object; what it says about an exception is part of its message."""

    def format(self, record: logging.LogRecord) -> str:
        return _object(record.levelname, record.name, super().format(record))


def _line(sentence: str, *, is_json: bool) -> str:
    return f"{_object('INFO', 'headgate.serve', sentence) if is_json else _PREFIX + sentence}\n"


def _object(level: str, name: str, message: str) -> str:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return _encode({"time": now, "level": level.lower(), "logger": name, "message": message}).decode()


def _seconds(since_s: float, until_s: float | None) -> str | None:
    return None if until_s is None else f"{until_s - since_s:.3f}"
