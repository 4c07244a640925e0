"""What `headgate serve` prints: where it listens, whom it asks, and what to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from headgate.cli._engines import Chosen
from headgate.config.values import Config
from headgate.discovery import Engine
from headgate.surfaces import surfaces
from headgate.upstream.embedded_start import INSTALL

_MODELS_MAX = 5
"""Models named for each engine; `GET /v1/models` lists all."""

_MODEL_CHARS_MAX = 100

_KEY = "YOUR_KEY"
"""Stands for one of `api_keys`, which are never printed."""

_CLIENTS = {
    "chat": ("an OpenAI", "export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={key}"),
    "anthropic": ("an Anthropic", "export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={key}"),
    "ollama": ("an Ollama", "export OLLAMA_HOST={url}"),
}
"""Each surface's clients, and the variables that they read."""


def banner(chosen: Chosen, url: str, look_s: float) -> str:
    """Everything that a person needs who has just started it."""
    lines = [f"Headgate listens on {url}\n", *(f"  {line}" for line in engines(chosen, look_s)), "\nTry it:\n"]
    lines += _curl(chosen, url)
    known = surfaces()
    key = _KEY if chosen.config.api_keys else "none"
    for name, (whose, line) in _CLIENTS.items():
        if name in known:
            lines += [f"\nPoint {whose} client at it:\n", f"  {line.format(url=url, key=key)}"]
    return "\n".join(lines)


def engines(chosen: Chosen, look_s: float) -> Iterator[str]:
    """A line for each engine, and what else was noticed."""
    if chosen.found:
        yield from (found(engine) for engine in chosen.found)
    else:
        for upstream in chosen.config.upstreams:
            models = ", ".join(f"`{model}`" for model in upstream.models)
            if upstream.name in chosen.given:
                yield f"demo engine: recordings, model {models}{_instead(chosen)}"
            elif upstream.embedded is not None:
                who = "demo engine" if chosen.is_demo else upstream.name
                yield f"{who}: llama.cpp with {Path(upstream.embedded.gguf).name}, model {models}"
            else:
                yield f"{upstream.name}: {upstream.url} ({upstream.dialect})"
    for engine, place in chosen.looked.locked:
        named = f" ({place.source})" if place.named else ""
        yield f"{engine.url}{named} asks for a key: name it in headgate.toml, with api_key_env"
    if chosen.searching:
        where = ", ".join(urlsplit(place.url).netloc for place in chosen.places) or "nowhere"
        yield f"no engine was found (looked at {where}); looking again every {look_s:g} s"


def _instead(chosen: Chosen) -> str:
    runs = any(upstream.embedded for upstream in chosen.config.upstreams)
    return "" if runs else f" (for an engine that computes: {INSTALL})"


def found(engine: Engine) -> str:
    """An engine that was found, with what is known of it."""
    version = f" {engine.version}" if engine.version else ""
    models = ", ".join(model[:_MODEL_CHARS_MAX] for model in engine.models[:_MODELS_MAX]) or "no models yet"
    more = f" and {len(engine.models) - _MODELS_MAX} more" if len(engine.models) > _MODELS_MAX else ""
    context = f", context {engine.context:,} tokens" if engine.context else ""
    return f"{engine.name}{version} at {engine.url}{context}: {models}{more}"


def _curl(chosen: Chosen, url: str) -> list[str]:
    config = chosen.config
    asked = {
        "model": _model(config, chosen.found),
        "messages": [{"role": "user", "content": "what is your name?"}],
        "stream": True,
    }
    key = f" -H 'authorization: Bearer {_KEY}'" if config.api_keys else ""
    return [
        f"  curl -N {url}/v1/chat/completions -H 'content-type: application/json'{key} \\",
        f"    -d {shlex.quote(msgspec.json.encode(asked).decode())}",
    ]


def _model(config: Config, engines_: tuple[Engine, ...]) -> str:
    configured = (model for upstream in config.upstreams for model in upstream.models)
    served = (model for engine in engines_ for model in engine.models)
    return config.default_model or next(configured, None) or next(served, None) or "MODEL"
