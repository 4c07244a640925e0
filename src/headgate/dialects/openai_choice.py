"""One choice of OpenAI-style chunks -> its canonical events.

Strategy: a delta is written in the order in which engines generate its parts. Nulls, empties and repetitions are
dropped and aliases renamed; each such change is a named repair.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming (choices)
"""

from __future__ import annotations

from msgspec import UNSET, Raw, UnsetType

from headgate.dialects.calls import Calls
from headgate.dialects.lenient import read, untyped
from headgate.dialects.logprobs import of_text
from headgate.dialects.openai_shapes import Choice, Delta, Logprobs, decode_logprobs
from headgate.dialects.writer import BlockWriter
from headgate.events import Logprob

_EXTRAS = ("annotations", "audio", "images", "reasoning_details")


class ChoiceReader:
    """Writes the events of one choice, by its number."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._calls = Calls(number)
        self._has_role = False
        self._blank = False  # its last finish reason was ""

    def copy(self) -> ChoiceReader:
        """An independent reader in the same state."""
        twin = ChoiceReader(self._number)
        twin._calls, twin._has_role, twin._blank = self._calls.copy(), self._has_role, self._blank
        return twin

    def take(self, writer: BlockWriter, choice: Choice, *, whole: bool) -> None:
        """Write what a chunk says of the choice; `whole` says that the chunk is the whole reply."""
        number = self._number
        logprobs = () if choice.logprobs is UNSET else self._logprobs(writer, bytes(choice.logprobs))
        delta = choice.delta or choice.message
        said = self._delta(writer, delta, logprobs, whole=whole) if delta else self._text(writer, choice.text, logprobs)
        # Some engines write "" where others write null; only [DONE] makes an end of it.
        self._blank = choice.finish_reason == ""
        if self._blank:
            writer.repair("empty_dropped", "finish_reason", number)
        elif choice.finish_reason is not None:
            if said and not whole:
                writer.repair("finish_split", "", number)
            writer.finish(choice.finish_reason, number, _string(choice.stop_reason) or _string(choice.matched_stop))

    def settle(self, writer: BlockWriter) -> None:
        """The choice is over: write the calls whose names never came."""
        self._calls.close(writer)

    def finish_blank(self, writer: BlockWriter) -> None:
        """`[DONE]` follows: an empty finish reason was one."""
        if self._blank:
            writer.finish(None, self._number)

    # -- what a delta says ---------------------------------------------------------------------------

    def _text(self, writer: BlockWriter, text: str | None, logprobs: tuple[Logprob, ...]) -> bool:
        if text or logprobs:
            writer.text(text or "", self._number, logprobs)
        return bool(text)

    def _delta(self, writer: BlockWriter, delta: Delta, logprobs: tuple[Logprob, ...], *, whole: bool) -> bool:
        """Write what a delta says, in the order that engines generate it; whether it says anything."""
        number = self._number
        self._role(writer, delta)
        reasoning = self._reasoning_of(writer, delta)
        if reasoning:
            writer.reasoning(reasoning, number, () if delta.content else logprobs)
        if delta.content:
            writer.text(delta.content, number, logprobs)
        elif logprobs and not reasoning:
            writer.text("", number, logprobs)
        if delta.content is None or delta.content == "":
            writer.repair("null_dropped" if delta.content is None else "empty_dropped", "content", number)
        if delta.refusal:
            writer.refusal(delta.refusal, number)
        if called := bool(delta.tool_calls or delta.function_call):
            self._tool_calls(writer, delta, whole=whole)
        self._keep_extras(writer, delta)
        return bool(reasoning or delta.content or delta.refusal or called)

    def _role(self, writer: BlockWriter, delta: Delta) -> None:
        if delta.role is None:
            writer.repair("null_dropped", "role", self._number)
        elif delta.role is not UNSET:
            if self._has_role:
                writer.repair("role_repeated", "", self._number)
            self._has_role = True

    def _reasoning_of(self, writer: BlockWriter, delta: Delta) -> str | None:
        canonical, renamed = delta.reasoning_content, delta.reasoning or delta.thinking
        if canonical is None or delta.reasoning is None:
            writer.repair("null_dropped", "reasoning", self._number)
        if canonical:
            return canonical
        if isinstance(renamed, str) and renamed:
            writer.repair("reasoning_renamed", "reasoning" if delta.reasoning else "thinking", self._number)
            return renamed
        return None

    def _tool_calls(self, writer: BlockWriter, delta: Delta, *, whole: bool) -> None:
        for place, fragment in enumerate(delta.tool_calls or ()):
            function = fragment.function
            name, arguments = (function.name, function.arguments) if function else (None, None)
            # The calls of a whole message have no index: each is one of its own.
            index = place if whole and fragment.index is None else fragment.index
            self._calls.fragment(writer, index, fragment.id, name, arguments)
        if (legacy := delta.function_call) is not None:
            self._calls.fragment(writer, None, None, legacy.name, legacy.arguments)

    def _keep_extras(self, writer: BlockWriter, delta: Delta) -> None:
        for name in _EXTRAS:
            value = getattr(delta, name)
            if value is not UNSET and bytes(value) not in {b"null", b"[]"}:
                writer.keep(f"choices[].delta.{name}", bytes(value).decode("utf-8", "replace"), self._number)

    def _logprobs(self, writer: BlockWriter, record: bytes) -> tuple[Logprob, ...]:
        if record == b"null":
            return ()
        logprobs, repairs = read(record, Logprobs, decode_logprobs)
        if logprobs is None:
            return ()
        for code, detail in repairs.items():
            writer.repair(code, f"logprobs.{detail}", self._number)
        if logprobs.tokens is not None:
            return of_text(logprobs.tokens, logprobs.token_logprobs or (), logprobs.top_logprobs or ())
        tokens = logprobs.content or ()
        if any(not token.is_complete() for token in tokens) or logprobs.refusal is UNSET:
            writer.repair("logprobs_completed", "", self._number)
        return tuple(token.value() for token in tokens)


def _string(raw: Raw | UnsetType) -> str | None:
    """The stop sequence that matched; engines also put token ids and null there."""
    value = None if raw is UNSET else untyped(bytes(raw), {})
    return value if isinstance(value, str) else None
