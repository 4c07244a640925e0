"""Requests and replies as values: what a surface parses, what a dialect sends, what the history keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from headgate.events import Annotation, Extra, FinishReason, Logprob, Repair, StreamError, Timings, Usage

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
IdFactory: TypeAlias = Callable[[str], str]
"""Given a prefix such as `call_`, returns a new unique id that begins with it."""

Spelling: TypeAlias = Literal["reasoning_content", "reasoning", "tags", "none"]
"""How a thought is written in OpenAI's format: in a field of one of two names, inside of the content between
`<think>` tags, or not at all. OpenAI itself has no word for it."""

Tools: TypeAlias = Mapping[str, Any]
"""The tools a request declared: name to JSON Schema (None where it gave no schema)."""


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool call. `arguments` is the JSON text exactly as generated; `complete` says that it is whole."""

    id: str
    name: str
    arguments: str
    complete: bool = True

    def to_openai(self) -> dict[str, Any]:
        """The entry of `tool_calls` in an OpenAI message."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


class TextPart(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="text"):
    """Text of a message; `refusal` says that the model declined with it."""

    text: str
    refusal: bool = False
    logprobs: tuple[Logprob, ...] = ()


class ReasoningPart(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="reasoning"):
    """Reasoning of a message; `signature` is the opaque proof an engine attached.

    `redacted` says that the engine shows no text: the signature is then the thought itself, encrypted.
    """

    text: str
    summary: bool = False
    signature: str | None = None
    redacted: bool = False
    logprobs: tuple[Logprob, ...] = ()


class ToolCallPart(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tool_call"):
    """A tool call at its place between the other parts."""

    call: ToolCall


ContentPart: TypeAlias = TextPart | ReasoningPart | ToolCallPart


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one choice of a response came to: the assistant's message with everything known about it.

    `parts` keep the order of generation; `content`, `reasoning`, `tool_calls` and `logprobs` are views of them.
    """

    parts: tuple[ContentPart, ...] = ()
    id: str | None = None
    model: str | None = None
    created_s: int | None = None
    choice: int = 0
    finish_reason: FinishReason | None = None
    raw_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None
    annotations: tuple[Annotation, ...] = ()
    extras: tuple[Extra, ...] = ()
    repairs: tuple[Repair, ...] = ()
    error: StreamError | None = None

    @property
    def content(self) -> str:
        """The visible text, all text parts in order; refusals are not part of it."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart) and not part.refusal)

    @property
    def refusal(self) -> str | None:
        """The refusal's text, or None."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart) and part.refusal) or None

    @property
    def reasoning(self) -> str | None:
        """The reasoning, all parts in order, or None."""
        return "".join(part.text for part in self.parts if isinstance(part, ReasoningPart)) or None

    @property
    def logprobs(self) -> tuple[Logprob, ...]:
        """Those of every token that has one, in order."""
        return tuple(one for part in self.parts if not isinstance(part, ToolCallPart) for one in part.logprobs)

    @property
    def answer_logprobs(self) -> tuple[Logprob, ...]:
        """Those of the content: of no thought, and of no refusal."""
        return self._text_logprobs(refusal=False)

    @property
    def refusal_logprobs(self) -> tuple[Logprob, ...]:
        """Those of the refusal, which OpenAI tells apart from those of the content."""
        return self._text_logprobs(refusal=True)

    def _text_logprobs(self, *, refusal: bool) -> tuple[Logprob, ...]:
        texts = (part for part in self.parts if isinstance(part, TextPart) and part.refusal is refusal)
        return tuple(one for part in texts for one in part.logprobs)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The whole tool calls; those that may be executed."""
        return tuple(part.call for part in self.parts if isinstance(part, ToolCallPart) and part.call.complete)

    @property
    def incomplete_calls(self) -> tuple[ToolCall, ...]:
        """The calls that were cut off; never to be executed."""
        return tuple(part.call for part in self.parts if isinstance(part, ToolCallPart) and not part.call.complete)

    @property
    def timings(self) -> Timings | None:
        """How long it took, as the engine told and as was measured, if either was done."""
        return self.usage.timings if self.usage else None

    def to_openai(self) -> dict[str, Any]:
        """The history entry: role, content, and reasoning_content, refusal, tool_calls where there are any.

        `content` is None only when the message is nothing but tool calls (and reasoning), as OpenAI has it.
        """
        content = reasoning = refusal = ""
        calls: list[dict[str, Any]] = []
        for part in self.parts:
            match part:
                case TextPart(refusal=False):
                    content += part.text
                case TextPart():
                    refusal += part.text
                case ReasoningPart():
                    reasoning += part.text
                case ToolCallPart() if part.call.complete:
                    calls.append(part.call.to_openai())
                case _:
                    pass  # a call that was cut off is none to be told again
        entry: dict[str, Any] = {"role": "assistant", "content": content or (None if calls else "")}
        if reasoning:
            entry["reasoning_content"] = reasoning
        if refusal:
            entry["refusal"] = refusal
        if calls:
            entry["tool_calls"] = calls
        return entry

    def to_record(self) -> dict[str, Any]:
        """Everything that is known, as `headgate normalize --to message` prints it; every key is always there.

        `usage` has OpenAI's names and only what was told; `repairs` are the codes, each once.
        """
        error = self.error
        return {
            "role": "assistant",
            "model": self.model,
            "content": self.to_openai()["content"],
            "refusal": self.refusal,
            "reasoning_content": self.reasoning,
            "tool_calls": [call.to_openai() for call in self.tool_calls],
            "incomplete_calls": [call.to_openai() for call in self.incomplete_calls],
            "finish_reason": self.finish_reason,
            "raw_reason": self.raw_reason,
            "usage": usage_to_openai(self.usage),
            "timings": msgspec.to_builtins(self.timings),
            "repairs": list(dict.fromkeys(repair.code for repair in self.repairs)),
            "error": {"code": error.code, "message": error.message, "status": error.status_hint} if error else None,
        }


class Tool(msgspec.Struct, frozen=True):
    """A tool as the request declared it. `parameters` is its JSON Schema, verbatim; None if it has none."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw | None = None
    strict: bool | None = None


class Part(msgspec.Struct, frozen=True):
    """A part of a request message: text, an image by URL (a data URI or http), or anything else in `raw`, verbatim."""

    kind: Literal["text", "image", "audio", "other"]
    text: str = ""
    raw: msgspec.Raw = msgspec.Raw(b"")


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a request.

    `reasoning` is all of its text. `signed` is the same in its parts, and only there where one of them bears the
    signature of an engine that checks it; who sends them to another engine leaves the signatures out and says so.
    `is_error` says of a tool's result that the tool failed.
    """

    role: Role
    content: str | tuple[Part, ...] | None = None
    reasoning: str | None = None
    signed: tuple[ReasoningPart, ...] = ()
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    is_error: bool = False


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A text to go on with, which stands in the place of messages and reaches the model without a template.

    `prompt` is a text, or the ids of the engine's own tokens. `suffix` is what follows the gap that is to be filled
    (fill-in-the-middle); None where the text simply goes on. `echo` asks for the prompt at the head of the reply.
    """

    prompt: str | tuple[int, ...]
    suffix: str | None = None
    echo: bool = False


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request in canonical form: a conversation, or (where `completion` is not None) a text to go on with.

    `model` is "" where the request leaves it to whoever serves it (`POST /chat`); no dialect is asked before it is
    filled in. `options` holds every other field of the body, verbatim, in the order it came: sampling, limits,
    response format, engine extras. A dialect passes on what its engine takes and names what it drops; `dropped` names
    what this form has no place for already. `reasoning` is how the client wants thoughts written, where it says so, and
    `history` how the engine wants them back; who has one word of its own for them ignores either.
    """

    model: str
    messages: tuple[ChatMessage, ...] = ()
    tools: tuple[Tool, ...] | None = None
    tool_choice: msgspec.Raw | None = None
    stream: bool = False
    include_usage: bool = False
    include_timings: bool = False
    choices: int = 1
    completion: Completion | None = None
    reasoning: Spelling | None = None
    history: Spelling = "reasoning_content"
    options: dict[str, msgspec.Raw] = {}
    dropped: tuple[str, ...] = ()

    def declared(self) -> Tools | None:
        """The tools that may be called, as markup wants them; `{}` when the request declared or allowed none."""
        if self.tool_choice is not None and bytes(self.tool_choice) == b'"none"':
            return {}
        return {tool.name: tool.parameters for tool in self.tools or ()}


AS_JSON = (("content-type", "application/json"),)
"""The headers of a request with a JSON body; vLLM refuses one without (its `validate_json_request`)."""


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to an engine: `path` is joined to the upstream's base URL; `dropped` names unserved fields."""

    method: str = "POST"
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    dropped: tuple[str, ...] = ()


def declared_tools(tools: Any) -> Tools | None:
    """Read a tool declaration in any common shape: names, OpenAI tools, Anthropic tools, or a mapping.

    None stays None (unknown); an empty list means that no tools were declared.

    Raises:
        TypeError: if an entry is none of these.
    """
    if tools is None or isinstance(tools, Mapping):
        return tools
    return dict(_declared(tool) for tool in tools)


def _declared(tool: Any) -> tuple[str, Any]:
    if isinstance(tool, str):
        return tool, None
    if isinstance(tool, Mapping):
        body = tool.get("function", tool)
        if isinstance(body, Mapping) and isinstance(body.get("name"), str):
            return body["name"], body.get("parameters", body.get("input_schema"))
    raise TypeError(f"expected a tool name or a tool object with a name, got {type(tool).__name__}")


def usage_to_openai(usage: Usage | None, *, complete: bool = False) -> dict[str, Any] | None:
    """Usage in OpenAI's names, with what is known; None if nothing was told.

    Args:
        usage: what the engine told.
        complete: whether to write the three required counts as 0 where one was not told, for formats
            that demand them all.
    """
    if usage is None:
        return None
    prompt, completion, cached, thoughts = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
    )
    if prompt is completion is cached is thoughts is None:
        return None
    if complete:
        prompt, completion = prompt or 0, completion or 0
    body: dict[str, Any] = {}
    if prompt is not None and completion is not None:
        body = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    elif prompt is not None:
        body["prompt_tokens"] = prompt
    elif completion is not None:
        body["completion_tokens"] = completion
    if cached is not None:
        body["prompt_tokens_details"] = {"cached_tokens": cached}
    if thoughts is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": thoughts}
    return body
