"""What a check is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from headgate.doctor.asking import Facts, Plan


class Check(NamedTuple):
    """One check: its name, what is exact about it in a sentence, and how it goes."""

    name: str
    expects: str
    begin: Callable[[Facts], Plan]
