"""`bench`: what becomes of samples, and that docs/performance.md says what was measured."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main, plan_of
from bench.capacity import capacity, steps
from bench.machine import Machine
from bench.measures import MEASURES, Measure, summary
from bench.page import PAGES, filled, named_parts, parts
from bench.programs import Load
from bench.results import LATEST, Run, Sample, read_run, read_summary, write
from bench.scenarios import CAPACITY, PLAN, QUICK, SCENARIOS, Scenario
from bench.table import FIGURE_HEADINGS, figure_rows, markdown, measure_rows, plain

MACHINE = Machine("a processor", 2, "6.0", {"Headgate": "1", "Python": "3.11"})
COALESCED = "CPU per chunk, coalesced, against the relay"


def seen(**fields: Any) -> Load:
    """What a load generator might have seen in a second."""
    usual: dict[str, Any] = dict.fromkeys(Load.__struct_fields__, 0)
    usual |= {"seconds": 1.0, "chunks": 1_000_000, "chunks_per_s": 1e6, "gateway_cpu_s": 1.0}
    return Load(**usual | fields)


def sample(gateway: str, scenario: str = "coalesced", number: int = 0, **fields: Any) -> Sample:
    return Sample(gateway, scenario, number, 0.25, 40 * 1024, seen(**fields))


def run_of(*samples: Sample, **skipped: str) -> Run:
    return Run(MACHINE, "2026-11-21", "make bench", list(samples), skipped)


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


def test_the_page_says_what_was_measured() -> None:
    """`python -m bench --publish` writes both; by hand neither is changed alone."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    latest = read_summary()

    assert [filled(text, latest) for text in texts] == texts
    assert sorted(parts(latest)) == sorted(part for text in texts for part in named_parts(text))


def test_what_was_measured_is_what_is_promised() -> None:
    """A measure that is renamed, or a load that is dropped, is measured again before it is published."""
    latest = read_summary()

    assert latest.measures.keys() <= {one.name for one in MEASURES}
    assert {one.scenario for one in latest.figures} <= {*SCENARIOS, CAPACITY}
    assert LATEST.stat().st_size < 64 * 1024


def test_every_load_that_is_planned_exists() -> None:
    planned = {name for plan in (PLAN, QUICK) for names in plan.values() for name in names}

    assert planned - {CAPACITY} <= SCENARIOS.keys()
    assert QUICK.keys() <= PLAN.keys()


def test_a_ratio_is_made_of_one_round() -> None:
    """A minute in which the machine was busy weighs on both sides."""
    run = run_of(
        sample("headgate", gateway_cpu_s=2.0),
        sample("relay", gateway_cpu_s=1.0),
        sample("headgate", number=1, gateway_cpu_s=9.0),
        sample("relay", number=1, gateway_cpu_s=3.0),
    )

    assert [2.0, 3.0] == summary(run).measures[COALESCED]


def test_a_round_with_wrong_text_gives_no_number() -> None:
    run = run_of(sample("headgate"), sample("relay", wrong=1))

    found = summary(run)

    assert COALESCED not in found.measures
    assert ["headgate"] == [one.gateway for one in found.figures]


@pytest.mark.parametrize("field", ["broken", "refused", "wrong"])
def test_any_reply_that_is_not_right_spoils_a_sample(field: str) -> None:
    assert not seen(**{field: 1}).is_right


@pytest.mark.parametrize(
    ("value", "verdict"), [(1.9, "reached"), (2.5, "held"), (3.0, "held"), (3.1, "**missed**"), (None, "not measured")]
)
def test_a_verdict_is_the_median_against_its_bounds(value: float | None, verdict: str) -> None:
    loads = [] if value is None else [sample("headgate", gateway_cpu_s=value), sample("relay")]

    [row] = [row for row in measure_rows(summary(run_of(*loads))) if row[0] == COALESCED]

    assert verdict == row[-1]


def test_more_is_better_where_it_says_so() -> None:
    more = measure("paced capacity on one core, of nginx's")

    assert [False, True, True] == [more.holds(value) for value in (0.74, 0.75, 0.9)]
    assert [False, True] == [more.reaches(value) for value in (0.84, 0.85)]


def test_memory_is_told_for_each_stream() -> None:
    """5,000 streams may cost more each than 1,000; the greater counts."""
    run = run_of(
        sample("headgate", "open1000", chunks=0, rss_kb_before=1000, rss_kb_after=9000),
        sample("headgate", "open5000", chunks=0, rss_kb_before=1000, rss_kb_after=61000),
    )

    assert [12.0] == summary(run).measures["memory for an open slow stream"]


@pytest.mark.parametrize("carried", [500, 1000, 2399, 10_000])
def test_the_search_finds_the_greatest_load_that_is_carried(carried: int) -> None:
    def measured(scenario: Scenario) -> Load:
        streams = scenario.connections
        return seen(chunks_per_s=50.0 * min(streams, carried), delay_us_p50=100)

    found = capacity(measured)

    assert found is not None
    assert max(one for one in steps() if 0.98 * one <= carried) == found.streams


@pytest.mark.parametrize("bad", [{"delay_us_p50": 5000}, {"wrong": 1}, {"chunks_per_s": 1.0}])
def test_what_lags_or_lies_carries_nothing(bad: dict[str, Any]) -> None:
    assert capacity(lambda scenario: seen(**{"chunks_per_s": 50.0 * scenario.connections, **bad})) is None


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = run_of(sample("headgate"), sample("nginx", "whole"), litellm="it is not installed")

    write(tmp_path / "made" / "run.json", run)

    assert run == read_run(tmp_path / "made" / "run.json")


def test_the_page_keeps_what_is_written_by_hand() -> None:
    found = summary(run_of(sample("headgate"), litellm="it is not installed"))
    text = "before\n<!-- made by make bench: machine -->\nold\n<!-- end -->\nafter\n"

    made = filled(text, found)

    assert made.startswith("before\n")
    assert made.endswith("\nafter\n")
    assert "a processor" in made
    assert "old" not in made
    assert "Not measured: litellm, it is not installed." in made


def test_a_mark_that_names_nothing_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        filled("<!-- made by make bench: nothing -->\n<!-- end -->", summary(run_of()))


def test_tables_have_a_cell_for_every_heading() -> None:
    found = summary(run_of(sample("headgate"), sample("headgate", "whole", requests=10), sample("nginx", "open1000")))
    rows = figure_rows(found)

    assert {len(FIGURE_HEADINGS)} == set(map(len, rows))
    assert len(rows) + 2 == len(markdown(FIGURE_HEADINGS, rows).splitlines())
    assert len(rows) + 1 == len(plain(FIGURE_HEADINGS, rows).splitlines())


def test_the_command_shows_a_run_that_was_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "run.json", run_of(sample("headgate"), sample("relay"), nginx="it is not on the PATH"))

    main(["--from", str(tmp_path / "run.json")])

    said = capsys.readouterr().out
    assert re.search(rf"^{COALESCED} .* reached$", said, re.MULTILINE)
    assert "skipped nginx: it is not on the PATH" in said


def test_only_what_is_asked_for_is_measured() -> None:
    options = argparse.Namespace(quick=True, gateways="headgate,nginx", loads="whole")

    assert {"headgate": ("whole",), "nginx": ("whole",)} == plan_of(options)
    assert QUICK == plan_of(argparse.Namespace(quick=True, gateways=None, loads=None))
