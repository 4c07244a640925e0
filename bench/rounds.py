"""Measures everything in turn, round after round, so that what else the machine does weighs on all alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bench.capacity import capacity
from bench.gateways import DIRECT, GATEWAYS, GatewayError, Started, start
from bench.programs import Engine, Load, LoadError, load
from bench.results import Sample
from bench.scenarios import CAPACITY, SCENARIOS, Scenario

_ENGINE_READY_S = 0.15
_WAITED_MAX = 0.1


class Rounds:
    """Takes samples.

    Args:
        plan: which gateway is measured under which loads.
        weighed: whether what runs is given more of a shared machine.
    """

    def __init__(self, plan: Mapping[str, Sequence[str]], *, weighed: bool) -> None:
        self.samples: list[Sample] = []
        self.skipped: dict[str, str] = {}
        self._plan = plan
        self._weighed = weighed

    def round(self, number: int) -> None:
        """Measure everything once, load by load, each gateway in turn under the same load.

        A gateway that does not run is skipped from then on.
        """
        with ExitStack() as stack:
            running = {name: self._start(name, number, stack) for name in self._plan}
            for scenario in (*SCENARIOS, CAPACITY):
                if scenario == CAPACITY or not SCENARIOS[scenario].fresh:
                    self._each(scenario, running)
        for fresh in (name for name, scenario in SCENARIOS.items() if scenario.fresh):
            self._each_anew(fresh, number)

    def _each(self, scenario: str, running: Mapping[str, _Samples | None]) -> None:
        for name, samples in running.items():
            if samples is not None and scenario in self._plan[name]:
                self.samples += samples.take(scenario)

    def _each_anew(self, scenario: str, number: int) -> None:
        for name, scenarios in self._plan.items():
            if scenario in scenarios:
                with ExitStack() as stack:
                    samples = self._start(name, number, stack)
                    self.samples += samples.take(scenario) if samples is not None else []

    def _start(self, name: str, number: int, stack: ExitStack) -> _Samples | None:
        """Start an engine and the gateway before it, and warm them; the stack stops both."""
        if name in self.skipped:
            return None
        engine = Engine(alone=name == DIRECT, weighed=self._weighed)
        stack.callback(engine.stop)
        time.sleep(_ENGINE_READY_S)
        if name == DIRECT:
            started = Started(engine, engine.port, 0.0, engine.rss_kb())
        else:
            try:
                started = start(GATEWAYS[name], engine, weighed=self._weighed)
            except GatewayError as error:
                self.skipped[name] = str(error)
                print(f"{name:20} skipped: {error}")
                return None
            stack.callback(started.running.stop)
        samples = _Samples(name, number, started, engine)
        samples.load(SCENARIOS["warm"])
        return samples


class _Samples:
    """The samples of one started gateway."""

    def __init__(self, name: str, number: int, started: Started, engine: Engine) -> None:
        self._name = name
        self._number = number
        self._started = started
        self._engine = engine

    def load(self, scenario: Scenario) -> Load:
        pids = self._started.running.pids()
        return load(scenario.arguments(self._started.port), pids=pids, engine=self._engine.pid)

    def take(self, name: str) -> list[Sample]:
        """Measure under a load; nothing where that does not succeed, or what is asked is not served."""
        try:
            sample = self._capacity() if name == CAPACITY else self._sample(name, self._calm(SCENARIOS[name]))
        except LoadError as error:
            print(f"{self._name:20} {name:18} no result: {error}")
            return []
        if sample is None:
            return []
        if sample.load.refused and not sample.load.chunks:
            print(f"{self._name:20} {name:18} not served")
            return []
        print(f"{self._name:20} {name:18} {said(sample)}", flush=True)
        return [sample]

    def _calm(self, scenario: Scenario) -> Load:
        """Load once; once more if others had the gateway's core for long, and then the calmer of the two counts."""
        seen = self.load(scenario)
        if scenario.fresh or seen.waited <= _WAITED_MAX or not seen.is_right:
            return seen
        return min(seen, self.load(scenario), key=lambda load: load.waited)

    def _capacity(self) -> Sample | None:
        best = capacity(self.load)
        if best is None:
            print(f"{self._name:20} {CAPACITY:18} not even the smallest load was carried")
            return None
        return self._sample(CAPACITY, best.load, best.streams)

    def _sample(self, scenario: str, seen: Load, streams: int = 0) -> Sample:
        started = self._started
        return Sample(self._name, scenario, self._number, started.start_s, started.rss_kb, seen, streams)


def said(sample: Sample) -> str:
    """What a sample shows, for those who watch."""
    seen = sample.load
    words: list[str] = [f"{sample.streams:,} streams"] if sample.streams else []
    if seen.chunks > seen.requests:
        cpu_us = 1e6 * seen.gateway_cpu_s / seen.chunks
        words.append(f"{seen.chunks_per_s:,.0f} chunks/s at {cpu_us:.2f} us")
    if seen.requests:
        words.append(f"{seen.requests_per_s:,.0f} requests/s")
    if seen.delay_us_p50 >= 0:
        words.append(f"delay {seen.delay_us_p50}/{seen.delay_us_p99} us")
    if seen.first_us_p50 >= 0:
        words.append(f"first {seen.first_us_p50}/{seen.first_us_p99} us")
    if sample.scenario in SCENARIOS and SCENARIOS[sample.scenario].fresh:
        words.append(f"grew by {(seen.rss_kb_after - seen.rss_kb_before) / 1024:.1f} MB")
    return ", ".join([*words, f"waited {seen.waited:.0%}", *([] if seen.is_right else ["NOT RIGHT"])])
