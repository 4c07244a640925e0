"""How a test runs a coroutine in an event loop of each kind; the fixture is `run` in `conftest.py`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

Run: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
