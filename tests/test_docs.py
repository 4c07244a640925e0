"""Documentation that cannot rot: its code runs, its tables equal the code, nothing public is left out."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
from test_layers import MODULES, PLUGINS, TREES

from headgate import errors, events
from headgate.repairs import CODES
from headgate.stopwatch import MEASURED

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.glob("*.md"))]

# The files that read or write a format.
_FORMAT = re.compile(r"headgate\.(dialects|surfaces|markup|framing)\.(?!families$|readers$)")
FORMATS = [name for name in MODULES if _FORMAT.match(name)]

FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
DECISION_PARTS = ["Context", "Decision", "Consequences", "Alternatives"]

# Addresses of one place and of package registries; the tilde keeps this file from holding what it looks for.
FOREIGN = (
    "../~shared py~pi.org python~hosted.org npm~js.org npm~js.com crates~.io docker~.io gh~cr.io proxy~.golang.org"
)


def from_root(page: Path) -> str:
    """Name a file as a reader of the repository does."""
    return page.relative_to(ROOT).as_posix()


def table(page: Path, first_heading: str) -> list[str]:
    """Read the rows of the Markdown table whose header begins with `first_heading`."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_heading} |")) + 2
    return list(takewhile(lambda line: line.startswith("|"), lines[start:]))


def row(*cells: str) -> str:
    """Write a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def assert_table(expected: list[str], page: Path, first_heading: str) -> None:
    """Compare a table that is derived from the code; `make golden` rewrites it instead."""
    rows = table(page, first_heading)
    if os.environ.get("HEADGATE_GOLDEN") == "rewrite":
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("\n".join(rows), "\n".join(expected)), encoding="utf-8")
        return

    assert expected == rows


def python_blocks(page: Path) -> Iterator[str]:
    """Return the Python blocks that run, each moved to its own line numbers."""
    text = page.read_text(encoding="utf-8")
    for fence in FENCE.finditer(text):
        if fence["info"].strip() == "python":
            yield "\n" * (text[: fence.start()].count("\n") + 1) + fence["code"]


def tree_lines(docstring: str) -> Iterator[tuple[int, str]]:
    """Read a drawn tree: how far each name is indented, and the name."""
    for line in docstring.splitlines():
        if drawn := re.match(r"^ {4}([ │├└─]*)([A-Z]\w+)", line):
            yield len(drawn[1]), drawn[2]


def drawn_parents(docstring: str) -> dict[str, str]:
    """Read a drawn tree: each name's parent."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for indent, name in tree_lines(docstring):
        above = [(depth, other) for depth, other in above if depth < indent]
        parents[name] = above[-1][1] if above else ""
        above.append((indent, name))
    return parents


@pytest.mark.parametrize("page", PAGES, ids=from_root)
def test_code_in_the_documentation_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One namespace per page, top to bottom, as a reader would type it; `python no-run` is for what needs an engine."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page.stem}

    for block in python_blocks(page):
        exec(compile(block, str(page), "exec"), namespace)


def test_the_readme_shows_code_that_runs() -> None:
    assert list(python_blocks(README))


def test_every_error_code_is_documented_as_it_is() -> None:
    expected = [
        row(f"`{code}`", str(known.status), "yes" if known.retryable else "no", known.meaning)
        for code, known in errors.CODES.items()
    ]

    assert_table(expected, DOCS / "errors.md", "code")


def test_every_repair_is_documented_as_it_is() -> None:
    expected = [row(f"`{code}`", sentence) for code, sentence in CODES.items()]

    assert_table(expected, DOCS / "events.md", "repair")


def test_every_markup_family_is_documented_as_it_is() -> None:
    """What a family reads is the first line of its file."""
    found = [MODULES[name] for name in sorted(PLUGINS) if name.startswith("headgate.markup.")]
    expected = []
    for path in found:
        module = importlib.import_module(f"headgate.markup.families.{path.stem}")
        expected.append(row(f"`{module.FAMILY.name}`", (module.__doc__ or "").partition("\n")[0]))

    assert_table(expected, DOCS / "markup.md", "family")


def test_every_event_is_documented_with_its_fields() -> None:
    """`choice` is explained once, above the table, with the three events that do not carry it."""
    expected = {
        kind.__struct_config__.tag: {name for name in kind.__struct_fields__ if name != "choice"}
        for kind in events.Event.__args__
    }

    cells = [line.split(" | ") for line in table(DOCS / "events.md", "event")]

    assert expected == {tag.strip("|` "): set(re.findall(r"`(\w+)`", fields)) for tag, fields, *_ in cells}


def test_every_timing_is_documented_as_the_engines_or_as_measured() -> None:
    documented: dict[str, str] = {}
    for line in table(DOCS / "events.md", "timings"):
        names, whose, _ = line.strip("| ").split(" | ")
        documented |= dict.fromkeys(re.findall(r"`(\w+)`", names), whose)

    assert set(events.Timings.__struct_fields__) == set(documented)
    assert set(MEASURED) == {name for name, whose in documented.items() if whose == "measured"}


def test_the_events_without_a_choice_are_the_documented_ones() -> None:
    without = {kind.__struct_config__.tag for kind in events.Event.__args__ if "choice" not in kind.__struct_fields__}

    assert {"usage", "progress", "error"} == without


def test_event_tags_are_nouns_with_the_known_verbs() -> None:
    """Lifecycle verbs are start, delta and end; a signature is the one thing that is attached to a block."""
    verbs = {kind.__struct_config__.tag.partition(".")[2] for kind in events.Event.__args__}

    assert {"", "start", "delta", "end", "signature"} == verbs


def test_every_command_is_documented() -> None:
    """One verb is one file of `headgate.cli`; files whose name begins with `_` are their shared parts."""
    verbs = [name.split(".")[2] for name in MODULES if re.fullmatch(r"headgate\.cli\.[a-z]\w*", name)]
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)

    assert verbs
    assert [] == [verb for verb in verbs if f"headgate {verb}" not in text]


@pytest.mark.parametrize("package", ["dialects", "surfaces"])
def test_every_dialect_and_surface_is_documented(package: str) -> None:
    names = [name.split(".")[2] for name in PLUGINS if name.startswith(f"headgate.{package}.")]
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)

    assert [] == [name for name in names if f"`{name}`" not in text]


@pytest.mark.parametrize("module", FORMATS)
def test_a_format_names_its_specification(module: str) -> None:
    docstring = ast.get_docstring(TREES[module]) or ""

    assert re.search(r"^Spec: \S", docstring, re.MULTILINE)


def test_the_exception_tree_is_drawn_as_it_is() -> None:
    real = {
        kind.__name__: next((base.__name__ for base in kind.__bases__ if issubclass(base, errors.HeadgateError)), "")
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.HeadgateError)
    }

    assert real == drawn_parents(errors.__doc__ or "")
    assert real == drawn_parents((DOCS / "errors.md").read_text(encoding="utf-8"))


def test_every_decision_is_indexed_with_its_title() -> None:
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    titles = [file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for file in files]

    index = re.findall(r"^- \[(.+)\]\((.+)\)$", (DECISIONS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert [(title, file.name) for title, file in zip(titles, files, strict=True)] == index


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [file.name[:4] for file in sorted(DECISIONS.glob("[0-9]*.md"))]

    assert [f"{number:04}" for number in range(1, len(numbers) + 1)] == numbers


@pytest.mark.parametrize("file", sorted(DECISIONS.glob("[0-9]*.md")), ids=from_root)
def test_a_decision_says_why_and_what_else_there_was(file: Path) -> None:
    assert DECISION_PARTS == re.findall(r"^## (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, *sorted(DECISIONS.glob("*.md"))], ids=from_root)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_no_file_speaks_of_where_it_was_written() -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    texts = {name: (ROOT / name).read_bytes() for name in files if (ROOT / name).is_file()}

    words = [word.encode() for word in FOREIGN.replace("~", "").split()]

    assert texts
    assert [] == [(name, word) for name, text in texts.items() for word in words if word in text]
