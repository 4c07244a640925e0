"""Text -> where the JSON value that it begins ends.

Strategy: only quotes, backslashes, braces and brackets matter; strings hide everything. Nothing is
validated here (the arguments are parsed once, at the block's end).
Spec: https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import re

_OUTSIDE = re.compile(r'["{}\[\]<]')
_INSIDE = re.compile(r'["\\]')


class JsonText:
    """Follows one JSON object, array or string through any split."""

    def __init__(self) -> None:
        self.done = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def copy(self) -> JsonText:
        """An independent follower in the same state."""
        twin = JsonText()
        twin.__dict__.update(self.__dict__)
        return twin

    def advance(self, text: str, start: int, stop: int | None = None) -> int:
        """Follow `text` from `start`; return where the value ends, or where a `<` stands outside its strings.

        That is `stop`, or `len(text)`, when all of it belongs to the value; `done` tells whether the value is over.
        """
        place, stop = start, len(text) if stop is None else min(stop, len(text))
        while place < stop:
            if self._escaped:
                self._escaped = False
                place += 1
                continue
            found = (_INSIDE if self._in_string else _OUTSIDE).search(text, place, stop)
            if found is None:
                return stop
            if found.group() == "<":
                return found.start()
            place = found.end()
            self._note(found.group())
            if self.done:
                return place
        return place

    def _note(self, character: str) -> None:
        if character == '"':
            self._in_string = not self._in_string
            self.done = not self._in_string and not self._depth
        elif character == "\\":
            self._escaped = True
        elif character in "{[":
            self._depth += 1
        else:
            self._depth -= 1
            self.done = self._depth <= 0


def begins_value(rest: str) -> bool | None:
    """Whether `rest`, which begins with a brace or a bracket, may go on as JSON; None while that is open.

    A brace that no key follows is prose, or code, and no object.
    """
    behind = rest[1:].lstrip()
    return not rest.startswith("{") or (behind[0] in '"}' if behind else None)
