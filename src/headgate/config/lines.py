"""The text of a TOML file -> the line of every key, so that a message can name it; `tomllib` tells none.

Strategy: the text is known to be TOML, so it is enough to step over strings, comments and brackets. A key inside an
inline table or a list has the line of the key that holds it.
Spec: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes, such as `("upstream", 0, "url")`."""

_BARE = r"[A-Za-z0-9_-]+"
_STRING = r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\''
_KEYS = rf"(?:{_BARE}|{_STRING})(?:[ \t]*\.[ \t]*(?:{_BARE}|{_STRING}))*"
_match_header = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEYS})[ \t]*\]").match
_match_key = re.compile(rf"[ \t]*({_KEYS})[ \t]*=").match
_find_keys = re.compile(rf"{_BARE}|{_STRING}").findall
_match_token = re.compile(
    rf'"""(?:[^"\\]|\\.|"(?!""))*"{{3,5}}|\'\'\'(?:[^\']|\'(?!\'\'))*\'{{3,5}}|{_STRING}|#[^\n]*|[^"\'#\[\]{{}}\n]+|.',
    re.DOTALL,
).match


class Lines:
    """Where each key of a file stands."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self._lines = lines

    def of(self, path: Path) -> int | None:
        """The line of a key, counted from 1; else that of the nearest table or list around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


def find_lines(text: str) -> Lines:
    """Find the keys of a valid TOML text."""
    return Lines(_Scan(text.replace("\r\n", "\n")).lines)


class _Scan:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}  # tables of each array so far
        table: Path = ()
        at, line = 0, 1
        while at < len(text):
            start = at
            if header := _match_header(text, at):
                table = self._open(_names(header[2]), array=header[1] == "[[")
                self._note(table, line)
                at = header.end()
            elif key := _match_key(text, at):
                self._note((*table, *_names(key[1])), line)
                at = key.end()
            at = _end(text, at)
            line += text.count("\n", start, at)

    def _open(self, names: Path, *, array: bool) -> Path:
        """The path of a table's header; inside an array of tables it belongs to the last one."""
        path: Path = ()
        for name in names[:-1]:
            path = self._last((*path, name))
        path = (*path, names[-1])
        if array:
            self._counts[path] = self._counts.get(path, 0) + 1
            self.lines.setdefault(path, 0)
        return self._last(path)

    def _last(self, path: Path) -> Path:
        return (*path, self._counts[path] - 1) if path in self._counts else path

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            if not self.lines.get(path[:length]):
                self.lines[path[:length]] = line


def _names(keys: str) -> Path:
    return tuple(_unquoted(name) for name in _find_keys(keys))


def _unquoted(name: str) -> str:
    # The standard library knows TOML's escapes.
    return str(tomllib.loads(f"name = {name}")["name"]) if name[0] in "\"'" else name


def _end(text: str, at: int) -> int:
    """Where the line ends that a value ends on, past its line feed."""
    depth = 0
    while token := _match_token(text, at):
        at = token.end()
        mark = token[0]
        depth += (mark in {"[", "{"}) - (mark in {"]", "}"})
        if mark == "\n" and depth <= 0:
            break
    return at
