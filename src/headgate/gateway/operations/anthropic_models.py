"""The models that are served -> Anthropic's list of models, for who sends `anthropic-version`.

Strategy: the list is always whole, so that the paging of this API (`limit`, `after_id`) ends where it began.
Spec: https://docs.anthropic.com/en/api/models-list
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from headgate.gateway.models import Listed

_VERSION = "anthropic-version"


def is_asked(headers: Mapping[str, str]) -> bool:
    """Whether a request is one of Anthropic's API: that API demands this header of every request, no other has it."""
    return _VERSION in headers


def listing(listed: Sequence[Listed]) -> bytes:
    """The body of `GET /v1/models`."""
    entries = [entry(one) for one in listed]
    ends = (entries[0]["id"], entries[-1]["id"]) if entries else (None, None)
    return msgspec.json.encode({"data": entries, "has_more": False, "first_id": ends[0], "last_id": ends[1]})


def entry(listed: Listed) -> dict[str, Any]:
    """One model. A time that its engine did not tell is the epoch, as this API has it for unknown dates."""
    created = datetime.fromtimestamp(listed.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": listed.id, "display_name": listed.id, "created_at": created}
