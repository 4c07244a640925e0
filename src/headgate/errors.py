"""What can go wrong, said so that a person knows the next step.

    HeadgateError
    ├── UsageError          you called us wrongly; raised, yours to fix
    │   └── ConfigError     a configuration that cannot be used
    └── PeerError           the other side misbehaved
        ├── RequestError    the client's request cannot be served as it is
        └── UpstreamError   the engine failed, before or during its stream

Inside a stream a `PeerError` is never raised: it becomes the `error` event with the same fields.
"""

from __future__ import annotations

from typing import NamedTuple

from headgate.events import StreamError


class Code(NamedTuple):
    """What a stable error code means: the HTTP status it maps to, whether a retry may help, and why it happens."""

    status: int
    retryable: bool
    meaning: str


CODES: dict[str, Code] = {
    "upstream_truncated": Code(502, True, "The engine's stream stopped without a finish marker."),
    "upstream_error": Code(502, False, "The engine reported an error of its own."),
    "upstream_aborted": Code(502, True, "The engine ended the generation itself (finish reason `abort`)."),
    "upstream_connect": Code(502, True, "No connection to the engine could be made."),
    "upstream_timeout": Code(504, True, "The engine let a deadline pass."),
    "upstream_protocol": Code(502, False, "The engine sent something that is not HTTP, or not the format it promised."),
    "bad_json": Code(502, False, "A record of the stream is not JSON, or not a JSON object."),
    "line_too_long": Code(502, False, "A line or event of the stream is longer than the limit."),
    "too_many_choices": Code(502, False, "The stream names more choices or blocks than the limit."),
    "tool_call_incomplete": Code(
        502, True, "The engine ended normally inside a tool call whose start was already sent."
    ),
    "body_too_large": Code(413, False, "A body is larger than the limit."),
    "invalid_request": Code(400, False, "The request is not what this API describes."),
    "unsupported": Code(400, False, "The request asks for something that the chosen engine cannot do."),
    "model_not_found": Code(404, False, "No configured engine serves this model."),
    "not_found": Code(404, False, "There is no such path."),
    "method_not_allowed": Code(405, False, "The path does not answer this method."),
    "unauthorized": Code(401, False, "The request brings no API key, or one that is not known here."),
    "forbidden": Code(
        403, False, "The caller may not do this: another web page's request, or a model kept from this key."
    ),
    "misdirected_host": Code(421, False, "The request's Host header names another server than this one."),
    "unsupported_media_type": Code(415, False, "A web page sent something else than application/json."),
    "request_timeout": Code(408, True, "The request's head or body did not arrive in time."),
    "overloaded": Code(503, True, "The gateway serves as many connections as it may, in all or from this address."),
    "shutting_down": Code(503, True, "The gateway is being stopped; another instance, or a moment later, will answer."),
    "cancelled": Code(499, False, "The client went away."),
    "internal": Code(500, False, "Headgate itself failed; please report it."),
}


class HeadgateError(Exception):
    """The root of everything that Headgate raises."""


class UsageError(HeadgateError, ValueError):
    """The caller broke a rule of this library; the message says which and what to do instead."""


class ConfigError(UsageError):
    """A configuration that cannot be used; the message names the place and the likely fix."""


class PeerError(HeadgateError):
    """The other side misbehaved.

    Args:
        code: one of `CODES`.
        message: one or two sentences: what was expected, what came, where, the next step. Never a
            prompt and never a key.
        param: the JSON pointer (RFC 6901) of the offending request field, if there is one.
        status: the HTTP status, if it is not the code's own.
        retryable: whether a retry may help, if it is not the code's own.
        vendor: the engine's own error value, as JSON text.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        vendor: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.status = CODES[code].status if status is None else status
        self.retryable = CODES[code].retryable if retryable is None else retryable
        self.vendor = vendor

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def event(self) -> StreamError:
        """The `error` event that says the same inside a stream."""
        return StreamError(self.code, self.message, self.retryable, self.status, self.vendor)


class RequestError(PeerError):
    """The client's request cannot be served as it is."""


class UpstreamError(PeerError):
    """The engine failed, before or during its stream. `reset` says that its connection was reset, and not closed."""

    reset: bool = False


def stream_error(code: str, message: str, *, status: int | None = None, vendor: str | None = None) -> StreamError:
    """Make an `error` event whose retry advice and status come from the code, unless `status` says better."""
    known = CODES[code]
    return StreamError(code, message, known.retryable, known.status if status is None else status, vendor)
