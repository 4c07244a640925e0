"""Lets these tests import their neighbours (`engine.corpus`) when they are run alone."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
