"""What all tests share: their neighbours can be imported, and the garbage collector walks over none of them."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Tests and their parameters live to the end; every full collection would look at each of them, for a second."""
    gc.collect()
    gc.freeze()
