"""Text -> whether it stands inside code: a fenced block, or an inline code span.

Strategy: only line starts and runs of backticks and tildes matter. A fence opens with three or more at
the start of a line (after any spaces, as lists indent theirs) and closes with as many; an inline span
opens with a run of backticks and closes with an equal run on the same line, so that a stray backtick
hides one line only.
Spec: https://spec.commonmark.org/0.31.2/#fenced-code-blocks
"""

from __future__ import annotations

import copy

from msgspec import Struct

_FENCE_MIN = 3


class Code(Struct, eq=False, gc=False):
    """Follows text and knows whether the next character stands in code.

    Each response has one from its first word on; msgspec makes and copies it with fewer steps than a class of ours.
    """

    quiet: bool = False
    """Whether text without line ends, backticks and tildes changes nothing."""

    _fence: int = 0  # the length of the open fence; 0 outside
    _fence_mark: str = ""
    _inline: int = 0  # the length of the run that opened the inline span; 0 outside
    _run: int = 0  # the length of the run of backticks or tildes that may go on
    _run_mark: str = ""
    _run_at_start: bool = True
    _at_start: bool = True
    _on_fence_line: bool = False

    def feed(self, text: str, /) -> None:
        """Follow more text."""
        if self._run or "`" in text or "~" in text:
            for character in text:
                self._character(character)
        elif (line := text.rfind("\n")) >= 0:
            self._inline, self._on_fence_line = 0, False
            self._at_start = not text[line + 1 :].strip(" ")
        elif self._at_start:
            self._at_start = not text.strip(" ")
        self.quiet = not self._run and not self._at_start

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
        return copy.copy(self)

    def _character(self, character: str) -> None:
        if self._run and character != self._run_mark:
            self._end_run()
        if character in "`~":
            if not self._run:
                self._run_mark, self._run_at_start = character, self._at_start
            self._run += 1
            self._at_start = False
        elif character == "\n":
            self._inline = 0
            self._at_start, self._on_fence_line = True, False
        elif character != " ":
            self._at_start = False

    def _end_run(self) -> None:
        run, self._run = self._run, 0
        if self._fence and not (self._on_fence_line and self._run_mark == self._fence_mark == "`"):
            if self._run_at_start and self._run_mark == self._fence_mark and run >= self._fence:
                self._fence = 0
        elif self._run_at_start and run >= _FENCE_MIN:
            self._fence, self._fence_mark, self._on_fence_line = run, self._run_mark, True
        elif self._run_mark == "`":
            # A second run of backticks on the fence's own line: it was no fence, but an inline span.
            self._inline, self._fence = self._inline or self._fence, 0
            self._inline = 0 if self._inline == run else self._inline or run
