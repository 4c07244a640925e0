"""`headgate.upstream.faults`: each failed connection gets the sentence that helps."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from headgate.upstream.faults import no_connection
from headgate.upstream.request import Origin

ORIGIN = Origin("engine", 8080, tls=False, prefix="/secret")
REFUSED = "nothing listens at engine:8080 (connection refused). Start the engine, or correct the URL."
TWICE = (
    "Multiple exceptions: [Errno {0}] Connect call failed ('::1', 1), [Errno {1}] Connect call failed ('127.0.0.1', 1)"
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 8080)"), REFUSED),
        (OSError(TWICE.format(errno.ECONNREFUSED, errno.ECONNREFUSED)), REFUSED),
        (OSError(10061, "No connection could be made because the target machine actively refused it"), REFUSED),
        (OSError("[WinError 1225] The remote computer refused the network connection"), REFUSED),
        (OSError(TWICE.format(errno.ENETUNREACH, errno.ECONNREFUSED)), "no connection to engine:8080 (Multiple"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no connection to engine:8080 (No route to host). Start"),
        (ConnectionResetError(), "no connection to engine:8080 (ConnectionResetError). Start"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "no address is known for engine (Name or service not known).",
        ),
        (UnicodeError("label empty or too long"), "no address is known for engine (label empty or too long)."),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"),
            "no TLS with engine:8080 (handshake failed). Does it speak plain",
        ),
        (ssl.SSLCertVerificationError(1, "x"), "engine:8080 is not trusted (its certificate could not be verified)."),
    ],
)
def test_each_reason_has_its_sentence(error: OSError | UnicodeError, expected: str) -> None:
    failure = no_connection(ORIGIN, error)

    assert ("upstream_connect", True, 502) == (failure.code, failure.retryable, failure.status)
    assert failure.message.startswith(expected)
    assert "secret" not in failure.message
