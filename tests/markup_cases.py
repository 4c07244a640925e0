"""What the markup tests share: the families there are, the cases in `tests/fixtures/markup/`, and how one is read.

A case says what a whole message is to come to. It is read by the family's name and by `auto`, as the text of a
message in either of two envelopes: bare, where the end of the text is a stop, and as an OpenAI stream that ended with
`length`.
"""

from __future__ import annotations

import contextlib
import json
import random
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pieces import DONE, chunk, cut_at, numbered, sse

import headgate
from headgate.dialects.base import Decoder
from headgate.limits import DEFAULTS, Limits
from headgate.markup import families_named
from headgate.markup.family import Settings
from headgate.markup.splitter import Splitter
from headgate.messages import declared_tools

MARKUP = Path(__file__).parent / "fixtures" / "markup"
TOOLS: list[dict[str, Any]] = json.loads((MARKUP / "tools.json").read_text(encoding="utf-8"))
FILES = sorted(MARKUP.glob("*/cases.toml"))
NAMES = [tool["function"]["name"] for tool in TOOLS]

FAMILIES = tuple(family.name for family in families_named("auto").chosen)
CALL_FAMILIES = tuple(name for name in FAMILIES if name not in {"think", "harmony"})
"""Every family that headgate.markup finds, but the two that have tests of their own beside the splitter's."""

REQUIRED = (
    "one call",
    "two calls",
    "text before",
    "text after",
    "thought then call",
    "empty arguments",
    "nested objects",
    "arrays",
    "braces and quotes in a string",
    "newlines in a string",
    "closing tag in a string",
    "emoji in a string",
    "cut off at length",
    "unknown tool",
    "malformed",
    "quoted in prose",
    "quoted in a code fence",
)
"""What every family must show."""

SIZES = (None, 1, 2, 3, 5, 8, 13)
"""How long the pieces are that a text arrives in; None is the whole."""

_STARTS, _ENDS = "<[|{(`\n◁", ">])}`\n▷"
_RANDOM = 6


class ExpectedCall(NamedTuple):
    """A whole call: its tool, its parsed arguments, and the id where the markup gives one."""

    name: str
    arguments: Any
    id: str | None = None


class Case(NamedTuple):
    """One entry of a family's `cases.toml`."""

    family: str
    name: str
    shows: str
    text: str
    reasoning: str
    content: str
    calls: tuple[ExpectedCall, ...]
    incomplete: tuple[tuple[str, str], ...]
    tools: Any
    auto: bool
    finish: str

    def __str__(self) -> str:
        """The name that a test report shows."""
        return f"{self.family}: {self.name}"

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of the markup that must read it."""
        return (self.family, "auto") if self.auto else (self.family,)


@cache
def cases() -> tuple[Case, ...]:
    """Every case of every family; a file that cannot be read is one failing test, and not the end of all others."""
    found: list[Case] = []
    for file in FILES:
        with contextlib.suppress(ValueError):
            found += read_cases(file)
    return tuple(found)


def read_cases(file: Path) -> list[Case]:
    """Read one family's cases.

    Raises:
        ValueError: for a key that no case has, a missing one, or a value that is none of those it may have.
    """
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    entries = document.pop("case", [])
    if document:
        raise ValueError(f"{file}: expected [[case]] tables only, got {sorted(document)}")
    return [_case(file.parent.name, dict(entry)) for entry in entries]


def _case(family: str, entry: dict[str, Any]) -> Case:
    name = entry.get("name", "?")
    try:
        case = Case(
            family=family,
            name=entry.pop("name"),
            shows=entry.pop("shows"),
            text=entry.pop("text"),
            reasoning=entry.pop("reasoning", ""),
            content=entry.pop("content", ""),
            calls=tuple(_expected(dict(call)) for call in entry.pop("calls", [])),
            incomplete=tuple((call["name"], call["arguments"]) for call in entry.pop("incomplete", [])),
            tools=_tools(entry.pop("tools", NAMES)),
            auto=entry.pop("auto", True),
            finish=entry.pop("finish", "stop"),
        )
    except KeyError as error:
        raise ValueError(f"{family}, case {name!r}: expected the key {error}") from error
    if entry:
        raise ValueError(f"{family}, case {name!r}: unknown keys {sorted(entry)}")
    if case.finish not in {"stop", "length"}:
        raise ValueError(f"{family}, case {name!r}: expected finish 'stop' or 'length', got {case.finish!r}")
    return case


def _expected(call: dict[str, Any]) -> ExpectedCall:
    name, call_id = call.pop("name"), call.pop("id", None)
    source = call.pop("arguments_json", None)
    arguments = call.pop("arguments") if source is None else json.loads(source)
    if call:
        raise ValueError(f"a call of {name!r}: unknown keys {sorted(call)}")
    return ExpectedCall(name, arguments, call_id)


def _tools(names: Any) -> Any:
    """The declared tools, as objects with their schemas; None where the request is unknown."""
    if names == "unknown":
        return None
    unknown = set(names) - set(NAMES)
    if unknown:
        raise ValueError(f"expected tools of tools.json or 'unknown', got {sorted(unknown)}")
    return [tool for tool in TOOLS if tool["function"]["name"] in names]


# -- reading ------------------------------------------------------------------------------------------------------


def splitter_of(markup: str, tools: Any = None, limits: Limits = DEFAULTS) -> Splitter:
    """A splitter; `tools` are objects with schemas, None where the request is unknown."""
    chosen = families_named(markup)
    return Splitter(chosen, Settings(declared_tools(tools), True, True, limits, chosen.named))


def decoder_of(case: Case, markup: str, **options: Any) -> Decoder:
    """A decoder for the case's envelope."""
    dialect = "text" if case.finish == "stop" else "openai"
    options = {"tools": case.tools, **options}
    return headgate.decoder(dialect, markup=markup, ids=numbered(), **options)


def enveloped(case: Case, pieces: Iterable[str]) -> list[bytes]:
    """The pieces as the bytes that an engine sends."""
    if case.finish == "stop":
        return [piece.encode() for piece in pieces]
    return [*(sse(chunk({"content": piece})) for piece in pieces), sse(chunk({}, case.finish)) + DONE]


def translated(case: Case, markup: str, pieces: Iterable[str]) -> bytes:
    """What a client of the chat surface gets."""
    dialect = "text" if case.finish == "stop" else "openai"
    translator = headgate.translator(dialect, markup=markup, tools=case.tools, ids=numbered(), now_s=1)
    return b"".join(translator.feed(data) for data in enveloped(case, pieces)) + translator.close()


# -- splits -------------------------------------------------------------------------------------------------------


def edges(text: str) -> list[int]:
    """The places where a tag, a bracket or a line may begin or end."""
    starts = [place for place, character in enumerate(text) if character in _STARTS]
    return starts + [place + 1 for place, character in enumerate(text) if character in _ENDS]


def splits(text: str, places: Iterable[int] | None = None) -> list[list[str]]:
    """The text whole, in pieces of each size, cut at every tag's edge and beside it, and at random.

    Args:
        text: what is cut.
        places: where else to cut; by default some places by the text's own dice, the same every time.
    """
    found = [cut_at(text, range(size, len(text), size) if size else []) for size in SIZES]
    beside = edges(text)
    found += [cut_at(text, [place + offset for place in beside]) for offset in (-1, 0, 1)]
    if places is not None:
        return [*found, cut_at(text, places)]
    dice = random.Random(text)
    return found + [cut_at(text, dice.choices(range(len(text) + 1), k=2 + 3 * number)) for number in range(_RANDOM)]
