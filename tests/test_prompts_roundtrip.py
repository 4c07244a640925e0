"""A prompt in through each surface that takes one, and out to each kind of engine, is the same prompt.

What each engine would understand is read here, from the engines' documents alone. `docs/completions.md` and
`docs/ollama.md` list what may differ; nothing here does.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conversations_roundtrip import PNG, TEXT, Conversation, Turn, ollama_read, openai_read

from headgate.config import Config, UpstreamConfig
from headgate.gateway.engines import engines
from headgate.gateway.plan import plan
from headgate.limits import DEFAULTS
from headgate.messages import HttpRequest
from headgate.surfaces import surface


class Prompt(NamedTuple):
    """A text to go on with, and what is to follow the gap if there is one."""

    text: str
    suffix: str


PROMPTS = st.builds(Prompt, TEXT, TEXT | st.just(""))


def completions_body(prompt: Prompt) -> dict[str, Any]:
    return {"model": "m", "prompt": prompt.text} | ({"suffix": prompt.suffix} if prompt.suffix else {})


def generate_body(prompt: Prompt) -> dict[str, Any]:
    filled = {"suffix": prompt.suffix} if prompt.suffix else {"raw": True}
    return {"model": "m", "prompt": prompt.text, **filled}


CLIENTS = {"completions": completions_body, "ollama_generate": generate_body}


def openai_prompt(path: str, body: dict[str, Any]) -> Prompt:
    assert path == "/v1/completions"
    return Prompt(body["prompt"], body.get("suffix", ""))


def llamacpp_prompt(path: str, body: dict[str, Any]) -> Prompt:
    if path == "/infill":
        return Prompt(body["input_prefix"], body["input_suffix"])
    assert path == "/completion"
    return Prompt(body["prompt"], "")


def ollama_prompt(path: str, body: dict[str, Any]) -> Prompt:
    """Without `raw` it would put the prompt into a chat template, but not one with a suffix."""
    assert path == "/api/generate"
    assert body.get("raw") is True or body["suffix"]
    return Prompt(body["prompt"], body.get("suffix", ""))


ENGINES = {"openai": openai_prompt, "llamacpp": llamacpp_prompt, "ollama": ollama_prompt}


def asked(client: str, kind: str, body: dict[str, Any]) -> HttpRequest:
    """What the gateway asks this kind of engine."""
    upstream = UpstreamConfig(name="u", url="http://127.0.0.1:9", dialect=kind)
    (engine,) = engines(Config(upstreams=(upstream,)), {}, {}, DEFAULTS)
    served = surface(client)
    return plan(served, engine, served.parse(served.paths[0], {}, json.dumps(body).encode()), "m", DEFAULTS).request


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("kind", ENGINES)
@given(prompt=PROMPTS)
@settings(max_examples=50, deadline=None)
def test_the_engine_is_told_the_prompt_that_the_client_has(client: str, kind: str, prompt: Prompt) -> None:
    request = asked(client, kind, CLIENTS[client](prompt))

    assert prompt == ENGINES[kind](request.path, json.loads(request.body))
    assert () == request.dropped


@pytest.mark.parametrize("kind", ["openai", "ollama"])
@given(system=TEXT, said=TEXT, image=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_prompt_of_ollamas_api_is_a_conversation(kind: str, system: str, said: str, *, image: bool) -> None:
    """Its engine puts it into the chat template too."""
    images = {"images": [PNG]} if image else {}
    request = asked("ollama_generate", kind, {"model": "m", "system": system, "prompt": said, **images})
    read = (openai_read if kind == "openai" else ollama_read)(json.loads(request.body)["messages"], "")

    assert Conversation(system, [Turn(said, image, "", "", ())], in_order=True) == read
    assert () == request.dropped
