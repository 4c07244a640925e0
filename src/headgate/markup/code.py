"""Text -> whether it stands inside code: a fenced block, or an inline code span.

Strategy: only line starts and runs of backticks and tildes matter. A fence opens with three or more at
the start of a line (after up to three spaces) and closes with as many; an inline span opens with a run
of backticks and closes with an equal run on the same line, so that a stray backtick hides one line only.
Spec: https://spec.commonmark.org/0.31.2/#fenced-code-blocks
"""

from __future__ import annotations

import re

_INTERESTING = re.compile(r"[`~\n]")
_FENCE_MIN = 3


class Code:
    """Follows text and knows whether the next character stands in code."""

    def __init__(self) -> None:
        self._fence = ""
        self._inline = 0
        self._run = ""
        self._run_at_start = True
        self._at_start = True

    def feed(self, text: str, /) -> None:
        """Follow more text."""
        if not self._run and not _INTERESTING.search(text):
            # The commonest delta: no line end, no backtick; only "still at the line's start" can change.
            self._at_start = self._at_start and not text.strip(" ")
            return
        for character in text:
            self._character(character)

    @property
    def inside(self) -> bool:
        """Whether the next character, if it is no backtick, stands in code."""
        if not self._run:
            return bool(self._fence or self._inline)
        twin = self.copy()
        twin._end_run()
        return bool(twin._fence or twin._inline)

    def copy(self) -> Code:
        """An independent follower in the same state."""
        twin = Code.__new__(Code)
        twin.__dict__.update(self.__dict__)
        return twin

    def _character(self, character: str) -> None:
        if self._run and character != self._run[0]:
            self._end_run()
        if character in "`~":
            if not self._run:
                self._run_at_start = self._at_start
            self._run += character
            self._at_start = False
        elif character == "\n":
            self._inline = 0
            self._at_start = True
        elif character != " ":
            self._at_start = False

    def _end_run(self) -> None:
        run, self._run = self._run, ""
        if self._fence:
            if self._run_at_start and run[0] == self._fence[0] and len(run) >= len(self._fence):
                self._fence = ""
        elif self._run_at_start and len(run) >= _FENCE_MIN:
            self._fence = run
        elif run[0] == "`":
            self._inline = 0 if self._inline == len(run) else self._inline or len(run)
