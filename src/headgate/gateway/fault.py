"""A fault of our own -> a line for whoever runs the gateway, and the error that the client is told."""

from __future__ import annotations

import logging
import traceback

from headgate.errors import PeerError

logger = logging.getLogger("headgate")


def internal(fault: Exception, /) -> PeerError:
    """Log where it happened, but no value: an exception's own words may quote a prompt or a key."""
    trace = "".join(traceback.format_tb(fault.__traceback__))
    logger.error("%s while a request was answered; please report this.\n%s", type(fault).__name__, trace)
    sentence = f"Headgate itself failed ({type(fault).__name__}); its log says where. Please report it."
    return PeerError("internal", sentence)
