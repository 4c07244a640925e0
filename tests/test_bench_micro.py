"""`bench.micro`: each ratio that must hold is one of cases that are timed, and one that does not hold is found."""

from __future__ import annotations

import pytest

from bench.micro.cases import all_cases
from bench.micro.gate import Gate, failing, gates
from bench.micro.timing import Case, best_us, measured_us

CASES = {case.name: case for case in all_cases()}


def test_every_ratio_is_one_of_cases_that_are_timed() -> None:
    named = {name for gate in gates() for name in (gate.case, gate.against)}

    assert set() == named - CASES.keys()


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("the whole way")])
def test_a_case_does_what_it_times(name: str) -> None:
    """Each run begins anew: a stream that is over would cost nothing."""
    case = CASES[name]

    results = [case.prepare()() for _ in range(2)]

    assert all(results)
    assert measured_us(case) > 0


def test_a_case_that_became_dearer_fails() -> None:
    times_us = dict.fromkeys(CASES, 1.0)

    assert all(gate.at_most < 1 for gate in failing(times_us))
    for gate in gates():
        dear = times_us | {gate.case: 1.1 * gate.at_most}
        assert gate in failing(dear)


def test_a_ratio_at_its_bound_holds() -> None:
    assert Gate("", "a", "b", 1.5).holds({"a": 3.0, "b": 2.0})


def test_the_best_of_several_runs_counts() -> None:
    runs: list[int] = []

    best_us([Case("a", lambda: lambda: runs.append(1), 1), Case("b", lambda: lambda: None, 1)], 3)

    assert 3 == len(runs)
