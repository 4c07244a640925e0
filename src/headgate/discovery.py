"""What a server answers to a few GETs -> which engine it is, and what it serves.

Strategy: `/v1/models` is asked first, since every engine has it and few other servers do; whoever answers it like an
engine is asked the endpoints that only one engine has. A reply counts by what it holds: LM Studio answers every path
with HTTP 200, and SGLang has some of Ollama's paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from headgate.config.values import UpstreamConfig

Name = Literal["ollama", "llama.cpp", "vllm", "sglang", "lmstudio", "mlx-lm", "headgate", "openai"]
"""`headgate` is another gateway like this one, `openai` an engine that nothing else is known of."""

FIRST = "/v1/models"
TELLING = (
    "/api/version",
    "/",
    "/props",
    "/health",
    "/version",
    "/server_info",
    "/get_server_info",
    "/api/v0/models",
    "/api/tags",
    "/api/ps",
)
"""What is asked of a server that answered `FIRST` like an engine."""

_UNKNOWN_BUILD = "b0-unknown"
_KEY_ASKED = frozenset({401, 403})


class Answer(NamedTuple):
    """What one path was answered."""

    status: int
    body: bytes


class Engine(NamedTuple):
    """An engine that was found. `context` is its context size in tokens, of the model that has the largest."""

    name: Name
    url: str
    version: str | None = None
    models: tuple[str, ...] = ()
    context: int | None = None
    needs_key: bool = False

    @property
    def dialect(self) -> str:
        """What to speak with it."""
        return "ollama" if self.name == "ollama" else "openai"


class _Entry(msgspec.Struct, gc=False):
    # Any: engines put what they like into these; each is checked where it is used.
    id: Any = None
    name: Any = None
    owned_by: Any = None
    max_model_len: Any = None
    max_context_length: Any = None
    loaded_context_length: Any = None
    context_length: Any = None
    type: Any = None


class _List(msgspec.Struct):
    data: list[_Entry] | None = None
    models: list[_Entry] | None = None


class _Reply(msgspec.Struct):
    status: Any = None
    upstreams: Any = None
    version: Any = None
    build_info: Any = None
    model_path: Any = None
    context_length: Any = None
    internal_states: Any = None
    default_generation_settings: Any = None


def promising(first: Answer) -> bool:
    """Whether the answer to `FIRST` may come from an engine, so that the other paths are worth a try."""
    return first.status in _KEY_ASKED or _list(first).data is not None


class _Facts(NamedTuple):
    """The answers, read; what was not answered is empty."""

    entries: Sequence[_Entry]
    version: _Reply
    health: _Reply
    props: _Reply
    info: _Reply
    ollama: _Reply
    root: bytes
    lmstudio: Sequence[_Entry] | None
    tags: Sequence[_Entry] | None
    loaded: Sequence[_Entry] | None

    @property
    def owner(self) -> str | None:
        """Whom the models belong to, which some engines fill with their own name."""
        return next((entry.owned_by for entry in self.entries if isinstance(entry.owned_by, str)), None)


def recognise(url: str, answers: Mapping[str, Answer]) -> Engine | None:
    """Say which engine gave these answers, by path; None if it is none."""
    first = answers.get(FIRST)
    if first is None or not promising(first):
        return None
    facts = _facts(answers)
    name = _name(facts)
    if first.status in _KEY_ASKED:
        name = "openai" if name == "mlx-lm" else name  # which has no keys, so that this was another one's /health
        return Engine(name, url, _version(name, facts), needs_key=True)
    return Engine(name, url, _version(name, facts), _models(name, facts), _context(name, facts))


def upstreams(found: Sequence[Engine]) -> tuple[UpstreamConfig, ...]:
    """The configuration of what was found, each under its engine's name."""
    names: dict[str, int] = {}
    ready: list[UpstreamConfig] = []
    for engine in found:
        count = names[engine.name] = names.get(engine.name, 0) + 1
        name = engine.name if count == 1 else f"{engine.name}-{count}"
        ready.append(
            UpstreamConfig(
                name=name, url=engine.url, dialect=engine.dialect, return_progress=engine.name == "llama.cpp"
            )
        )
    return tuple(ready)


def _facts(answers: Mapping[str, Answer]) -> _Facts:
    newer = _reply(answers, "/server_info")
    root = answers.get("/")
    return _Facts(
        entries=_list(answers.get(FIRST)).data or [],
        version=_reply(answers, "/version"),
        health=_reply(answers, "/health"),
        props=_reply(answers, "/props"),
        info=_reply(answers, "/get_server_info") if newer == _Reply() else newer,
        ollama=_reply(answers, "/api/version"),
        root=root.body.strip() if root is not None else b"",
        lmstudio=_list(answers.get("/api/v0/models")).data,
        tags=_list(answers.get("/api/tags")).models,
        loaded=_list(answers.get("/api/ps")).models,
    )


def _name(facts: _Facts) -> Name:
    """Who it is. The order matters: SGLang answers `/` as Ollama does, and others have a `/version`."""
    if isinstance(facts.health.upstreams, list):
        return "headgate"
    if facts.info.internal_states is not None or facts.info.model_path is not None or facts.owner == "sglang":
        return "sglang"
    if isinstance(facts.props.default_generation_settings, dict) or facts.owner == "llamacpp":
        return "llama.cpp"
    if facts.lmstudio is not None and all(entry.type is not None for entry in facts.lmstudio):
        return "lmstudio"
    if isinstance(facts.ollama.version, str) or facts.root == b"Ollama is running":
        return "ollama"
    if isinstance(facts.version.version, str) or facts.owner == "vllm":
        return "vllm"
    # mlx-lm has nothing of its own but a list without owners, and a `/health` that says ok.
    return "mlx-lm" if facts.health.status == "ok" and facts.owner is None else "openai"


def _version(name: Name, facts: _Facts) -> str | None:
    said = {
        "ollama": facts.ollama.version,
        "vllm": facts.version.version,
        "sglang": facts.info.version,
        "llama.cpp": facts.props.build_info,
    }.get(name)
    # The build of a Python wheel does not know its own number.
    return said[:40] if isinstance(said, str) and said.isprintable() and said != _UNKNOWN_BUILD else None


def _models(name: Name, facts: _Facts) -> tuple[str, ...]:
    ids: list[Any] = [entry.id for entry in facts.entries]
    if name == "ollama" and facts.tags is not None:
        ids = [entry.name for entry in facts.tags]
    elif name == "lmstudio" and facts.lmstudio is not None:
        # Its other list does not tell an embedding model from one that can chat.
        ids = [entry.id for entry in facts.lmstudio if entry.type != "embeddings"]
    return tuple(id_ for id_ in ids if isinstance(id_, str) and id_ and id_.isprintable())


def _context(name: Name, facts: _Facts) -> int | None:
    sizes: list[Any] = [entry.max_model_len for entry in facts.entries]
    settings = facts.props.default_generation_settings
    if name == "ollama":  # of loaded models only: the size that is in use, not what a model could do
        sizes = [entry.context_length for entry in facts.loaded or []]
    elif name == "lmstudio":
        sizes = [entry.loaded_context_length or entry.max_context_length for entry in facts.lmstudio or []]
    elif name == "llama.cpp" and isinstance(settings, dict):
        sizes = [settings.get("n_ctx")]
    elif name == "sglang":
        sizes.append(facts.info.context_length)
    return max((size for size in sizes if isinstance(size, int) and size > 0), default=None)


def _reply(answers: Mapping[str, Answer], path: str) -> _Reply:
    answer = answers.get(path)
    if answer is None or answer.status != 200:
        return _Reply()
    try:
        return msgspec.json.decode(answer.body, type=_Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Reply()


def _list(answer: Answer | None) -> _List:
    if answer is None or answer.status != 200:
        return _List()
    try:
        return msgspec.json.decode(answer.body, type=_List)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _List()
