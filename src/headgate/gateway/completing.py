"""A text to go on with, and the engine that is to answer -> the engine as it is asked for that.

Strategy: text is passed on exactly, so nothing is looked for in it. llama.cpp is asked in its own words, by
`/completion` and `/infill`: its `/v1/completions` takes a suffix, an `echo` and a response format, and forgets them
without a word.
"""

from __future__ import annotations

from headgate.dialects import dialect
from headgate.gateway.engines import Engine
from headgate.markup import families_named
from headgate.messages import ChatRequest

_LLAMA_CPP = "llamacpp"


def able_to_complete(engine: Engine, chat: ChatRequest) -> Engine:
    """The engine, with the dialect and the markup that a text completion needs; any other request changes nothing."""
    if chat.completion is None:
        return engine
    asked = dialect(_LLAMA_CPP) if is_llama_cpp(engine) else engine.dialect
    return engine._replace(dialect=asked, families=families_named("off"))


def is_llama_cpp(engine: Engine) -> bool:
    """Whether an engine is known to be llama.cpp.

    It is where it was recognised, where we run it, and where the operator says so by `return_progress`, which no other
    engine knows.
    """
    return engine.config.return_progress and engine.dialect.name == "openai"
