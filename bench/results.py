"""What a run gives: every sample of it, and from that a small summary, which is kept in the repository."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from bench.machine import Machine
from bench.programs import Load
from bench.scenarios import SCENARIOS

LATEST = Path(__file__).parent / "results" / "latest.json"


class Sample(msgspec.Struct, frozen=True):
    """One load on one gateway in one round. `streams` is what a search for the capacity found."""

    gateway: str
    scenario: str
    round: int
    start_s: float
    rss_kb: int
    load: Load
    streams: int = 0


class Run(msgspec.Struct, frozen=True):
    """Everything that was measured. `skipped` says of each gateway that is missing why."""

    machine: Machine
    date: str
    command: str
    samples: list[Sample]
    skipped: dict[str, str] = {}


class NotMeasuredError(Exception):
    """Something was not measured."""


class Round:
    """The samples of one round, in which everything was measured in turn."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = {(one.gateway, one.scenario): one for one in samples}

    def sample(self, gateway: str, scenario: str) -> Sample:
        """What was measured.

        Raises:
            NotMeasuredError: if it was not, or replies were wrong: such a number means nothing.
        """
        found = self._samples.get((gateway, scenario))
        if found is None or not found.load.is_right:
            raise NotMeasuredError
        return found

    def load(self, gateway: str, scenario: str) -> Load:
        """What the load generator saw; raises as `sample`."""
        return self.sample(gateway, scenario).load

    def of(self, gateway: str) -> list[Sample]:
        """All samples of a gateway with right replies; raises `NotMeasuredError` if there is none."""
        found = [one for (name, _), one in self._samples.items() if name == gateway and one.load.is_right]
        if not found:
            raise NotMeasuredError
        return found


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """The medians of one load on one gateway; None where the load does not show it.

    `waited` is the share of the time that the gateway was ready to run and had to wait for its core.
    """

    gateway: str
    scenario: str
    rounds: int
    chunks_per_s: float | None = None
    requests_per_s: float | None = None
    cpu_us_per_chunk: float | None = None
    cpu_us_per_request: float | None = None
    delay_us_p50: float | None = None
    delay_us_p99: float | None = None
    first_us_p50: float | None = None
    first_us_p99: float | None = None
    grown_kb: float | None = None
    streams: float | None = None
    start_s: float | None = None
    rss_mb: float | None = None
    waited: float | None = None


class Summary(msgspec.Struct, frozen=True):
    """A run, small: the medians, and of each measure its value in every round."""

    machine: Machine
    date: str
    command: str
    figures: list[Figures]
    measures: dict[str, list[float]]
    skipped: dict[str, str] = {}


def rounds(run: Run) -> list[Round]:
    """A run's rounds."""
    numbers = sorted({one.round for one in run.samples})
    return [Round(one for one in run.samples if one.round == number) for number in numbers]


def figures(run: Run) -> list[Figures]:
    """The medians of everything that was measured, in its order."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for one in run.samples:
        if one.load.is_right:
            groups.setdefault((one.gateway, one.scenario), []).append(one)
    return [_medians(gateway, scenario, found) for (gateway, scenario), found in groups.items()]


def _medians(gateway: str, scenario: str, samples: list[Sample]) -> Figures:
    def median(of: Callable[[Sample], float]) -> float | None:
        return _rounded(statistics.median(map(of, samples)))

    def timed(of: Callable[[Sample], float]) -> float | None:
        values = [value for value in map(of, samples) if value >= 0]
        return _rounded(statistics.median(values)) if values else None

    loads = [one.load for one in samples]
    is_held = scenario in SCENARIOS and SCENARIOS[scenario].fresh
    is_whole = scenario in SCENARIOS and "-N" in SCENARIOS[scenario].flags
    has_chunks = all(load.chunks for load in loads) and not is_held and not is_whole
    return Figures(
        gateway,
        scenario,
        len(samples),
        chunks_per_s=median(lambda one: one.load.chunks_per_s) if has_chunks else None,
        requests_per_s=median(lambda one: one.load.requests_per_s) if not is_held else None,
        cpu_us_per_chunk=median(lambda one: 1e6 * one.load.gateway_cpu_s / one.load.chunks) if has_chunks else None,
        cpu_us_per_request=median(lambda one: 1e6 * one.load.gateway_cpu_s / one.load.requests) if is_whole else None,
        delay_us_p50=timed(lambda one: one.load.delay_us_p50),
        delay_us_p99=timed(lambda one: one.load.delay_us_p99),
        first_us_p50=timed(lambda one: one.load.first_us_p50),
        first_us_p99=timed(lambda one: one.load.first_us_p99),
        grown_kb=median(lambda one: one.load.rss_kb_after - one.load.rss_kb_before) if is_held else None,
        streams=median(lambda one: one.streams) if any(one.streams for one in samples) else None,
        start_s=median(lambda one: one.start_s) if gateway != "direct" else None,
        rss_mb=median(lambda one: one.rss_kb / 1024) if gateway != "direct" else None,
        waited=median(lambda one: one.load.waited),
    )


def _rounded(value: float) -> float:
    """Four digits: the machine is not steadier than that."""
    return float(f"{value:.4g}")


def write(path: Path, value: Run | Summary) -> None:
    """Write as JSON that reads well in a diff."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def read_summary(path: Path = LATEST) -> Summary:
    """Read a summary that was written."""
    return msgspec.json.decode(path.read_bytes(), type=Summary)


def read_run(path: Path) -> Run:
    """Read a run that was written."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
