"""The checks: what is asked, and what follows from the answers. No I/O, no clock.

A check is a generator: it yields questions, gets their answers, and returns a verdict. To add one, write it into the
file of its group and name it in that file's `CHECKS`; the documentation's table follows.
"""

from __future__ import annotations

from headgate.doctor.battery import answers, mistakes, running, texts, tools
from headgate.doctor.battery.check import Check

CHECKS: tuple[Check, ...] = (*texts.CHECKS, *answers.CHECKS, *tools.CHECKS, *mistakes.CHECKS, *running.CHECKS)
"""Every check, in the order in which they run. The first must be answered for the others to mean anything."""

__all__ = ["CHECKS", "Check"]
