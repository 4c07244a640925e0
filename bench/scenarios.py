"""The loads under which gateways are measured.

Three shapes answer different questions. *Paced*: streams of 50 tokens a second, so that nearly every read holds one
chunk; two system calls a chunk dominate, as before a real engine. *Coalesced*: the engine writes eight chunks at once
and as fast as they are taken; what is left is the cost of the code. *Whole*: short replies that are not streamed.
"""

from __future__ import annotations

from typing import NamedTuple

_PACED = "bench-n100-d20000-t1"


class Scenario(NamedTuple):
    """A load.

    Args:
        name: of the scenario.
        connections: that are kept busy.
        model: what the engine is asked (`harness/asked.h`).
        seconds: how long is measured.
        warm_s: how long before that.
        ramp_us: between two connections.
        style: the surface that is asked.
        prompt_bytes: how long the prompt is, at least.
        flags: of the load generator.
        fresh: whether the gateway is started anew: memory, once used, is seldom given back.
    """

    name: str
    connections: int
    model: str
    seconds: float = 3.0
    warm_s: float = 1.0
    ramp_us: float = 0.0
    style: str = "chat"
    prompt_bytes: int = 0
    flags: tuple[str, ...] = ()
    fresh: bool = False

    def arguments(self, port: int) -> list[str]:
        """The load generator's arguments."""
        shape = ["-p", str(port), "-s", self.style, "-m", self.model, "-c", str(self.connections)]
        times = ["-d", str(self.seconds), "-w", str(self.warm_s), "-R", str(self.ramp_us)]
        return [*shape, *times, "-L", str(self.prompt_bytes), *self.flags]


def paced(streams: int, seconds: float = 4.0, *, name: str = "", tokens: int = 100) -> Scenario:
    """Streams of 50 tokens a second, begun one after the other over the first half second or so.

    A stream is followed by the next, so every two seconds each connection asks again.
    """
    ramp_us = min(2000.0, 1_000_000 / streams)
    model = f"bench-n{tokens}-d20000-t1"
    return Scenario(name or f"paced{streams}", streams, model, seconds, warm_s=2.2, ramp_us=ramp_us)


def _coalesced(name: str, style: str = "chat") -> Scenario:
    return Scenario(name, 64, "bench-n1000-d0-k8", style=style)


def _prompt(name: str, size: int) -> Scenario:
    return Scenario(name, 1, "bench-n2", seconds=2.0, warm_s=0.5, prompt_bytes=size)


SURFACES = ("messages", "ollama", "generate", "completions", "responses")
"""Other ways to ask than OpenAI's chat, by the load generator's names for them (`harness/styles.c`)."""

TOKEN_BYTES = 4
"""Of English text, roughly."""

SCENARIOS = {
    one.name: one
    for one in (
        Scenario("warm", 8, "bench-n50-d0", seconds=1.0, warm_s=0.3),
        *(paced(streams) for streams in (20, 64, 200, 1000)),
        Scenario("together", 200, f"{_PACED}-b1", 4.0, warm_s=2.2, ramp_us=2000.0),
        _coalesced("coalesced"),
        Scenario("flood", 64, "bench-n1000-d0"),
        Scenario("flood-slow", 32, "bench-n300-d0", seconds=6.0, warm_s=2.0),
        Scenario("whole", 64, "bench-n1", flags=("-N",)),
        Scenario("whole20", 64, "bench-n20-k20", flags=("-N",)),
        Scenario("stalled", 50, "bench-n1000000-d0", seconds=8.0, flags=("-S",), fresh=True),
        Scenario("stalled-longer", 50, "bench-n1000000-d0", seconds=16.0, flags=("-S",), fresh=True),
        Scenario("open1000", 1000, "bench-n20-d3000000", warm_s=2.0, ramp_us=300.0, flags=("-M",), fresh=True),
        Scenario("open5000", 5000, "bench-n20-d8000000", warm_s=2.0, ramp_us=300.0, flags=("-M",), fresh=True),
        *(_coalesced(f"surface-{name}", name) for name in SURFACES),
        *(_prompt(f"prompt-{size}k", size * 1000 * TOKEN_BYTES) for size in (1, 10, 100)),
    )
}

_ALWAYS = ("paced20", "paced200", "coalesced", "whole")
_COMMON = (*_ALWAYS, "paced64", "paced1000", "flood", "whole20", "open1000")
CAPACITY = "capacity"
"""Not one load but a search for the greatest (`capacity.py`)."""

PLAN: dict[str, tuple[str, ...]] = {
    "direct": ("paced20", "paced200"),
    "headgate": (
        *_COMMON,
        *(f"surface-{name}" for name in SURFACES),
        *(f"prompt-{size}k" for size in (1, 10, 100)),
        CAPACITY,
        "stalled",
        "stalled-longer",
        "open5000",
    ),
    "nginx": (*_COMMON, *(f"prompt-{size}k" for size in (1, 10, 100)), CAPACITY, "stalled", "open5000"),
    "relay": (*_ALWAYS, "open1000"),
    "headgate-asgi": (*_ALWAYS, "open1000"),
    "headgate-markup-off": ("paced200", "coalesced"),
    "headgate-ndjson": ("paced200", "coalesced"),
    "headgate-2": ("paced200", "paced1000"),
    "litellm": ("paced20", "paced200", "flood-slow", "whole"),
}
"""Which gateway is measured under which loads; those that need a fresh start come last."""

QUICK: dict[str, tuple[str, ...]] = {
    "direct": ("paced20", "paced200"),
    "headgate": (*_ALWAYS, "flood", *(f"surface-{name}" for name in SURFACES), "stalled", "open1000"),
    "nginx": (*_ALWAYS, "open1000"),
    "relay": ("paced200", "coalesced"),
    "headgate-markup-off": ("coalesced",),
    "headgate-ndjson": ("coalesced",),
    "litellm": ("paced20", "flood-slow", "whole"),
}
"""What fits into a few minutes."""
