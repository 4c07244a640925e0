"""Every buffer's limit and every wait's deadline, with unit, default and precedent.

Sizes end in `_max` with their unit before it; times end in `_s` and are seconds.
"""

from __future__ import annotations

from functools import cached_property

import msgspec

_MIB = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The limits of one stream. The defaults are generous for engines and finite for attackers."""

    line_bytes_max: int = 8 * _MIB
    """One line of a stream. Ollama's own client reads lines of up to 8 MB (api/client.go)."""

    event_bytes_max: int = 8 * _MIB
    """All data lines of one SSE event together; eventsource-parser calls this maxBufferSize."""

    body_bytes_max: int = 64 * _MIB
    """A whole (not streamed) reply or request. OpenAI takes requests of up to 50 MB with images."""

    head_bytes_max: int = 64 * 1024
    """An HTTP response head. nginx and Node stop at 16 to 64 KiB."""

    sniff_bytes_max: int = 4096
    """What `dialect="auto"` holds back before it decides. One record of every engine fits."""

    choices_max: int = 128
    """Choices of one response; OpenAI allows n up to 128."""

    blocks_max: int = 4096
    """Blocks (texts, thoughts, calls) of one choice. OpenAI allows 128 tools, real turns hold fewer than 100 blocks."""

    arguments_chars_max: int = 16 * _MIB
    """One tool call's arguments, which are held to be checked once, at their end."""

    markup_chars_max: int = 1024
    """A markup header (tag, channel, recipient) that is held back while it may still be one.
    The longest real one, a harmony header with a 64-character tool name, has about 140 characters."""

    after_finish_s: float = 5.0
    """How long usage and the end marker may follow a finish reason before the stream counts as finished."""

    connect_s: float = 10.0
    """Making a connection, TLS included. httpx waits 5 s; local engines answer at once."""

    first_byte_s: float = 600.0
    """From request sent to the first byte of the reply's body, and to the first event in it: long prompts are read
    before anything is generated, and some engines send their head, or comments, before that.
    The OpenAI client's default timeout is 600 s."""

    idle_s: float = 300.0
    """Silence inside a reply. nginx's proxy_read_timeout is 60 s; a slow engine's prompt batch takes longer."""

    total_s: float | None = 3600.0
    """From the request to the end of its reply, whatever flows meanwhile; None waits for ever. LiteLLM gives up after
    6,000 s; a slow local model writes 16,000 tokens, at five a second, in less than an hour."""

    write_stall_s: float = 120.0
    """How long a client may read nothing while bytes wait for it. nginx's send_timeout is 60 s; a laptop's lid may be
    closed for longer."""

    pool_idle_s: float = 60.0
    """How long an unused connection to an engine is kept. nginx's upstream keepalive_timeout is 60 s."""

    write_bytes_mark: int = 64 * 1024
    """Bytes waiting for a client at which its engine is paused."""

    keepalive_s: float = 10.0
    """How long a client of a stream is left without a byte before it gets a keep-alive, and so how long a failure can
    still become an HTTP status. The HTML standard advises a comment every 15 s: old proxies drop silent streams."""

    models_s: float = 5.0
    """How long an engine may take to list its models. Open WebUI waits 10 s; a local engine answers in milliseconds."""

    request_head_bytes_max: int = 64 * 1024
    """A client's request head, and what frames its body (trailers, chunk extensions). Envoy allows heads of 60 KiB."""

    request_headers_max: int = 100
    """Header fields of a request. hyper and HAProxy stop at about 100."""

    request_head_s: float = 10.0
    """From a request's first byte, or a connection's beginning, to the end of its head.
    HAProxy's documents advise 10 s for `timeout http-request`; hyper takes 30 s, Apache 20 s."""

    request_body_s: float = 30.0
    """How long a request's body may take before its rate counts. Apache's mod_reqtimeout gives 20 s (`body=20`)."""

    request_body_rate_min: int = 1024
    """Bytes per second that a longer body must come at, on average. Apache asks for 500 (`MinRate=500`)."""

    request_body_total_s: float = 600.0
    """A whole request body, at whatever rate. The OpenAI client gives up a request after 600 s."""

    linger_s: float = 2.0
    """How long a refused client that still sends is left to read why. nginx's lingering_timeout is 5 s."""

    connections_max: int | None = None
    """Clients that may be connected at once; None is two fifths of the files that the process may open, since each may
    need a connection to an engine too. Envoy's documents advise less than half of them."""

    connections_per_address_max: int | None = None
    """Of these, those from one address; None is three quarters, so that none keeps all others out. It is not less,
    since behind a proxy everybody has the proxy's address."""

    @cached_property
    def soonest_s(self) -> float:
        """The shortest of the deadlines that an exchange with an engine watches itself."""
        waits_s = (self.keepalive_s, self.after_finish_s, self.first_byte_s)
        return min(waits_s) if self.total_s is None else min(*waits_s, self.total_s)


DEFAULTS = Limits()
