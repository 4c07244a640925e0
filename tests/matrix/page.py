"""The tables of `docs/engines.md`: rows of live runs, which are kept from run to run, and rows of the fixtures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from oracle.folders import Case, cases
from test_docs import DOCS, row, table

from headgate.events import Repair, from_jsonl
from headgate.repairs import CODES
from matrix.asking import Outcome
from matrix.builds import OLDER, Stand, newest, stands
from matrix.notes import NOTES, note
from matrix.questions import QUESTIONS

PAGE = DOCS / "engines.md"
RUN, NOTE, REPLAYED = "build", "note", "engine"
"""How the header of each table begins."""
EXACT, UNASKED = "exact", "–"  # noqa: RUF001  # a dash, for a cell of which there is nothing to say
OF_THE_CLOCK = "identity_unified"
"""llama.cpp takes the time anew for each chunk, so whether this is needed depends on when a second ends."""
HOW = {"recorded": "recorded, replayed", "seed": "seen by others, replayed", "constructed": "constructed"}


class RunRow(NamedTuple):
    """A row of a live run."""

    build: str
    mode: str
    template: str
    told: str
    cells: tuple[str, ...]
    repairs: tuple[str, ...]
    date: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one row of."""
        return self.build, self.mode, self.template

    def line(self) -> str:
        """The row as the page has it."""
        template = f"`{self.template}`"
        return row(self.build, self.mode, template, self.told, *self.cells, _codes(self.repairs), self.date)

    @staticmethod
    def read(line: str) -> RunRow:
        """Read a line of the page."""
        build, mode, template, told, *cells, repairs, date = line.removeprefix("| ").removesuffix(" |").split(" | ")
        codes = tuple(code.strip("`") for code in repairs.split(", ")) if repairs else ()
        return RunRow(build, mode, template.strip("`"), told, tuple(cells), codes, date)


def run_row(stand: Stand, outcomes: Iterable[Outcome], date: str) -> RunRow:
    """The row of a live run.

    Raises:
        LookupError: if something came in place of an answer that no note explains, or a note explains nothing.
    """
    by_question = {name: list(group) for name, group in groupby(outcomes, lambda outcome: outcome.question)}
    cells = tuple(_cell(stand, by_question.get(question.name, [])) for question in QUESTIONS)
    used = {one for every in by_question.values() for outcome in every if (one := note(stand, outcome))}
    if unused := [one.letter for one in NOTES if one.is_of(stand) and one not in used]:
        raise LookupError(f"{stand}: nothing needs the notes {', '.join(unused)} any more")
    told = "`starts_in_reasoning`" if stand.starts_in_reasoning else ""
    made = {code for every in by_question.values() for outcome in every for code in outcome.repairs}
    return RunRow(stand.build, stand.mode.name, stand.template, told, cells, _in_order(made), date)


def _cell(stand: Stand, outcomes: list[Outcome]) -> str:
    if not outcomes:
        return UNASKED
    found = [note(stand, outcome) for outcome in outcomes]
    told = [EXACT if one is None else one.letter for one in found]
    return told[0] if len(set(told)) == 1 else " / ".join(told)


def _in_order(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(codes) - {OF_THE_CLOCK}, key=list(CODES).index))


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes)


def run_rows() -> dict[tuple[str, str, str], RunRow]:
    """The rows of live runs that the page has."""
    return {found.key: found for found in map(RunRow.read, table(PAGE, RUN))}


def keep(found: RunRow) -> None:
    """Write the row of a run into the page; rows of builds that are run no more go."""
    rows = run_rows() | {found.key: found}
    keys = [(stand.build, stand.mode.name, stand.template) for stand in stands(*OLDER, newest())]
    lines = [rows[key].line() for key in keys if key in rows]
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.replace("\n".join(table(PAGE, RUN)), "\n".join(lines)), encoding="utf-8")


def note_rows() -> list[str]:
    """The notes."""
    return [row(one.letter, one.what) for one in NOTES]


class Kind(NamedTuple):
    """A row of replayed exchanges: all of one engine's version, model and path that came to us in one way."""

    engine: str
    version: str
    model: str
    path: str
    source: str


COLUMNS = ("text", "thought", "call", "calls", "limit", "error")
"""What an exchange comes to; each stands in the last of these that fits."""
QUIRK = "quirk-"
"""How the name of a case begins that is built around one oddity; those stand in `docs/repairs.md`."""


def ordinary() -> list[Case]:
    """The exchanges that the dialects' fixtures hold and some dialect reads, but for those of the quirks."""
    known = [case for case in cases() if case.is_chat and case.messages is not None]
    return [case for case in known if not case.folder.name.startswith(QUIRK)]


def replayed_rows() -> list[str]:
    """The rows of all ordinary exchanges."""
    known = ordinary()
    kinds = sorted({_kind(case) for case in known}, key=lambda kind: (kind.engine.lower(), kind))
    return [_replayed_row(kind, [case for case in known if _kind(case) == kind]) for kind in kinds]


def _kind(case: Case) -> Kind:
    engine = "Ollama" if case.engine == "ollama" else case.engine
    return Kind(engine, case.version, str(case.meta["model"]), case.path, case.source)


def _replayed_row(kind: Kind, found: list[Case]) -> str:
    columns = [column_of(case.messages or []) for case in found]
    counts = [str(columns.count(column) or UNASKED) for column in COLUMNS]
    whole = sum(is_whole(case) for case in found)
    dates = sorted({str(case.meta["date"]) for case in found})
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    made = _codes(_in_order(code for case in found for code in repairs_of(case)))
    how = HOW[kind.source]
    named = (kind.engine, kind.version, f"`{kind.model}`" if kind.model else "", f"`{kind.path}`", how)
    return row(*named, *counts, str(whole or UNASKED), made, span)


def column_of(messages: list[dict[str, Any]]) -> str:
    """What the first message of a reply is."""
    message = messages[0]
    if message["error"]:
        return "error"
    if message["finish_reason"] == "length":
        return "limit"
    calls = len(message["tool_calls"])
    if calls:
        return "call" if calls == 1 else "calls"
    return "thought" if message["reasoning_content"] else "text"


def is_whole(case: Case) -> bool:
    """Whether a reply came in one piece of JSON and not as a stream."""
    return case.status < 400 and not case.request.get("stream", case.path.startswith("/api/"))


def repairs_of(case: Case) -> list[str]:
    """The repairs that an exchange needs, as its reviewed events tell."""
    events = from_jsonl((case.folder / "events.jsonl").read_bytes())
    return [event.code for event in events if isinstance(event, Repair)]
