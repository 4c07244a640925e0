"""The shapes of a request to Anthropic's Messages API, as far as Headgate reads it.

Strategy: what is read is declared with its type and its bounds; a null is as good as an absent field. Blocks of every
kind are one shape, since which fields a kind needs is said better where it is read.
Spec: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from headgate.surfaces.thoughts import Thoughtful

Name = Annotated[str, Meta(min_length=1)]
_Positive = Annotated[int, Meta(ge=1)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class Source(Struct):
    """Where an image or a document is."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: str | list[Block] | None = None


class Block(Struct):
    """A content block of any kind."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    source: Source | None = None
    title: str | None = None
    id: Name | None = None
    name: Name | None = None
    input: Raw | UnsetType = UNSET  # the arguments' own bytes, since a model wrote them
    tool_use_id: Name | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None


class Message(Thoughtful):
    """An entry of `messages`."""

    role: str
    content: str | list[Block] | None = None


class Tool(Struct):
    """An entry of `tools`. Another `type` than `custom` is a tool that Anthropic itself runs, or knows by heart."""

    name: Name | None = None
    type: str | None = None
    description: str | None = None
    input_schema: Raw | UnsetType = UNSET
    strict: bool | None = None


class ToolChoice(Struct):
    """Which tools may or must be called."""

    type: str
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Struct):
    """Whether the model thinks, and for how many tokens."""

    type: str
    budget_tokens: _Positive | None = None


class Format(Struct):
    """The form of the answer."""

    type: str
    schema: Raw | UnsetType = UNSET


class OutputConfig(Struct):
    """How the answer is made."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None


class Metadata(Struct):
    """Who asks."""

    user_id: str | None = None


class Engines(Struct, kw_only=True):
    """Fields of engines, which pass beside the API's own; those whose type somebody relies on."""

    chat_template_kwargs: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    think: bool | str | None = None
    keep_alive: float | str | None = None


class Body(Engines, kw_only=True):
    """A request. What must be there is checked where it is used."""

    model: Name | None = None
    messages: list[Message] | None = None
    max_tokens: _Positive | None = None
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Share | None = None
    top_k: int | None = None
    metadata: Metadata | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
