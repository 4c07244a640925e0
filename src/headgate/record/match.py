"""A request, and cassettes -> the one that answers it, or which one would have and what differs: `Matcher`.

Strategy: requests are compared as they were recorded, hence without keys. Of several that match, the one that was
played least often answers, and of these the first: a conversation that asks the same twice gets both answers in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from headgate.cassette import Cassette
from headgate.messages import HttpRequest
from headgate.record.heads import credentials, mask_path
from headgate.record.masker import masked
from headgate.upstream.replay import refusal

VOLATILE = (
    *("cache_prompt", "id_slot", "keep_alive", "metadata", "n_probs", "prompt_cache_key", "return_progress"),
    *(
        "safety_identifier",
        "seed",
        "service_tier",
        "session_id",
        "store",
        "stream_options",
        "timings_per_token",
        "user",
    ),
)
"""Fields of a body that a loose match does not look at: they change from run to run, or only what is told beside."""

_SHOWN_MAX = 5
_POINTER_CHARS_MAX = 100
_OURS = {("GET", "/health"), ("GET", "/v1/models")}


class Match(Enum):
    """When a cassette answers a request."""

    EXACT = "exact"  # same method, same path and query, same bytes of the body
    LOOSE = "loose"  # same method and path, and the body means the same but for `VOLATILE` and nulls
    ORDER = "order"  # it is its turn, whatever is asked


class _Asked(NamedTuple):
    """A request as it is compared. `value` is the body's JSON, or the bytes where it is none."""

    method: str
    path: str
    body: bytes
    value: Any

    @property
    def place(self) -> tuple[str, str]:
        return self.method, self.path.partition("?")[0]


class Matcher:
    """A chooser for `ReplayUpstream`. If nothing matches, the answer is a 404 that names the nearest and what differs.

    Args:
        cassettes: by name.
        match: when one answers.
    """

    def __init__(self, cassettes: Mapping[str, Cassette], match: Match = Match.LOOSE) -> None:
        self._cassettes = dict(cassettes)
        self._match = match
        self._recorded = {name: _asked(one.method, one.path, one.request) for name, one in cassettes.items()}
        self._played = dict.fromkeys(self._cassettes, 0)
        self._turns = iter(self._cassettes)

    def __call__(self, _: Sequence[Cassette], request: HttpRequest, /) -> Cassette | None:
        """Choose; None for what a replay answers by itself where no cassette does."""
        if self._match is Match.ORDER:
            return self._in_turn()
        asked = _as_recorded(request)
        different = {name: list(_differences(one, asked, self._match)) for name, one in self._recorded.items()}
        same = [name for name, places in different.items() if not places]
        if same:
            chosen = min(same, key=self._played.__getitem__)
            self._played[chosen] += 1
            return self._cassettes[chosen]
        if asked.place in _OURS and all(one.place != asked.place for one in self._recorded.values()):
            return None
        return refusal(404, self._miss(asked, different))

    def _in_turn(self) -> Cassette:
        name = next(self._turns, None)
        if name is None:
            return refusal(404, f"all {len(self._cassettes):,} cassettes were played. Start the replay anew.")
        return self._cassettes[name]

    def _miss(self, asked: _Asked, different: Mapping[str, Sequence[str]]) -> str:
        sentence = f"no cassette answers this {asked.method} {asked.place[1]} ({self._match.value} match)."
        there = [name for name, one in self._recorded.items() if one.place == asked.place]
        if not there:
            places = sorted({" ".join(one.place) for one in self._recorded.values()})
            return f"{sentence} There are cassettes for {_some(places)}."
        nearest = min(there, key=lambda name: len(different[name]))
        return f"{sentence} The nearest is {nearest}, which differs at {_some(different[nearest])}."


def _as_recorded(request: HttpRequest) -> _Asked:
    """A request as a recording of it would show it."""
    secrets = credentials(request.headers, request.path)
    return _asked(request.method, mask_path(request.path, secrets).text, masked(request.body, secrets)[0])


def _asked(method: str, path: str, body: bytes) -> _Asked:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        value = body
    return _Asked(method, path, body, value)


def _differences(recorded: _Asked, asked: _Asked, match: Match) -> Iterator[str]:
    """Where two requests differ, as JSON pointers or words; values are not shown."""
    if recorded.place != asked.place:
        yield "the method or the path"
    if match is Match.LOOSE:
        yield from _apart(_meant(recorded.value), _meant(asked.value), "")
        return
    if recorded.path != asked.path:
        yield "the query"
    if recorded.body != asked.body:
        yield from list(_apart(recorded.value, asked.value, "")) or ["the bytes of the body, but not what they mean"]


def _meant(value: Any) -> Any:
    """What a loose match looks at."""
    if not isinstance(value, dict):
        return value
    return {key: field for key, field in value.items() if key not in VOLATILE and field is not None}


def _apart(left: Any, right: Any, pointer: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in dict.fromkeys([*left, *right]):
            below = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in left and key in right:
                yield from _apart(left[key], right[key], below)
            else:
                yield f"{below} ({'not recorded' if key in right else 'recorded only'})"
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, pair in enumerate(zip(left, right, strict=True)):
            yield from _apart(*pair, f"{pointer}/{number}")
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield pointer or "the body"


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(word[:_POINTER_CHARS_MAX] for word in words[:_SHOWN_MAX])
    return f"{shown} and {len(words) - _SHOWN_MAX:,} more" if len(words) > _SHOWN_MAX else shown
