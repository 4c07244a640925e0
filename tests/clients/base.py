"""What every client can be asked, so that one test holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import pydantic
from engine.corpus import tool

TOOL = tool("run_command")
"""The one tool that is declared, in OpenAI's and Ollama's form."""
SCHEMA: dict[str, Any] = {
    "title": "answer",
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}
RESULT = "README.md"
"""What each call of the tool comes to."""
WITHIN_S = 20.0
PATIENCE_S = 0.5
"""How long a client that is to go away waits for a whole reply."""


class Answer(pydantic.BaseModel):
    """What the helpers of some packages take in the place of `SCHEMA`."""

    answer: int


class Said(NamedTuple):
    """An answer, as the client shows it to its user."""

    text: str
    thought: str = ""


class Ran(NamedTuple):
    """The arguments of the calls, in order, and the answer after their results were sent back."""

    calls: list[Any]
    text: str


class Failed(Exception):  # noqa: N818 - it is no fault of a test
    """The client told its user that it failed: in these words, after this text."""

    def __init__(self, words: object, came: str = "") -> None:
        super().__init__(str(words))
        self.came = came


class Talk(Protocol):
    """A client of one model, asking in one way. Each method raises `Failed` where the client fails."""

    def ask(self, question: str, /) -> Said:
        """Ask, and read all of the answer."""
        ...

    def run(self, question: str, /) -> Ran:
        """Ask with the tool declared, and send back the result of each call as this client does."""
        ...

    def fill(self, question: str, /) -> Any:
        """Ask for an answer of the form of `SCHEMA`, and return it parsed."""
        ...

    def force(self, question: str, /) -> Any:
        """Demand a call of the tool, and return its arguments. Only where the client's `forces` says so."""
        ...

    def leave(self, question: str, is_asked: Callable[[], bool], /) -> None:
        """Ask, and go away: in a stream after the first words, else after `PATIENCE_S`, or once the engine is asked.

        Raises:
            AssertionError: if the client had nothing to go away from.
        """
        ...


class Client(NamedTuple):
    """A client, and what its users must know about it."""

    name: str
    ways: tuple[str, ...]
    """The ways in which it can be asked; those with `whole` in their names are without a stream."""
    talk: Callable[[str, str, str, dict[str, str]], Talk]
    """Make one: of the gateway's URL, a model, a way, and headers that it is to send too."""
    shows_thoughts: bool = True
    needs_usage: tuple[str, ...] = ()
    """The ways in which it fails on a good reply for want of usage."""
    forces: bool = True
    """Whether it can demand a call."""
    is_there: Callable[[], bool] = lambda: True
    """Whether it is installed."""


def user(question: str) -> dict[str, Any]:
    """A user's message, which has the same form in all the APIs."""
    return {"role": "user", "content": question}
