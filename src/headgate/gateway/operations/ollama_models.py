"""The models that are served -> the entries of Ollama's `/api/tags`, `/api/ps` and `/api/show`.

Strategy: what an engine told is written, and what it did not tell is left out, but where a client would break: those
fields have the value that Ollama itself writes for nothing (`ModelDetails`, a size of 0, Go's zero time). The digest is
the exception, see `digest`.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#list-local-models
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from headgate.gateway.models import Listed
from headgate.gateway.operations.model_lists import Facts

_NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time, which Ollama writes where it knows none; Go's clients refuse a text that is no time. What others list
as `created` is no such time: llama.cpp and vLLM write when they were asked."""
_UNKNOWN = "unknown"
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def tag(listed: Listed) -> dict[str, Any]:
    """One entry of `/api/tags`. Koog (JetBrains) demands all of it but the capabilities."""
    facts = listed.facts
    capabilities = {} if facts.capabilities is None else {"capabilities": facts.capabilities}
    return {
        "name": listed.id,
        "model": listed.id,
        "modified_at": facts.modified_at or _NEVER,
        "size": facts.size or 0,
        "digest": digest(listed),
        "details": {**_details(facts), **_sizes(facts)},
        **capabilities,
    }


def loaded(listed: Listed) -> dict[str, Any]:
    """One entry of `/api/ps`. Until when a model stays, and where, no engine but Ollama tells."""
    facts = listed.facts
    entry = {"name": listed.id, "model": listed.id, "digest": digest(listed), "details": _details(facts)}
    told = {"size": facts.size, "context_length": facts.context}
    return {**entry, **{name: value for name, value in told.items() if value is not None}}


def shown(listed: Listed, capabilities: Sequence[str], template: str | None) -> dict[str, Any]:
    """The body of `/api/show`. ollama-python demands `model_info`, Copilot and Koog `capabilities`."""
    told = {} if template is None else {"template": template}
    return {
        **told,
        "details": _details(listed.facts),
        "model_info": _info(listed),
        "capabilities": list(capabilities),
        "modified_at": listed.facts.modified_at or _NEVER,
    }


def digest(listed: Listed) -> str:
    """What identifies a model: its file's digest, or where the engine tells none a digest of its name and place.

    `ollama list` and `ollama ps` cut it to twelve characters, and end with a panic where there are fewer.
    """
    engine = "" if listed.engine is None else listed.engine.name
    return listed.facts.digest or hashlib.sha256(f"{engine}\n{listed.id}".encode()).hexdigest()


def _details(facts: Facts) -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": facts.format or "",
        "family": facts.family or "",
        "families": list(facts.families),
        "parameter_size": facts.parameter_size or _rounded(facts.parameters),
        "quantization_level": facts.quantization or "",
    }


def _sizes(facts: Facts) -> dict[str, int]:
    told = {"context_length": facts.context or facts.context_trained, "embedding_length": facts.embedding_length}
    return {name: value for name, value in told.items() if value is not None}


def _info(listed: Listed) -> dict[str, Any]:
    """GGUF's metadata. Sizes stand under the name of the architecture, so that an unknown one has a name too."""
    facts = listed.facts
    architecture = facts.family or _UNKNOWN
    count = {} if facts.parameters is None else {"general.parameter_count": facts.parameters}
    # Copilot shows the base name, and nothing where there is none.
    names = {"general.architecture": architecture, "general.basename": listed.id}
    return {**names, **count, **{f"{architecture}.{name}": value for name, value in _sizes(facts).items()}}


def _rounded(count: int | None) -> str:
    """A count of parameters as Ollama writes it: at most three digits, such as `7.6B`, `70B`, `783K`."""
    if count is None:
        return ""
    for unit, letter in _UNITS:
        if count >= unit:
            value = count / unit
            return f"{value:.1f}{letter}" if value < 10 and unit > 1000 and count % unit else f"{int(value)}{letter}"
    return str(count)
