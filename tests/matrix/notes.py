"""Where a client does not get the model's answer: who loses it, and how.

Every cell of the matrix that is not exact needs exactly one note, and a note that no cell of a row needs any more is
wrong: an engine that mends its ways, or breaks others, fails the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from matrix.asking import Outcome
from matrix.builds import FIRST, Stand

_CALLS = ("call", "long arguments", "two calls", "thought, call", "text, call")
_DECLARED = (*_CALLS, "result", "talk of tags")


class Note(NamedTuple):
    """A letter in the table, and what it stands for.

    `told` is found in what came instead, `questions` are the columns, and `is_of` tells the rows.
    """

    letter: str
    what: str
    told: str
    questions: Collection[str]
    is_of: Callable[[Stand], bool]

    def explains(self, outcome: Outcome) -> bool:
        """Whether it stands in this cell of such a row, and says what came."""
        return outcome.question in self.questions and re.search(self.told, outcome.instead) is not None


def _makes_one_call(stand: Stand) -> bool:
    return _is_chatml(stand) and _is_quiet(stand) and stand.mode.parses and stand.build in {FIRST, "2026.4.8672"}


def _trips(stand: Stand) -> bool:
    return not _is_quiet(stand) and stand.mode.parses and (_is_chatml(stand) or stand.build == FIRST)


def _is_without_jinja(stand: Stand) -> bool:
    return not stand.jinja


def _strays(stand: Stand) -> bool:
    return not stand.jinja and not _is_chatml(stand)


def _shows_the_stop(stand: Stand) -> bool:
    return not _is_quiet(stand) and (_is_chatml(stand) or stand.mode.parses)


def _is_chatml(stand: Stand) -> bool:
    return stand.template != "harmony"


def _is_quiet(stand: Stand) -> bool:
    return "special=1" not in stand.settings


NOTES = (
    Note(
        "a",
        "The grammar that llama.cpp makes of the tools allows one call and ends the message there: "
        "the second one is never made.",
        r"""calls 'run_command\(\{"command": "ls"\}\)'; finish 'tool_calls'$""",
        ("two calls",),
        _makes_one_call,
    ),
    Note(
        "b",
        "Without Jinja this build refuses every request with tools: `tools param requires --jinja flag`.",
        "^500: tools param requires --jinja flag$",
        _DECLARED,
        _is_without_jinja,
    ),
    Note(
        "c",
        "Without Jinja this build writes a prompt of its own, and the tiny model strays from its answer.",
        r"^content '[^<]*(<\|return\|>)?'; finish 'stop'$",
        ("unicode", "long text"),
        _strays,
    ),
    Note(
        "d",
        "llama.cpp's own parser trips over the stop token that it was told to show, and ends the reply with an error.",
        "^50[02]: (The model produced output that does not match the expected|Failed to parse input at pos)",
        _CALLS,
        _trips,
    ),
    Note(
        "e",
        "The stop token that llama.cpp was told to show stays at the end of the text: "
        "nothing tells it from an answer that ends with these words.",
        r"<\|(im_end|return)\|>'(;|$)",
        (*_DECLARED, "text", "unicode", "long text", "thought"),
        _shows_the_stop,
    ),
)


def note(stand: Stand, outcome: Outcome) -> Note | None:
    """The one note that explains what came in place of the answer; None for an exact answer.

    Raises:
        LookupError: if none does, or several do.
    """
    if not outcome.instead:
        return None
    found = [one for one in NOTES if one.is_of(stand) and one.explains(outcome)]
    if len(found) != 1:
        letters = "".join(one.letter for one in found) or "no note"
        raise LookupError(f"{stand}, {outcome.question}, {outcome.way}: {letters} for {outcome.instead}")
    return found[0]
