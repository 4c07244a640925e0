"""One choice of OpenAI-style chunks -> its canonical events.

Strategy: a delta is written in the order in which engines generate its parts. Nulls, empties and repetitions are
dropped and aliases renamed; each such change is a named repair.
Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming (choices)
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.dialects.calls import Calls
from headgate.dialects.lenient import read, untyped
from headgate.dialects.logprobs import of_text
from headgate.dialects.openai_shapes import Choice, Delta, Logprobs, decode_logprobs
from headgate.dialects.writer import BlockWriter
from headgate.events import Logprob

_EXTRAS = ("annotations", "audio", "images", "reasoning_details")


class _Told(NamedTuple):
    """The log probabilities of a chunk's tokens: those of its text or thought, and those of its refusal."""

    content: tuple[Logprob, ...] = ()
    refusal: tuple[Logprob, ...] = ()


_NOT_TOLD = _Told()
_NOTHING = Delta()


class ChoiceReader(Struct, eq=False):
    """Writes the events of one choice, by its number."""

    _number: int
    _calls: Calls | None = None  # while there are any
    _has_role: bool = False
    _blank: bool = False  # its last finish reason was ""

    def copy(self) -> ChoiceReader:
        """An independent reader in the same state."""
        copied = copy.copy(self)
        copied._calls = self._calls and self._calls.copy()
        return copied

    def take(self, writer: BlockWriter, choice: Choice, *, whole: bool) -> None:
        """Write what a chunk says of the choice; `whole` says that the chunk is the whole reply."""
        told = _NOT_TOLD if choice.logprobs is UNSET else self._logprobs(writer, bytes(choice.logprobs))
        delta, word = choice.delta or choice.message, choice.finish_reason
        if delta is None:
            said = self._text(writer, choice.text, told.content)
        elif told is _NOT_TOLD and (content := delta.content) and delta == Delta(UNSET, content):
            writer.text(content, self._number)  # and it says nothing else, as nearly every delta
            said = True
        elif told is _NOT_TOLD and delta == _NOTHING:
            said = False
        else:
            said = self._delta(writer, delta, told, whole=whole)
        if word is not None or self._blank:
            self._finish(writer, choice, split=said and not whole)

    def _finish(self, writer: BlockWriter, choice: Choice, *, split: bool) -> None:
        """Take the finish reason; `split` says that the chunk has text, too."""
        word, number = choice.finish_reason, self._number
        # Some engines write "" where others write null; only [DONE] makes an end of it.
        self._blank = word == ""
        if self._blank:
            writer.repair("empty_dropped", "finish_reason", number)
        elif word is not None:
            if split:
                writer.repair("finish_split", "", number)
            writer.finish(word, number, _stop_sequence(choice))

    def settle(self, writer: BlockWriter) -> None:
        """The choice is over: write the calls whose names never came."""
        if self._calls is not None:
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

    def _delta(self, writer: BlockWriter, delta: Delta, told: _Told, *, whole: bool) -> bool:
        """Write what a delta says, in the order that engines generate it; whether it says anything."""
        number, logprobs = self._number, told.content
        if delta.role is not UNSET:
            self._role(writer, delta.role)
        if told is _NOT_TOLD and delta == Delta(delta.role, delta.content):
            return self._content(writer, delta.content)  # it says nothing else, as the first of nearly every stream
        reasoning = None
        if not delta.reasoning_content is delta.reasoning is delta.thinking is UNSET:
            reasoning = self._reasoning_of(writer, delta)
        if reasoning:
            writer.reasoning(reasoning, number, () if delta.content else logprobs)
        if delta.content:
            writer.text(delta.content, number, logprobs)
        elif logprobs and not reasoning:
            writer.text("", number, logprobs)
        if not delta.content:
            self._content(writer, delta.content)
        if delta.refusal or told.refusal:
            writer.refusal(delta.refusal or "", number, told.refusal)
        if called := bool(delta.tool_calls or delta.function_call):
            self._tool_calls(writer, delta, whole=whole)
        if not delta.annotations is delta.audio is delta.images is delta.reasoning_details is UNSET:
            self._keep_extras(writer, delta)
        return bool(reasoning or delta.content or delta.refusal or called)

    def _content(self, writer: BlockWriter, content: str | UnsetType | None) -> bool:
        """Write a content, or say that it is none; whether it says anything."""
        if content is None or content == "":
            writer.repair("null_dropped" if content is None else "empty_dropped", "content", self._number)
        elif content is not UNSET:
            writer.text(content, self._number)
        return bool(content)

    def _role(self, writer: BlockWriter, role: str | None) -> None:
        if role is None:
            writer.repair("null_dropped", "role", self._number)
        elif self._has_role:
            writer.repair("role_repeated", "", self._number)
        else:
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
        calls = self._calls = self._calls or Calls(self._number)
        for place, fragment in enumerate(delta.tool_calls or ()):
            function = fragment.function
            name, arguments = (function.name, function.arguments) if function else (None, None)
            # The calls of a whole message have no index: each is one of its own.
            index = place if whole and fragment.index is None else fragment.index
            calls.fragment(writer, index, fragment.id, name, arguments)
        if (legacy := delta.function_call) is not None:
            calls.fragment(writer, None, None, legacy.name, legacy.arguments)

    def _keep_extras(self, writer: BlockWriter, delta: Delta) -> None:
        for name in _EXTRAS:
            value = getattr(delta, name)
            if value is not UNSET and bytes(value) not in {b"null", b"[]"}:
                writer.keep(f"choices[].delta.{name}", bytes(value).decode("utf-8", "replace"), self._number)

    def _logprobs(self, writer: BlockWriter, record: bytes) -> _Told:
        if record == b"null":
            return _NOT_TOLD
        logprobs, repairs = read(record, Logprobs, decode_logprobs)
        if logprobs is None:
            return _NOT_TOLD
        for code, detail in repairs.items():
            writer.repair(code, f"logprobs.{detail}", self._number)
        if logprobs.tokens is not None:
            return _Told(of_text(logprobs.tokens, logprobs.token_logprobs or (), logprobs.top_logprobs or ()))
        content, refusal = logprobs.content or (), logprobs.refusal or ()
        are_complete = all(token.is_complete() for token in (*content, *refusal))
        if not are_complete or UNSET in (logprobs.content, logprobs.refusal):
            writer.repair("logprobs_completed", "", self._number)
        return _Told(tuple(token.value() for token in content), tuple(token.value() for token in refusal))


def _stop_sequence(choice: Choice) -> str | None:
    """The stop sequence that matched; engines also put token ids and null there."""
    if choice.stop_reason is choice.matched_stop is UNSET:
        return None
    return _string(choice.stop_reason) or _string(choice.matched_stop)


def _string(raw: Raw | UnsetType) -> str | None:
    value = None if raw is UNSET else untyped(bytes(raw), {})
    return value if isinstance(value, str) else None
