"""`headgate serve` loads what its configuration uses, and nothing else: start-up is part of every deployment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_serve import NOWHERE, WITHIN_S, environment

_STARTED = """
import json, sys
import uvicorn
from headgate.cli import main

start = uvicorn.Server.startup

async def started(self, sockets=None):
    await start(self, sockets)
    print("LOADED", json.dumps(sorted(sys.modules)))
    self.should_exit = True

uvicorn.Server.startup = started
main(sys.argv[1:])
"""

OTHER_VERBS = "cli.config cli.doctor cli.explain cli.normalize cli.record cli.replay doctor explain"
OTHER_ENGINES = "dialects.llamacpp dialects.ollama dialects.text upstream.embedded upstream.embedded_engine"
NOT_ASKED_FOR = "cassette demo record relay testing upstream.replay"
LIBRARIES = frozenset("click h11 httptools msgspec typing_extensions uvicorn uvloop".split())
"""What is installed beside Headgate, with what that needs itself."""


def loaded(tmp_path: Path, *upstreams: str) -> set[str]:
    flags = [word for upstream in upstreams for word in ("--upstream", upstream)]
    command = [sys.executable, "-c", _STARTED, "serve", "--port", "0", *flags]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    line = next(line for line in ended.stdout.splitlines() if line.startswith("LOADED"))
    return set(json.loads(line.removeprefix("LOADED")))


@pytest.mark.parametrize("names", [OTHER_VERBS, OTHER_ENGINES, NOT_ASKED_FOR], ids=["verbs", "engines", "others"])
def test_what_is_not_used_is_not_loaded(tmp_path: Path, names: str) -> None:
    found = loaded(tmp_path, f"openai={NOWHERE}")

    assert "headgate.dialects.openai" in found
    assert set() == {f"headgate.{name}" for name in names.split()} & found


def test_what_is_used_is_loaded(tmp_path: Path) -> None:
    """Otherwise the names above might be those of yesterday."""
    found = loaded(tmp_path, f"openai={NOWHERE}", f"ollama={NOWHERE}1")

    assert "headgate.dialects.ollama" in found
    names = f"{OTHER_VERBS} {OTHER_ENGINES} {NOT_ASKED_FOR}".split()
    source = Path(__file__).parents[1] / "src" / "headgate"
    for name in names:
        path = source.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_no_other_library_is_loaded(tmp_path: Path) -> None:
    found = {name.partition(".")[0] for name in loaded(tmp_path, f"openai={NOWHERE}")}
    ours = {"headgate", "__main__", "__mp_main__", "cython_runtime"}
    strangers = {name for name in found - ours - LIBRARIES - sys.stdlib_module_names if not name.startswith("_")}

    assert set() == strangers
