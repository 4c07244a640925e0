"""What can go wrong between us and an engine, in words: expected, got, where, the next step. Never a key or a path."""

from __future__ import annotations

import errno
import re
import ssl
from socket import gaierror

from headgate.errors import UpstreamError
from headgate.limits import Limits
from headgate.upstream.request import Origin

_REFUSED = frozenset({errno.ECONNREFUSED, 10061, 1225})  # WSAECONNREFUSED, and what Windows' proactor says instead
_errno = re.compile(r"\[(?:Errno|WinError) (\d+)\]")


def no_connection(origin: Origin, error: OSError | UnicodeError, /) -> UpstreamError:
    """The error for a connection that could not be made."""
    where = origin.where
    match error:
        case ssl.SSLCertVerificationError():
            reason = _attribute(error, "verify_message") or "its certificate could not be verified"
            text = f"{where} is not trusted ({reason}). Name its authority in the TLS settings, or correct the URL."
        case ssl.SSLError():
            text = (
                f"no TLS with {where} ({_attribute(error, 'reason') or 'handshake failed'}). Does it speak plain http?"
            )
        case gaierror() | UnicodeError():
            text = f"no address is known for {origin.host} ({_words(error)}). Correct the URL, or see the name server."
        case _ if _refused(error):
            text = f"nothing listens at {where} (connection refused). Start the engine, or correct the URL."
        case _:
            text = f"no connection to {where} ({_words(error)}). Start the engine, or correct the URL."
    return UpstreamError("upstream_connect", text)


def late_connection(where: str, limits: Limits, /) -> UpstreamError:
    """The error for `connect_s`."""
    limit = f"{limits.connect_s:g} s (limits.connect_s)"
    return _late(f"expected a connection to {where} within {limit}, got none. Start the engine, or correct the URL.")


def late_reply(where: str, limits: Limits, /) -> UpstreamError:
    """The error for `first_byte_s`."""
    limit = f"{limits.first_byte_s:g} s (limits.first_byte_s)"
    next_step = "The engine may be loading its model or reading a long prompt; see its log, or raise the limit."
    return _late(f"expected the reply's first byte from {where} within {limit}, got none. {next_step}")


def late_rest(where: str, limits: Limits, /) -> UpstreamError:
    """The error for `idle_s`."""
    limit = f"{limits.idle_s:g} s (limits.idle_s)"
    return _late(f"expected more of the reply from {where}, got {limit} of silence. See its log, or raise the limit.")


def not_http(where: str, fault: str, /) -> UpstreamError:
    """The error for bytes that are no HTTP; `fault` names what was found."""
    next_step = "Check the URL's scheme (http or https) and port."
    return UpstreamError("upstream_protocol", f"expected an HTTP/1.1 reply from {where}, got {fault}. {next_step}")


def truncated(where: str, got: str, /, *, reset: bool = False) -> UpstreamError:
    """The error for a reply that ends early; `got` names what came of it, `reset` how the connection ended."""
    next_step = "The engine may have crashed; see its log."
    error = UpstreamError("upstream_truncated", f"expected a whole reply from {where}, {got}. {next_step}")
    error.reset = reset
    return error


def _attribute(error: ssl.SSLError, name: str) -> str:
    # Only the ssl module's own errors have these; an event loop may raise one without.
    return str(getattr(error, name, None) or "")


def _late(text: str) -> UpstreamError:
    return UpstreamError("upstream_timeout", text)


def _refused(error: OSError) -> bool:
    # A name with several addresses gives one error that only quotes the others, without a number of its own.
    numbers = {error.errno} if error.errno else {int(number) for number in _errno.findall(str(error))}
    return bool(numbers) and numbers <= _REFUSED


def _words(error: OSError | UnicodeError) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__
