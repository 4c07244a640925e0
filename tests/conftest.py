"""What all tests share: event loops, neighbours that can be imported, and no garbage collector that walks over them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest
from loops import Run


def pytest_collection_finish() -> None:
    """Tests and their parameters live to the end; every full collection would look at each of them, for a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine in a new event loop of each kind."""

    def run_in_loop(main: Coroutine[Any, Any, None]) -> None:
        factory = None if request.param == "asyncio" else pytest.importorskip("uvloop").new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(main, 60))

    return run_in_loop
