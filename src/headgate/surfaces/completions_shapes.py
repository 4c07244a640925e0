"""The shape of a text completion's request, as far as Headgate reads it.

Spec: https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from headgate.surfaces.sampling import Count, Name, Sampling, StreamOptions


class CompletionBody(Sampling, kw_only=True):
    """A request; these fields become the canonical request's own, those of `Sampling` stay options.

    A prompt is a text or an array of the engine's tokens, or an array with one of these in it.
    """

    model: Name | None = None
    prompt: str | list[str | Count | list[Count]] | None = None
    suffix: str | None = None
    echo: bool | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Count | None = None
    logprobs: Count | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    timings_per_token: bool | None = None
