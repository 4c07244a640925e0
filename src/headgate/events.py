"""The canonical events: what every engine's bytes become and every surface is written from.

Values only, no behaviour. Tags are noun.verb; the lifecycle verbs are start, delta and end.
The grammar (`docs/events.md`) per choice is `[message.start item*] (message.end | error)`, and
`headgate.conform.check_events` is that grammar as code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

FORMAT_VERSION = 1

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cancelled", "unknown"]


class Logprob(msgspec.Struct, frozen=True, gc=False):
    """One token's log probability, in the shape of OpenAI's `logprobs.content[]`.

    `bytes` are the token's UTF-8 bytes, or None where the engine does not tell.
    """

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top_logprobs: tuple[Logprob, ...] = ()


class Timings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How long it took: what the engine says, and beside it what was measured here. Absent is None.

    `…_n` are tokens, `…_ms` milliseconds, `…_per_second` tokens per second. The engine's own have llama-server's
    names: `cache_n` tokens of the prompt came from its cache, `draft_n` were proposed by a draft model, of which
    `draft_n_accepted` were right. `load_ms` and `total_ms` are Ollama's, with the loading of the model.

    The last four are not the engine's: `headgate.stopwatch` counts them from the moment the request was sent, on the
    clock of whoever reads the reply. Content is text or a tool call. `measured_ms` goes to the end of the response,
    and `measured_per_second` is how fast tokens came after the first of them.
    Source: llama.cpp `tools/server/server-task.cpp`, `result_timings::to_json`.
    """

    cache_n: int | None = None
    prompt_n: int | None = None
    prompt_ms: float | None = None
    prompt_per_token_ms: float | None = None
    prompt_per_second: float | None = None
    predicted_n: int | None = None
    predicted_ms: float | None = None
    predicted_per_token_ms: float | None = None
    predicted_per_second: float | None = None
    draft_n: int | None = None
    draft_n_accepted: int | None = None
    load_ms: float | None = None
    total_ms: float | None = None
    first_reasoning_ms: float | None = None
    first_content_ms: float | None = None
    measured_ms: float | None = None
    measured_per_second: float | None = None


class MessageStart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="message.start"):
    """A choice begins. `id`, `model`, `created_s` are the engine's; `vendor` is its own fingerprint."""

    id: str | None = None
    model: str | None = None
    created_s: int | None = None
    vendor: str | None = None
    choice: int = 0


class TextStart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="text.start"):
    """A text block begins; `refusal` says that its text is a refusal."""

    index: int
    refusal: bool = False
    choice: int = 0


class TextDelta(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="text.delta"):
    """More text of an open block. Empty only when it carries `logprobs`."""

    index: int
    text: str
    logprobs: tuple[Logprob, ...] = ()
    choice: int = 0


class ReasoningStart(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="reasoning.start"
):
    """A reasoning block begins; `summary` says that the engine shows a summary, not the thought."""

    index: int
    summary: bool = False
    choice: int = 0


class ReasoningDelta(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="reasoning.delta"
):
    """More reasoning of an open block. Empty only when it carries `logprobs`."""

    index: int
    text: str
    logprobs: tuple[Logprob, ...] = ()
    choice: int = 0


class ReasoningSignature(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="reasoning.signature"
):
    """An opaque proof that belongs to a reasoning block; `origin` names who can check it."""

    index: int
    data: str
    origin: str
    choice: int = 0


class ToolCallStart(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="tool_call.start"):
    """A tool call begins. `call_id` is unique within the choice."""

    index: int
    call_id: str
    name: str
    choice: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="tool_call.delta"):
    """More of a call's arguments; the fragments of one call concatenate to one JSON text."""

    index: int
    json: str
    choice: int = 0


class BlockEnd(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="block.end"):
    """A block is over. `complete` is false for a tool call that was cut off."""

    index: int
    complete: bool = True
    choice: int = 0


class Annotation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="annotation"):
    """A citation that belongs to a text block; positions count characters of that block."""

    index: int
    kind: str
    url: str | None = None
    title: str | None = None
    start_char: int | None = None
    end_char: int | None = None
    choice: int = 0


class Progress(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="progress"):
    """How much of the prompt the engine has read, in tokens."""

    processed: int
    total: int
    cached: int | None = None


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="usage"):
    """What the response cost, in tokens. Absent is None, never 0; the total is derived.

    `input_tokens` is the whole prompt, cached and cache-written tokens included; `output_tokens`
    includes reasoning. It belongs to the response, not to a choice: engines that report per choice
    are added up before this event is made.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    timings: Timings | None = None


class Repair(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="repair"):
    """A change made to bring the stream into contract: a stable `code` of `headgate.repairs`, and a detail.

    `index` names the block that the repair is about, where it is about one.
    """

    code: str
    detail: str = ""
    index: int | None = None
    choice: int = 0


class Extra(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="extra"):
    """A raw JSON value that no other event has a word for; `path` says where the engine put it."""

    path: str
    json: str
    index: int | None = None
    choice: int = 0


class MessageEnd(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="message.end"):
    """A choice is over because the engine said so. `raw_reason` is the engine's own word."""

    reason: FinishReason
    raw_reason: str | None = None
    stop_sequence: str | None = None
    choice: int = 0


class StreamError(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="error"):
    """The response failed; every choice without an end is over. `code` is one of `headgate.errors.CODES`.

    `vendor` is the engine's own error value, verbatim JSON, for the logs of whoever runs the engine.
    """

    code: str
    message: str
    retryable: bool = False
    status_hint: int = 502
    vendor: str | None = None


Event = (
    MessageStart
    | TextStart
    | TextDelta
    | ReasoningStart
    | ReasoningDelta
    | ReasoningSignature
    | ToolCallStart
    | ToolCallDelta
    | BlockEnd
    | Annotation
    | Progress
    | Usage
    | Repair
    | Extra
    | MessageEnd
    | StreamError
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode
_decode_any = msgspec.json.Decoder().decode
_TAGS = frozenset(kind.__struct_config__.tag for kind in Event.__args__)


def to_jsonl(events: Iterable[Event], /, *, header: bool = True) -> bytes:
    """Write events as JSON lines, opened by the header line unless `header` is false."""
    lines = [_encode({"type": "headgate.events", "version": FORMAT_VERSION})] if header else []
    lines += [_encode(event) for event in events]
    return b"".join(line + b"\n" for line in lines)


def from_jsonl(data: bytes, /) -> Iterator[Event]:
    """Read events from JSON lines; the header, unknown tags and unknown fields are skipped.

    Raises:
        msgspec.DecodeError: if a line is not JSON, or a known event has a field of the wrong type.
    """
    for line in data.splitlines():
        if line.strip() and _tag(line) in _TAGS:
            yield _decode(line)


def _tag(line: bytes) -> Any:
    value = _decode_any(line)
    return value.get("type") if isinstance(value, dict) else None
