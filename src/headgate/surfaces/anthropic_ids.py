"""The ids of calls -> ids that Anthropic's API takes, and back.

Strategy: Anthropic's own server refuses an id with other characters than letters, digits, `_` and `-` when a client
sends the history there, and some clients check as it does. What fits stays; any other id (Kimi's `functions.f:0`) goes
out as `toolu_hg1_` and itself in base64, and is itself again when it comes back, so that nothing has to be remembered
and an engine that counts its calls by their ids sees its own.
Spec: https://docs.claude.com/en/api/messages#body-messages-content-id
"""

from __future__ import annotations

import base64
import binascii
import re

PREFIX = "toolu_hg1_"
_fits = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch


def to_client(call_id: str) -> str:
    """The id as the client is given it."""
    if _fits(call_id) and not call_id.startswith(PREFIX):
        return call_id
    return PREFIX + base64.urlsafe_b64encode(call_id.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def to_engine(call_id: str) -> str:
    """The id as the engine knows it; one that is not ours stays as it is."""
    if not call_id.startswith(PREFIX):
        return call_id
    text = call_id.removeprefix(PREFIX)
    try:
        own = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return call_id
    return own if to_client(own) == call_id else call_id
