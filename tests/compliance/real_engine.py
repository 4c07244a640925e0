"""A real engine in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headgate.demo import tiny_model

ENGINE = Path(__file__).parents[1] / "engine"
MODEL = tiny_model()


@contextmanager
def llama_cpp(template: str, *settings: str, python: str = sys.executable, model: Path = MODEL) -> Generator[str]:
    """Run llama.cpp's own server on the tiny model with a template and `name=value` settings, and yield its URL.

    Another `python` is that of an environment with another build of the wheel, another `model` a file of yours.
    """
    if python == sys.executable:
        pytest.importorskip("xllamacpp", reason="no wheel of xllamacpp for this platform")
    command = [python, str(ENGINE / "serve.py"), str(model), "--port", "0"]
    command += ["--template", str(ENGINE / f"{template}.jinja")]
    command += [word for setting in ("n_ctx=65536", *settings) for word in ("--set", setting)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["READY"], "the engine did not start; run the command by hand with --verbosity 3"
            yield words[1]
        finally:
            process.kill()
