"""How a reply is to be sampled: the fields that OpenAI's two APIs for text have in common, with their types and bounds.

Spec: https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from headgate.surfaces.invalid import invalid

FORMATS = ("text", "json_object", "json_schema", "structural_tag")
"""The types of `response_format`."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class StreamOptions(Struct):
    """What a stream is to tell besides the reply; `include_timings` is ours."""

    include_usage: bool | None = None
    include_timings: bool | None = None


class ResponseFormat(Struct):
    """The form of the answer."""

    type: str
    json_schema: dict[str, Any] | None = None


class Sampling(Struct, kw_only=True):
    """The options that both have; they are kept verbatim once they are known to be right."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Share | None = None
    min_p: _Share | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: float | None = None
    stop: str | list[str] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logit_bias: dict[str, float] | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    # Ollama's own
    think: bool | str | None = None
    format: str | dict[str, Any] | None = None
    keep_alive: float | str | None = None
    options: dict[str, Any] | None = None
    num_ctx: Annotated[int, Meta(ge=1)] | None = None
    num_predict: Annotated[int, Meta(ge=-2)] | None = None  # -1 has no limit, -2 fills the context


def check_format(wanted: ResponseFormat | None, body: Any) -> None:
    """Check what msgspec cannot see; `body` is the whole request's value.

    Raises:
        RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
    """
    if wanted is None:
        return
    if wanted.type not in FORMATS:
        raise invalid(("response_format", "type"), f"one of {', '.join(FORMATS)}", body)
    if wanted.type == "json_schema" and wanted.json_schema is None:
        raise invalid(("response_format", "json_schema"), "an object", body)
