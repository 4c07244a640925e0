"""Headgate: one exact stream from every model engine.

    import headgate

    message = headgate.collect(chunks)          # any engine's bytes, in any split
    message.to_openai()                         # the entry for the history

`docs/design.md` explains the words; `docs/events.md` the events.
"""

from headgate._version import __version__
from headgate.accumulate import Accumulator
from headgate.errors import ConfigError, HeadgateError, PeerError, RequestError, UpstreamError, UsageError
from headgate.library import astream, collect, collect_all, decoder, encoder, stream, translator
from headgate.limits import Limits
from headgate.messages import Message, ToolCall

__all__ = [
    "Accumulator",
    "ConfigError",
    "HeadgateError",
    "Limits",
    "Message",
    "PeerError",
    "RequestError",
    "ToolCall",
    "UpstreamError",
    "UsageError",
    "__version__",
    "astream",
    "collect",
    "collect_all",
    "decoder",
    "encoder",
    "stream",
    "translator",
]
