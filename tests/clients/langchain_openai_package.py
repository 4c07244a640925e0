"""The `langchain-openai` package: `ChatOpenAI`, with `stream()` and `invoke()`, in a process of its own environment."""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.base import PATIENCE_S, RESULT, SCHEMA, TOOL, WITHIN_S, Client, Failed, Ran, Said
from clients.elsewhere import BIN, is_there

PROGRAM = Path(__file__).with_name("langchain_program.py")


class LangchainTalk:
    """Asking in one way."""

    def __init__(self, url: str, model: str, way: str, headers: dict[str, str]) -> None:
        self._fields = {"url": url, "model": model, "way": way, "headers": headers, "timeout": WITHIN_S}

    def ask(self, question: str, /) -> Said:
        told = self.told("ask", question)
        # A thought could be in a field of theirs; there is none so far.
        return Said(told["text"], told["extra"])

    def run(self, question: str, /) -> Ran:
        told = self.told("run", question, tool=TOOL, result=RESULT)
        assert len(told["calls"]) == len(set(told["ids"]))
        assert {name for name, _ in told["calls"]} <= {TOOL["function"]["name"]}
        return Ran([arguments for _, arguments in told["calls"]], told["text"])

    def fill(self, question: str, /) -> Any:
        return self.told("fill", question, schema=SCHEMA)["parsed"]

    def force(self, question: str, /) -> Any:
        return self.told("force", question, tool=TOOL)["parsed"]

    def leave(self, question: str, is_asked: Callable[[], bool], /) -> None:
        if self._fields["way"] == "stream":
            self.told("leave", question)
            return
        with pytest.raises(Failed, match="timed out"):
            self.told("leave", question, timeout=PATIENCE_S)

    def told(self, do: str, question: str, **fields: Any) -> dict[str, Any]:
        """What the program says to this."""
        process = running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({**self._fields, "do": do, "question": question, **fields}) + "\n")
        process.stdin.flush()
        told: dict[str, Any] = json.loads(process.stdout.readline())
        if "error" in told:
            raise Failed(told["error"], told["came"])
        return told


@functools.cache
def running() -> subprocess.Popen[str]:
    """The program. Starting it takes longer than all it is asked, so it stays until the tests are over."""
    process = subprocess.Popen(
        [BIN / "python", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    atexit.register(end, process)
    return process


def end(process: subprocess.Popen[str]) -> None:
    """Let it end, and wait for it."""
    process.communicate()


CLIENT = Client("langchain-openai", ("stream", "whole"), LangchainTalk, shows_thoughts=False, is_there=is_there)
