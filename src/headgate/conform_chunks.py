"""What the contracts of OpenAI's two streams of chunks have in common, as code: bytes -> breaches.

Strategy: read the stream as a strict client does, with readers of its own, so that a fault of the encoder
is not read away by the decoder's leniency.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

import json
from typing import Any

from headgate.conform_bytes import breaches_of_events
from headgate.framing.sse import Reader

REASONS = frozenset({"stop", "length", "tool_calls", "content_filter"})
_CHUNK_KEYS = frozenset({"id", "object", "created", "model", "choices", "usage", "timings"})


class ChunkCheck:
    """Follows one response; a contract says what a choice holds (`choice`), and what its chunks' `kind` is called."""

    kind = ""

    def __init__(self) -> None:
        self.breaches: list[str] = []
        self.identity: tuple[Any, ...] | None = None
        self.finished: dict[int, bool] = {}  # each choice that was seen, and whether it has its finish
        self.usage_seen = False
        self.timings_seen = False
        self.over = ""
        self.where = ""

    def check(self, data: bytes) -> list[str]:
        """Return every breach in the bytes of one streamed response."""
        self.where = "the bytes"
        for sentence in breaches_of_events(data, (b"data: ", b":"), "data"):
            self.breach(sentence)
        for number, event in enumerate(Reader().feed(data)):
            self._record(number, event.data)
        self.where = "the end"
        if not self.over:
            self.breach("neither [DONE] nor an error")
        return self.breaches

    def breach(self, sentence: str) -> None:
        """Note one, with its place."""
        self.breaches.append(f"{self.where}: {sentence}")

    def choice(self, choice: dict[str, Any]) -> None:
        """Check one choice of a chunk."""
        raise NotImplementedError

    def finish(self, index: int) -> None:
        """Note that a choice says its last."""
        self.finished[index] = True

    def begin(self, index: int) -> bool:
        """Note that a choice says something; whether that is its first."""
        first = index not in self.finished
        if self.usage_seen or self.timings_seen:
            self.breach("a choice after the usage chunk or the timings")
        if self.finished.setdefault(index, False):
            self.breach(f"choice {index} goes on after its finish")
        return first

    def _record(self, number: int, record: str) -> None:
        self.where = f"event {number}"
        if self.over:
            self.breach(f"follows {self.over}")
        if record == "[DONE]":
            self._done()
            return
        try:
            chunk = json.loads(record)
        except ValueError:
            self.breach("is not JSON")
            return
        if isinstance(chunk, dict) and "error" in chunk:
            self._error(chunk)
        elif isinstance(chunk, dict):
            self._chunk(chunk)
        else:
            self.breach("is not an object")

    def _done(self) -> None:
        self.over = "[DONE]"
        unfinished = [index for index, finished in self.finished.items() if not finished]
        if unfinished or not self.finished:
            self.breach(f"[DONE] without a finish of {unfinished or 'any choice'}")

    def _error(self, chunk: dict[str, Any]) -> None:
        self.over = "an error"
        error = chunk["error"]
        if not isinstance(error, dict) or not {"message", "type", "code", "param"} <= set(error):
            self.breach("error is not an object with message, type, code and param")
        elif not isinstance(error["message"], str) or not error["message"]:
            self.breach("error without a message")

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if unknown := set(chunk) - _CHUNK_KEYS:
            self.breach(f"has fields that no contract names: {sorted(unknown)}")
        if chunk.get("object") != self.kind:
            self.breach(f"object is {chunk.get('object')!r}")
        self._identify(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or len(choices) > 1:
            self.breach("has no list of at most one choice")
        elif not choices:
            self._usage(chunk)
        elif "usage" in chunk:
            self.breach("usage on a chunk with choices")
        for choice in choices if isinstance(choices, list) else ():
            self.choice(choice if isinstance(choice, dict) else {})
        if "timings" in chunk:
            self._timings(chunk["timings"], choices)

    def _identify(self, chunk: dict[str, Any]) -> None:
        identity = (chunk.get("id"), chunk.get("created"), chunk.get("model"))
        if self.identity is None:
            self.identity = identity
            self._identity(*identity)
        elif identity != self.identity:
            self.breach("id, created or model changed")

    def _identity(self, id_: Any, created: Any, model: Any) -> None:
        if not isinstance(id_, str) or not id_ or not isinstance(model, str) or not model:
            self.breach("id or model is missing or empty")
        if not isinstance(created, int):
            self.breach("created is no integer")

    def _usage(self, chunk: dict[str, Any]) -> None:
        usage = chunk.get("usage")
        if self.timings_seen:
            self.breach("a usage chunk after the timings, which belong on it")
        if self.usage_seen:
            self.breach("a second usage chunk")
        self.usage_seen = True
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        if not isinstance(usage, dict) or not all(isinstance(usage.get(name), int) for name in counts):
            self.breach("a chunk without choices and without the three usage counts")

    def _timings(self, timings: Any, choices: Any) -> None:
        self.timings_seen = True
        if not isinstance(timings, dict) or not timings or any(value is None for value in timings.values()):
            self.breach("timings that are empty or null")
        if not isinstance(choices, list) or any(_finish_of(choice) is None for choice in choices):
            self.breach("timings on a chunk that is neither a usage chunk nor a finish chunk")


def _finish_of(choice: Any) -> Any:
    return choice.get("finish_reason") if isinstance(choice, dict) else None
