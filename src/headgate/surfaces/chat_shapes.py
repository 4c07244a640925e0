"""The shapes of a chat completion's request, as far as Headgate reads it.

Strategy: what is read is declared with its type and its bounds; a null is as good as an absent field. What a field
may hold besides its type (a role, a kind of part) is checked where it is used, since the sentence is better there.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Name = Annotated[str, Meta(min_length=1)]
_Count = Annotated[int, Meta(ge=0)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class Function(Struct):
    """What is called, and the arguments as JSON text."""

    name: Name
    arguments: str = "{}"


class Call(Struct):
    """An entry of `tool_calls`."""

    id: Name
    function: Function
    type: str = "function"
    index: int | None = None  # clients that gathered a stream send it back


class Message(Struct):
    """An entry of `messages`."""

    role: str
    content: str | list[Raw] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: Name | None = None
    function_call: Function | None = None


class Url(Struct):
    """Where an image is."""

    url: str


class Audio(Struct):
    """Sound, in base64."""

    data: str
    format: str


class Part(Struct):
    """A part of a message's content."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Url | str | None = None
    input_audio: Audio | None = None


class ToolFunction(Struct):
    """A function that may be called."""

    name: Name
    description: str | None = None
    parameters: Raw | UnsetType = UNSET  # msgspec reads no Raw that may also be None
    strict: bool | None = None


class Tool(Struct):
    """An entry of `tools`."""

    function: ToolFunction
    type: str = "function"


class StreamOptions(Struct):
    """What a stream is to tell besides the reply; `include_timings` is ours."""

    include_usage: bool | None = None
    include_timings: bool | None = None


class ResponseFormat(Struct):
    """The form of the answer."""

    type: str
    json_schema: dict[str, Any] | None = None


class Options(Struct, kw_only=True):
    """The options whose type is everyone's; they are kept verbatim once they are known to be right."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Share | None = None
    min_p: _Share | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: float | None = None
    stop: str | list[str] | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: _Count | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    modalities: list[str] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    # Ollama's own
    think: bool | str | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    keep_alive: float | str | None = None
    num_ctx: Annotated[int, Meta(ge=1)] | None = None
    num_predict: Annotated[int, Meta(ge=-2)] | None = None  # -1 has no limit, -2 fills the context


class Body(Options, kw_only=True):
    """A request; these fields become the canonical request's own, those of `Options` stay options.

    Which of `model`, `messages` and `prompt` must be there depends on the path.
    """

    model: Name | None = None
    messages: list[Message] | None = None
    prompt: str | None = None
    tools: list[Tool] | None = None
    tool_choice: Raw | UnsetType = UNSET
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    timings_per_token: bool | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
