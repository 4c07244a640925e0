from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.config.lines import Path, find_lines

TEXT = '''\
# comment = 1
title = "a # b" # c

[server]
port = 1
"quoted key" = 2
'literal' = 3
hosts = [
  "a", # [fake]
  "]", "b = 1",
]
text = """
port = 9
[fake]
\\"""
"""
raw = \'\'\'
name = 1 \'\'\'

[[upstream]]
url = "u"
headers = { a = "b", "c" = "d" }

  [upstream.deep]
  key = 1
  a.b = 2

[[upstream]]
url = "v"
[upstream.deep]
key = 2
[[upstream.list]]
x = 1
[[upstream.list]]
x = 2

[a.b . "c"]
d = 1
'''


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path of a table."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from paths(inner, (*path, key))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "port"), 5),
        (("server", "quoted key"), 6),
        (("server", "literal"), 7),
        (("server", "hosts"), 8),
        (("server", "hosts", 1), 8),
        (("server", "text"), 12),
        (("server", "raw"), 17),
        (("upstream",), 20),
        (("upstream", 0), 20),
        (("upstream", 0, "url"), 21),
        (("upstream", 0, "headers", "c"), 22),
        (("upstream", 0, "deep"), 24),
        (("upstream", 0, "deep", "key"), 25),
        (("upstream", 0, "deep", "a", "b"), 26),
        (("upstream", 1), 28),
        (("upstream", 1, "url"), 29),
        (("upstream", 1, "deep", "key"), 31),
        (("upstream", 1, "list", 0, "x"), 33),
        (("upstream", 1, "list", 1), 34),
        (("upstream", 1, "list", 1, "x"), 35),
        (("a", "b", "c"), 37),
        (("a", "b", "c", "d"), 38),
        (("nothing",), None),
    ],
)
def test_every_key_has_its_line(path: Path, line: int | None) -> None:
    assert line == find_lines(TEXT).of(path)
    assert line == find_lines(TEXT.replace("\n", "\r\n")).of(path)


def test_no_key_of_the_file_is_missed() -> None:
    """The scan must know every key that the parser knows, or a message would name the wrong line."""
    lines = find_lines(TEXT)

    assert [] == [path for path in paths(tomllib.loads(TEXT)) if lines.of(path) is None]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1", 'a = """\n"""', "a = [\n]\n# end"])
def test_any_text_ends(text: str) -> None:
    tomllib.loads(text)

    assert (1 if text[:1] == "a" else None) == find_lines(text).of(("a",))
