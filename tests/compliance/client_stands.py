"""The engines that every client is tested with: real ones, and recordings of real ones; all know the same questions."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.corpus import AFTER_TOOL, Template
from real_engine import llama_cpp

from headgate.cassette import Cassette
from headgate.config import Config, UpstreamConfig
from headgate.demo import cassettes
from headgate.gateway import create_app
from headgate.testing.live import serving
from headgate.upstream.replay import ReplayUpstream

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dialects"
MODEL = "tiny"
REAL: dict[str, Template] = {"llama.cpp": "hermes", "llama.cpp with harmony": "harmony"}
RECORDED = {
    "llama.cpp, recorded": (
        "openai",
        "llamacpp.hermes",
        ("name", "think", "tool", "tool.pair", "tool.result", "json_schema", "error.too_long"),
    ),
    # One call was recorded whole, and is replayed so.
    "Ollama, recorded": (
        "ollama",
        "ollama",
        ("tiny.name", "tiny.think", "tiny.tool.nonstream", "tiny.tool.pair", "tiny.tool.result", "error.too_long"),
    ),
}
HELLOS = {"llama.cpp": 40_000, "llama.cpp, recorded": 6_000, "Ollama, recorded": 5_000}
"""So many of them are more than the context of each engine holds; the recordings were asked with just as many."""
TICK = "tick forever"
"""The question to which the real engine's answer never ends."""
BREAKS = "break the stream"
"""The question to which a real llama.cpp broke off with an error."""


class Stand(NamedTuple):
    """The gateway's URL; the chat template of the model; what is too long for it; the URL of an engine that runs."""

    url: str
    template: Template = "hermes"
    too_long: str = ""
    engine_url: str = ""

    @property
    def after_tool(self) -> str:
        """What the model says to every result of a tool."""
        return AFTER_TOOL[self.template].rpartition("<|message|>")[2]

    def is_busy(self) -> bool:
        """Whether the engine works at something."""
        with urllib.request.urlopen(f"{self.engine_url}/slots", timeout=10) as reply:
            return any(slot["is_processing"] for slot in json.load(reply))


@contextmanager
def standing(name: str) -> Generator[Stand]:
    """A gateway before the engine of this name."""
    too_long = "hello " * HELLOS.get(name, 0)
    if name in REAL:
        with llama_cpp(REAL[name]) as engine_url, before(engine_url) as url:
            yield Stand(url, REAL[name], too_long, engine_url)
        return
    dialect, engine, cases = RECORDED[name]
    known = [loaded(FIXTURES / dialect / f"{engine}.{case}") for case in cases]
    with replaying(dialect, known) as url:
        yield Stand(url, "hermes", too_long)


@contextmanager
def before(engine_url: str) -> Generator[str]:
    """A gateway before the engine at this URL."""
    upstream = UpstreamConfig(name="llama", url=engine_url, models=(MODEL,))
    with serving(create_app(Config(upstreams=(upstream,)))) as url:
        yield url


@contextmanager
def breaking() -> Generator[Stand]:
    """A gateway before a recording that breaks off."""
    with replaying("openai", [one for one in cassettes() if BREAKS in one.meta.asks]) as url:
        yield Stand(url)


@contextmanager
def replaying(dialect: str, known: Sequence[Cassette]) -> Generator[str]:
    """A gateway before recordings."""
    upstream = UpstreamConfig(name="replay", url="demo:", dialect=dialect, models=(MODEL,))
    replay = ReplayUpstream("replay", known, speed=0)
    with serving(create_app(Config(upstreams=(upstream,)), upstreams={"replay": replay})) as url:
        yield url


def loaded(folder: Path) -> Cassette:
    return Cassette.load({file.name: file.read_bytes() for file in folder.iterdir()})
