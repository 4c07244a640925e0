"""What is read of an OpenAI-style chunk or reply: every field optional, in every type engines send.

Spec: https://platform.openai.com/docs/api-reference/chat-streaming/streaming
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.dialects.logprobs import TokenLogprob
from headgate.events import Timings, Usage


class Function(Struct, gc=False):
    """A call's function."""

    name: str | None = None
    arguments: str | None = None


class CallFragment(Struct, gc=False):
    """A fragment of a tool call."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(Struct, gc=False):
    """A streamed delta, or a whole reply's message."""

    role: str | UnsetType | None = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | None = None
    reasoning_content: str | UnsetType | None = UNSET
    reasoning: str | UnsetType | None = UNSET
    thinking: str | UnsetType | None = UNSET
    tool_calls: list[CallFragment] | None = None
    function_call: Function | None = None
    annotations: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET
    images: Raw | UnsetType = UNSET
    reasoning_details: Raw | UnsetType = UNSET


class Logprobs(Struct, gc=False):
    """`choices[].logprobs`; the last three are those of text completions, in lists that run beside each other."""

    content: list[TokenLogprob] | UnsetType | None = UNSET
    refusal: list[TokenLogprob] | UnsetType | None = UNSET
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


class Choice(Struct, gc=False):
    """A choice of a chunk (`delta`), of a reply (`message`), or of a text completion (`text`)."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Raw | UnsetType = UNSET  # msgspec reads no Raw that may also be None
    stop_reason: Raw | UnsetType = UNSET
    matched_stop: Raw | UnsetType = UNSET


class PromptDetails(Struct, gc=False):
    """`usage.prompt_tokens_details`."""

    cached_tokens: int | None = None
    created_cache_tokens: int | None = None


class CompletionDetails(Struct, gc=False):
    """`usage.completion_tokens_details`."""

    reasoning_tokens: int | None = None


class Tokens(Struct, gc=False):
    """`usage`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    reasoning_tokens: int | None = None  # SGLang

    def says_nothing(self) -> bool:
        """Whether it is zeros, which no response costs."""
        return not (self.prompt_tokens or self.completion_tokens or self.total_tokens)

    def value(self, timings: Timings | None) -> Usage:
        """The canonical value."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        thoughts = completion.reasoning_tokens if completion else None
        return Usage(
            self.prompt_tokens,
            self.completion_tokens,
            prompt.cached_tokens if prompt else None,
            prompt.created_cache_tokens if prompt else None,
            self.reasoning_tokens if thoughts is None else thoughts,
            timings,
        )


class PromptProgress(Struct, gc=False):
    """llama-server's `prompt_progress`."""

    total: int = 0
    processed: int = 0
    cache: int | None = None


class Chunk(Struct, gc=False):
    """A chunk, a whole reply, or an error."""

    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[Choice] | None = None
    usage: Tokens | None = None
    timings: Timings | None = None
    prompt_progress: PromptProgress | None = None
    error: Raw | UnsetType = UNSET


decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_logprobs = msgspec.json.Decoder(Logprobs).decode


def prepare(chunk: dict[str, Any], repairs: dict[str, str]) -> None:
    """Reshape what the typed reading has no place for: arguments as an object, content as a list of parts."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        for key in ("delta", "message"):
            if isinstance(choice, dict) and isinstance(choice.get(key), dict):
                _prepare_delta(choice[key], repairs)


def _prepare_delta(delta: dict[str, Any], repairs: dict[str, str]) -> None:
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), dict | list):
            function["arguments"] = msgspec.json.encode(function["arguments"]).decode()
            repairs["arguments_serialised"] = ""
    if isinstance(delta.get("content"), list):
        # Mistral's API: [{"type": "thinking", "thinking": [{"type": "text", …}]}, {"type": "text", …}]
        parts = [part for part in delta["content"] if isinstance(part, dict)]
        repairs["type_coerced"] = "content"
        delta["content"] = "".join(_texts(part, "text") for part in parts)
        if thought := "".join(_texts(part, "thinking") for part in parts):
            delta["reasoning_content"] = thought


def _texts(part: dict[str, Any], key: str) -> str:
    value = part.get(key) if part.get("type") == key else None
    if isinstance(value, list):
        return "".join(_texts(inner, "text") for inner in value if isinstance(inner, dict))
    return value if isinstance(value, str) else ""
