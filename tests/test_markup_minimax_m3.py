"""`markup.families.minimax_m3`: elements inside a value become objects and lists, as the tool's schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markup_cases import splits, splitter_of
from pieces import merged, raw, said

_NS = "]<]minimax[>["

SCHEMA = {
    "type": "object",
    "properties": {
        "tags": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "where": {"type": "object", "properties": {"year": {"type": "integer"}, "item": {"type": "string"}}},
        "text": {"type": "string"},
        "any": {},
    },
}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]


def tagged(markup: str) -> str:
    """The markup with the model's token before each tag."""
    return markup.replace("<", f"{_NS}<")


def arguments(markup: str) -> Any:
    """What the call's parameters come to, the same at every split."""
    text = tagged(f'<tool_call><invoke name="f">{markup}</invoke></tool_call>')
    found: list[Any] = []
    for pieces in splits(text):
        reads = splitter_of("minimax-m3", TOOLS)
        spans = merged([*(span for piece in pieces for span in reads.feed(piece)), *reads.close()])
        ((_, source),) = said(spans).calls
        found.append(json.loads(source))

        assert text == raw(spans)
        assert found[0] == found[-1], pieces
    return found[0]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<tags><item>a</item><item>1</item></tags>", {"tags": ["a", "1"]}),
        ("<tags></tags>", {"tags": []}),
        ("<where></where>", {"where": {}}),
        ("<text></text>", {"text": ""}),
        ("<rows><item><n>1</n></item><item><n>2</n></item></rows>", {"rows": [{"n": 1}, {"n": 2}]}),
        ("<where><year>2020</year><item>a</item></where>", {"where": {"year": 2020, "item": "a"}}),
        ("<where><item>a</item></where>", {"where": {"item": "a"}}),
        ("<any><item>1</item></any>", {"any": ["1"]}),
        ("<any><a>1</a><b><c>2</c></b></any>", {"any": {"a": "1", "b": {"c": "2"}}}),
        ("<any><a>1</a><a>2</a></any>", {"any": {"a": ["1", "2"]}}),
        ('<tags>["a", "b"]</tags>', {"tags": ["a", "b"]}),
        ("<where>\n<year>1</year>\n</where>", {"where": {"year": 1}}),
    ],
)
def test_elements_are_read_by_schema_and_name(markup: str, expected: Any) -> None:
    assert expected == arguments(markup)


@pytest.mark.parametrize("inside", ["<a>1", "</a>", "<a>1</b>", "<a>" * 70 + "</a>" * 70, "text <a>1</a>"])
def test_what_is_no_tree_is_the_text_that_it_is(inside: str) -> None:
    assert {"any": tagged(inside)} == arguments(f"<any>{inside}</any>")
