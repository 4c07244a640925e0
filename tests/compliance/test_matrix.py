"""The engine matrix: real builds of llama.cpp behind the gateway, in every mode and personality.

`make test` runs the newest build and compares its rows with `docs/engines.md`; `make matrix` runs all and writes them.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from matrix.asking import ask_all, gateway
from matrix.builds import OLDER, Stand, newest, python, stands
from matrix.page import keep, run_row, run_rows
from real_engine import llama_cpp

ALL = os.environ.get("HEADGATE_MATRIX") == "all"
BUILDS = [*(OLDER if ALL else ()), *filter(None, [newest()])]


@pytest.mark.parametrize("stand", stands(*BUILDS), ids=str)
def test_a_client_gets_the_models_answer_or_a_note_says_why_not(stand: Stand) -> None:
    """Every stream keeps the contract, and what `docs/engines.md` says of the build is what it does."""
    with (
        llama_cpp(stand.template, "n_ctx=4096", *stand.settings, python=python(stand.build)) as engine,
        gateway(engine, starts_in_reasoning=stand.starts_in_reasoning) as asker,
    ):
        outcomes = ask_all(asker, stand.template)
    found = run_row(stand, outcomes, datetime.now(tz=UTC).date().isoformat())
    if ALL:
        keep(found)
    known = run_rows().get(found.key, found)  # a build that is newer than the page is not on it yet

    assert known._replace(date="") == found._replace(date="")
