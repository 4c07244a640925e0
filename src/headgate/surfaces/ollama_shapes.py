"""The shapes of a request to Ollama's `/api/chat` and `/api/generate`, as far as Headgate reads it.

Strategy: what is read is declared with its type and its bounds; a null is as good as an absent field. Whole numbers are
declared as numbers, since Ollama takes `4096.0` for one.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#parameters-1
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from headgate.surfaces.thoughts import Thoughtful

Name = Annotated[str, Meta(min_length=1)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class Function(Struct):
    """What is called, and the arguments: an object, or its JSON text."""

    name: Name
    arguments: Raw | UnsetType = UNSET  # msgspec reads no Raw that may also be None
    index: int | None = None


class Call(Struct):
    """An entry of `tool_calls`."""

    function: Function
    id: str | None = None
    type: str | None = None


class Message(Thoughtful):
    """An entry of `messages`."""

    role: str
    content: str | None = None
    images: list[str] | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class ToolFunction(Struct):
    """A function that may be called."""

    name: Name
    description: str | None = None
    parameters: Raw | UnsetType = UNSET


class Tool(Struct):
    """An entry of `tools`."""

    function: ToolFunction
    type: str | None = None


class Settings(Struct, kw_only=True):
    """What Ollama's documents list for `options`, and what llama.cpp reads under the same name."""

    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_k: float | None = None
    top_p: _Share | None = None
    min_p: _Share | None = None
    typical_p: float | None = None
    num_predict: float | None = None  # -1 has no limit, -2 fills the context
    num_ctx: float | None = None
    num_keep: float | None = None
    seed: float | None = None
    stop: list[str] | None = None
    repeat_penalty: float | None = None
    repeat_last_n: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    num_batch: float | None = None
    num_gpu: float | None = None
    main_gpu: float | None = None
    use_mmap: bool | None = None
    num_thread: float | None = None
    draft_num_predict: float | None = None
    mirostat: float | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None


class Common(Struct, kw_only=True):
    """What both paths take."""

    model: Name
    think: bool | str | None = None
    format: str | dict[str, Any] | None = None
    options: Settings | None = None
    stream: bool | None = None
    keep_alive: float | str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncate: bool | None = None
    shift: bool | None = None


class ChatBody(Common, kw_only=True):
    """The body of `POST /api/chat`."""

    messages: list[Message] | None = None
    tools: list[Tool] | None = None


class GenerateBody(Common, kw_only=True):
    """The body of `POST /api/generate`; `context` is what an older reply's field of that name held."""

    prompt: str | None = None
    system: str | None = None
    images: list[str] | None = None
    suffix: str | None = None
    raw: bool | None = None
    template: str | None = None
    context: list[int] | None = None
