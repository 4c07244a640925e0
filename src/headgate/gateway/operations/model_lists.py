"""What an engine says of its models -> `Model`: from `/v1/models`, or from Ollama's `/api/tags` and `/api/ps`.

Strategy: engines put what they like into these lists, so that each fact is taken only if it has the type that it
should have; what an engine does not tell stays None and is never filled in.
Spec: https://platform.openai.com/docs/api-reference/models/list,
https://github.com/ollama/ollama/blob/main/docs/api.md#list-local-models; `meta` and `models` are llama.cpp's
(tools/server/server-context.cpp), `max_model_len` vLLM's and SGLang's
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from headgate.upstream.base import Reply

_YEAR_10000_S = 253_402_300_800
"""What `datetime` cannot hold any more."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine told of a model beside its name; None is untold.

    Args:
        modified_at: when the model was changed, as the engine wrote it.
        size: bytes of its file.
        digest: of its file.
        format: of its file, such as `gguf`.
        family: its architecture, such as `llama`.
        families: all that Ollama lists of these.
        parameters: how many it has.
        parameter_size: the same, in Ollama's words, such as `7.6B`.
        quantization: such as `Q4_K_M`.
        context: tokens that fit into a prompt and its reply as the engine runs it now.
        context_trained: tokens that the model was made for.
        embedding_length: numbers in one of its vectors.
        capabilities: in Ollama's words: `completion`, `tools`, `vision`, …
        is_loaded: whether it is in memory.
        is_llama_cpp: whether llama.cpp's own endpoints can be asked for more.
    """

    modified_at: str | None = None
    size: int | None = None
    digest: str | None = None
    format: str | None = None
    family: str | None = None
    families: tuple[str, ...] = ()
    parameters: int | None = None
    parameter_size: str | None = None
    quantization: str | None = None
    context: int | None = None
    context_trained: int | None = None
    embedding_length: int | None = None
    capabilities: tuple[str, ...] | None = None
    is_loaded: bool = False
    is_llama_cpp: bool = False


class Model(NamedTuple):
    """A model that an engine reports; `aliases` are other names that it answers to."""

    id: str
    created_s: int = 0
    aliases: tuple[str, ...] = ()
    facts: Facts = Facts()


# Any, below: each value is checked where it is used.


class _Entry(msgspec.Struct, gc=False):
    id: str | None = None
    created: Any = None  # engines also put floats and strings here
    aliases: list[str] | None = None
    meta: Any = None
    architecture: Any = None
    max_model_len: Any = None
    max_context_length: Any = None


class _Twin(msgspec.Struct, gc=False):
    name: Any = None
    capabilities: Any = None
    details: Any = None


class _List(msgspec.Struct):
    data: list[_Entry] | None = None
    models: Any = None


class _Tag(msgspec.Struct, gc=False):
    name: str | None = None
    modified_at: str | None = None
    size: Any = None
    digest: Any = None
    details: Any = None
    capabilities: Any = None


class _Tags(msgspec.Struct):
    models: list[_Tag] | None = None


def _read_openai(reply: Reply) -> tuple[Model, ...]:
    listed = msgspec.json.decode(_body(reply), type=_List)
    twins = {twin.name: twin for twin in _twins(listed.models)}
    return tuple(
        Model(
            entry.id, _seconds(entry.created), tuple(entry.aliases or ()), _facts(entry, twins.get(entry.id, _Twin()))
        )
        for entry in listed.data or []
        if entry.id
    )


def _twins(models: Any) -> list[_Twin]:
    """llama.cpp's second list, in Ollama's manner; others have something else there."""
    try:
        return msgspec.convert(models, list[_Twin])
    except msgspec.ValidationError:
        return []


def _facts(entry: _Entry, twin: _Twin) -> Facts:
    meta = _object(entry.meta)
    context = _count(meta.get("n_ctx")) or _count(entry.max_model_len)
    seen = _texts(_object(entry.architecture).get("input_modalities"))
    capabilities = _texts(twin.capabilities)
    if "image" in seen:
        capabilities = (*(capabilities or ("completion",)), "vision")
    return Facts(
        size=_count(meta.get("size")),
        format=_text(_object(twin.details).get("format")),
        parameters=_count(meta.get("n_params")),
        quantization=_text(meta.get("ftype")),
        context=context,
        context_trained=_count(meta.get("n_ctx_train")) or _count(entry.max_context_length),
        embedding_length=_count(meta.get("n_embd")),
        capabilities=tuple(dict.fromkeys(capabilities)) or None,
        # These serve what they were started with.
        is_loaded=context is not None,
        is_llama_cpp="n_ctx_train" in meta,
    )


def _read_ollama(reply: Reply) -> tuple[Model, ...]:
    tags = msgspec.json.decode(_body(reply), type=_Tags).models or []
    return tuple(
        Model(tag.name, _timestamp(tag.modified_at), _untagged(tag.name), _told(tag)) for tag in tags if tag.name
    )


def _told(tag: _Tag) -> Facts:
    details = _object(tag.details)
    return Facts(
        modified_at=tag.modified_at,
        size=_count(tag.size),
        digest=_text(tag.digest),
        format=_text(details.get("format")),
        family=_text(details.get("family")),
        families=_texts(details.get("families")),
        parameter_size=_text(details.get("parameter_size")),
        quantization=_text(details.get("quantization_level")),
        context_trained=_count(details.get("context_length")),
        embedding_length=_count(details.get("embedding_length")),
        capabilities=_texts(tag.capabilities) or None,
    )


def _body(reply: Reply) -> bytes:
    if reply.status != 200:
        raise ValueError(reply.status)
    return reply.body


def _untagged(name: str) -> tuple[str, ...]:
    # Ollama takes `tiny` for `tiny:latest`.
    return (name.removesuffix(":latest"),) if name.endswith(":latest") else ()


def _seconds(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < _YEAR_10000_S else 0


def _timestamp(text: str | None) -> int:
    try:
        return int(datetime.fromisoformat(text or "").timestamp())
    except ValueError:
        return 0


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str) and text) if isinstance(value, list) else ()


class ModelList(NamedTuple):
    """Where an engine lists its models, and how that is read; `read` raises ValueError for what is no such list."""

    path: str
    read: Callable[[Reply], Sequence[Model]]


OPENAI = ModelList("/v1/models", _read_openai)
LISTS = {"openai": OPENAI, "ollama": ModelList("/api/tags", _read_ollama)}
"""By the name of the dialect."""
