"""The shapes of a chat completion's request, as far as Headgate reads it.

Strategy: what is read is declared with its type and its bounds; a null is as good as an absent field. What a field
may hold besides its type (a role, a kind of part) is checked where it is used, since the sentence is better there.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from headgate.surfaces.sampling import Count, Name, Sampling, StreamOptions
from headgate.surfaces.thoughts import Thoughtful


class Function(Struct):
    """What is called, and the arguments: their JSON text, or the object itself."""

    name: Name
    arguments: Raw | UnsetType = UNSET


class Call(Struct):
    """An entry of `tool_calls`."""

    id: Name
    function: Function
    type: str = "function"
    index: int | None = None  # clients that gathered a stream send it back


class Message(Thoughtful):
    """An entry of `messages`."""

    role: str
    content: str | list[Raw] | None = None
    name: str | None = None
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


class Thought(Struct):
    """A part of a thought that is cut into parts, as Mistral's API does."""

    text: str | None = None


class Part(Struct):
    """A part of a message's content; the last three fields are those of thoughts."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: Url | str | None = None
    input_audio: Audio | None = None
    thinking: str | list[Thought] | None = None
    signature: str | None = None
    data: str | None = None


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


class Options(Sampling, kw_only=True):
    """The options whose type is everyone's; they are kept verbatim once they are known to be right."""

    logprobs: bool | None = None
    top_logprobs: Count | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, Any] | None = None
    modalities: list[str] | None = None


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
