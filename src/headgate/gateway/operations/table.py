"""Every operation of the gateway, as a table; other packages bring theirs as entry points."""

from __future__ import annotations

import msgspec

from headgate.gateway.operations import count_tokens, ollama_embed, ollama_reads, passing, reads
from headgate.gateway.operations.base import JSON, Answer, Operation
from headgate.plugins import of_others

_GROUP = "headgate.operations"
_GET = ("GET", "HEAD")
_NO_KEY = "Needs no key; whoever brings one is told the engines' names too."
_NOT_HERE = "Refused: models are changed on the engine itself."


def get(
    path: str,
    action: str,
    answer: Answer,
    summary: str,
    *,
    surface: str = "chat",
    kind: str = JSON,
    answers: type[msgspec.Struct] | None = None,
) -> Operation:
    """An operation that only tells something, as text of this kind."""
    return Operation(path, _GET, action, answer, summary, surface, content_type=kind, answers=answers)


def _post(
    path: str,
    action: str,
    answer: Answer,
    summary: str,
    *,
    surface: str = "chat",
    shape: type[msgspec.Struct] | None = None,
    answers: type[msgspec.Struct] | None = None,
) -> Operation:
    """An operation that an engine answers."""
    return Operation(path, ("POST",), action, answer, summary, surface, asks=True, shape=shape, answers=answers)


def _refused(path: str, *methods: str) -> Operation:
    """An operation of Ollama that no client of a gateway may do."""
    return Operation(path, methods, "admin", ollama_reads.refused, _NOT_HERE, "ollama")


_OWN = (
    get("/health", "health", reads.health, f"Whether the process is alive. {_NO_KEY}"),
    get(
        "/ready",
        "ready",
        reads.ready,
        f"Whether an engine answered lately; 503 if none did, or while draining. {_NO_KEY}",
    ),
)
_OPENAI = (
    get("/v1/models", "models", reads.models, "What all engines serve; in Anthropic's form with `anthropic-version`."),
    get("/v1/models/{id}", "models", reads.model, "One model; its id may hold `/` and `:`."),
    _post("/v1/embeddings", "embeddings", passing.embeddings, "Vectors of texts, from the model's engine."),
    _post("/v1/rerank", "rerank", passing.rerank, "How well documents fit a query, from the model's engine."),
    _post("/rerank", "rerank", passing.rerank_plain, "As `/v1/rerank`, on the path that other engines have for it."),
)
_ANTHROPIC = (
    _post(
        "/v1/messages/count_tokens",
        "count_tokens",
        count_tokens.count_tokens,
        "How many tokens a request has; an estimate, and marked as one, where the engine does not count.",
        surface="anthropic",
        shape=count_tokens.CountRequest,
        answers=count_tokens.TokenCount,
    ),
)
_OLLAMA = (
    get("/", "greeting", ollama_reads.greeting, "The sentence that tells Ollama.", surface="ollama", kind="text/plain"),
    get(
        "/api/version",
        "version",
        ollama_reads.version,
        "Which Ollama's API this is.",
        surface="ollama",
        answers=ollama_reads.Version,
    ),
    get("/api/tags", "models", ollama_reads.tags, "What all engines serve.", surface="ollama"),
    get("/api/ps", "models", ollama_reads.ps, "What is in memory, as far as engines tell.", surface="ollama"),
    _post(
        "/api/show",
        "models",
        ollama_reads.show,
        "What a model can do, and how much fits into it.",
        surface="ollama",
        shape=ollama_reads.ShowRequest,
    ),
    _post(
        "/api/embed",
        "embeddings",
        ollama_embed.embed,
        "Vectors of one text or several.",
        surface="ollama",
        shape=ollama_embed.EmbedRequest,
        answers=ollama_embed.EmbedReply,
    ),
    _post(
        "/api/embeddings",
        "embeddings",
        ollama_embed.embeddings,
        "The vector of one text, as older clients ask for it.",
        surface="ollama",
        shape=ollama_embed.EmbeddingsRequest,
        answers=ollama_embed.EmbeddingsReply,
    ),
    _refused("/api/pull", "POST"),
    _refused("/api/push", "POST"),
    _refused("/api/create", "POST"),
    _refused("/api/copy", "POST"),
    _refused("/api/delete", "DELETE"),
    _refused("/api/blobs/{digest}", "HEAD", "POST"),
)
OPERATIONS = (*_OWN, *_OPENAI, *_ANTHROPIC, *_OLLAMA)


def operations() -> tuple[Operation, ...]:
    """Ours, and those of other packages; of two at one path the last one answers."""
    return (*OPERATIONS, *of_others(_GROUP).values())
