"""The builds of llama.cpp that the matrix runs, each in an environment of its own, and the modes it runs them in.

An environment is made once, under `build/engines`, and holds nothing but the wheel, which needs nothing else. The build
that the tests have installed for themselves is run from where it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from engine.corpus import Template

ENVIRONMENTS = Path(__file__).parents[2] / "build" / "engines"
FIRST = "0.2.14"
"""The oldest wheel that is run, of March 2026: it can leave its parser out only together with the templates."""
OLDER = (FIRST, "2026.4.8672", "2026.8.10566")
"""Wheels of xllamacpp; the last number of the others is llama.cpp's build."""
TEMPLATES: tuple[Template, ...] = ("hermes", "hermes_forced_think", "harmony")
"""The tiny model's personalities."""


def newest() -> str:
    """The wheel that is installed beside the tests; empty where there is none for this platform."""
    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        return ""


class Mode(NamedTuple):
    """One way to start the server, as a reader calls it; `parses` is whether it takes thoughts and calls apart."""

    name: str
    settings: tuple[str, ...] = ()
    parses: bool = True


MODES = (
    Mode("parsing on"),
    Mode("`reasoning_format` none", ("reasoning_format=none",)),
    Mode("parsing off", parses=False),
    Mode("special tokens shown", ("special=1",)),
    Mode("parsing off, special tokens shown", ("special=1",), parses=False),
)


class Stand(NamedTuple):
    """One row of the matrix: an engine as it is started."""

    build: str
    mode: Mode
    template: Template

    def __str__(self) -> str:
        """As the tests name it."""
        return f"{self.build}-{self.template}-{self.mode.name}".replace(" ", "_").replace("`", "")

    @property
    def jinja(self) -> bool:
        """Whether the server renders the model's template, and not one of its own."""
        return self.mode.parses or self.build != FIRST

    @property
    def settings(self) -> tuple[str, ...]:
        """How `engine/serve.py` starts it."""
        unparsed = "force_pure_content_parser=1" if self.jinja else "use_jinja=0"
        return self.mode.settings if self.mode.parses else (*self.mode.settings, unparsed)

    @property
    def starts_in_reasoning(self) -> bool | None:
        """Headgate must be told where the prompt opens the thought and the server tells nobody."""
        unseen = not self.mode.parses or self.build == FIRST
        return True if unseen and self.template == "hermes_forced_think" else None


def stands(*builds: str) -> list[Stand]:
    """Every row of some builds. Without its template the tiny model is not forced to think."""
    every = [Stand(build, mode, template) for build in builds for mode in MODES for template in TEMPLATES]
    return [stand for stand in every if stand.jinja or stand.template != "hermes_forced_think"]


def python(build: str) -> str:
    """The interpreter that has a build; its environment is made if it is not there.

    Raises:
        subprocess.CalledProcessError: if the wheel cannot be had; what pip says is shown.
    """
    if build == newest():
        return sys.executable
    place = ENVIRONMENTS / f"xllamacpp-{build}"
    interpreter = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    made = place / ".installed"
    if not made.exists():
        _run("-m", "venv", "--clear", "--without-pip", str(place))
        options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--no-deps"]
        _run("-m", "pip", "--python", str(interpreter), "install", *options, f"xllamacpp=={build}")
        made.touch()
    return str(interpreter)


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True)
