"""The command `llm`, with a stream and with `--no-stream`, each time in a process and with a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clients.base import RESULT, SCHEMA, WITHIN_S, Client, Failed, Ran, Said
from clients.elsewhere import BIN, is_there

FUNCTIONS = f'''
def run_command(command: str) -> str:
    """Run a shell command."""
    return "{RESULT}"
'''
ARGUMENTS = re.compile(r"^Tool call: run_command\((.*)\)$", re.MULTILINE)


class LLMTalk:
    """Asking in one way."""

    def __init__(self, url: str, model: str, way: str, headers: dict[str, str]) -> None:
        self._entry = {
            "model_id": "hg",
            "model_name": model,
            "api_base": f"{url}/v1",
            "headers": headers,
            "supports_tools": True,
            "supports_schema": True,
        }
        self._is_streamed = way == "stream"

    def ask(self, question: str, /) -> Said:
        done = self.done(question)
        return Said(done.stdout.removesuffix("\n"), done.stderr)

    def run(self, question: str, /) -> Ran:
        """One command runs the tools too."""
        done = self.done(question, "--functions", FUNCTIONS, "--td")
        # It shows arguments as Python does.
        return Ran([json.loads(found.replace("'", '"')) for found in ARGUMENTS.findall(done.stderr)], done.stdout)

    def fill(self, question: str, /) -> Any:
        return json.loads(self.done(question, "--schema", json.dumps(SCHEMA)).stdout)

    def force(self, question: str, /) -> Any:
        raise NotImplementedError("this command has no option for it.")

    def leave(self, question: str, is_asked: Callable[[], bool], /) -> None:
        """Interrupt it, as a user does."""
        with self._started(question) as running:
            if self._is_streamed:
                assert running.stdout is not None
                assert running.stdout.read(1)
            else:
                end_s = time.monotonic() + WITHIN_S
                while not is_asked() and running.poll() is None and time.monotonic() < end_s:
                    time.sleep(0.01)
            assert running.poll() is None
            running.terminate()
            running.communicate(timeout=WITHIN_S)

    def done(self, question: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self._started(question, *options) as running:
            out, told = running.communicate(timeout=WITHIN_S)
        if running.returncode:
            raise Failed(told, out)
        return subprocess.CompletedProcess(running.args, running.returncode, out, told)

    @contextmanager
    def _started(self, question: str, *options: str) -> Generator[subprocess.Popen[str]]:
        with tempfile.TemporaryDirectory() as folder:
            # JSON is YAML.
            (Path(folder) / "extra-openai-models.yaml").write_text(json.dumps([self._entry]), encoding="utf-8")
            ways = [] if self._is_streamed else ["--no-stream"]
            environ = {**os.environ, "LLM_USER_PATH": folder, "PYTHONUNBUFFERED": "1"}
            # A question may be longer than an argument.
            (Path(folder) / "question").write_text(question, encoding="utf-8")
            with (
                (Path(folder) / "question").open(encoding="utf-8") as asked,
                subprocess.Popen(
                    [str(BIN / "llm"), "prompt", "-m", "hg", "--no-log", *ways, *options],
                    env=environ,
                    stdin=asked,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                ) as running,
            ):
                try:
                    yield running
                finally:
                    running.kill()  # whatever the test made of it, it must not wait for ever


CLIENT = Client(
    "llm", ("stream", "whole"), LLMTalk, shows_thoughts=False, needs_usage=("whole",), forces=False, is_there=is_there
)
