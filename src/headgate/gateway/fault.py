"""A fault of our own, or a deadline of an exchange -> the error that the client is told.

Strategy: a fault of ours is also a line for whoever runs the gateway, with a trace and without a value.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple

from headgate.errors import PeerError, UpstreamError

logger = logging.getLogger("headgate")


class Breakable(Protocol):
    """What a fault of ours ends."""

    def broken(self, fault: Exception, /) -> None:
        """End with this fault."""


_Self = TypeVar("_Self", bound=Breakable)
_Given = TypeVarTuple("_Given")


def never_raises(
    method: Callable[[_Self, *_Given], None],
) -> Callable[[_Self, *_Given], None]:
    """An upstream cannot know what to do with a fault of ours: the exchange ends with it, and says so."""

    @functools.wraps(method)
    def guarded(self: _Self, /, *given: *_Given) -> None:
        try:
            method(self, *given)
        except Exception as fault:
            self.broken(fault)

    return guarded


def internal(fault: Exception, /) -> PeerError:
    """Log where it happened, but no value: an exception's own words may quote a prompt or a key."""
    trace = "".join(traceback.format_tb(fault.__traceback__))
    logger.error("%s while a request was answered; please report this.\n%s", type(fault).__name__, trace)
    sentence = f"Headgate itself failed ({type(fault).__name__}); its log says where. Please report it."
    return PeerError("internal", sentence)


def late_event(name: str, first_byte_s: float, /) -> UpstreamError:
    """The error for an engine that sends bytes, such as comments, but no event."""
    limit = f"{first_byte_s:g} s (limits.first_byte_s)"
    next_step = "The engine may be reading a long prompt; see its log, or raise the limit."
    sentence = f"expected the first event from {name} within {limit}, got only keep-alives. {next_step}"
    return UpstreamError("upstream_timeout", sentence)


def late_end(name: str, total_s: float, /) -> UpstreamError:
    """The error for `total_s`."""
    limit = f"{total_s:g} s (limits.total_s)"
    next_step = "Ask for fewer tokens, or raise the limit."
    return UpstreamError(
        "upstream_timeout", f"expected the whole reply of {name} within {limit}, got none. {next_step}"
    )


def too_large(bytes_max: int, /) -> UpstreamError:
    """The error for a reply that is to be answered whole and does not fit into memory."""
    most = f"{bytes_max:,} bytes (limits.body_bytes_max)"
    sentence = f"expected a reply of at most {most} to answer it whole, got more. Ask for a stream."
    return UpstreamError("body_too_large", sentence, status=502)
