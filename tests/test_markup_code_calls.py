"""`markup.readers.code_calls`: a program to the end of the message, as the one argument of the tool that runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markup_cases import TOOLS, splitter_of
from markup_checks import check, one_call, tool
from pieces import Said

PYTHON = [*TOOLS, tool("python", "code")]
PROGRAM = 'for name in ["a", "\\n"]:\n\tprint(f"{name} é 👋")\n'


def ran(program: str, name: str = "python", parameter: str = "code", text: str = "") -> Said:
    """One call that runs the program."""
    return one_call(name, json.dumps({parameter: program}, ensure_ascii=False), text)


@pytest.mark.parametrize(
    ("family", "opener"),
    [("llama3-json", "<|python_tag|>"), ("functionary", ">>>python\n"), ("functionary", "python\n")],
)
def test_program_is_the_tools_argument(family: str, opener: str) -> None:
    check(opener + PROGRAM, ran(PROGRAM), family, PYTHON)
    check(opener + "x = 1", ran("x = 1"), family, PYTHON)


@pytest.mark.parametrize("name", ["python", "ipython", "code_interpreter"])
def test_any_tool_that_runs_programs_is_asked(name: str) -> None:
    check("<|python_tag|>print(1)", ran("print(1)", name), "llama3-json", [tool(name, "code")])


def test_parameter_is_the_only_one_that_is_declared() -> None:
    declared = [tool("python", "source")]
    check("<|python_tag|>print(1)", ran("print(1)", parameter="source"), "llama3-json", declared)


@pytest.mark.parametrize("parameters", [(), ("code", "timeout")])
def test_parameter_is_code_where_none_or_several_are_declared(parameters: tuple[str, ...]) -> None:
    check("<|python_tag|>print(1)", ran("print(1)"), "llama3-json", [tool("python", *parameters)])


def test_text_before_a_program_stays_text() -> None:
    check("Look:\n>>>python\nprint(1)", ran("print(1)", text="Look:"), "functionary", PYTHON)


@pytest.mark.parametrize("tools", [TOOLS, [], None], ids=["others", "none", "unknown"])
def test_without_a_tool_for_it_a_program_is_text(tools: Any) -> None:
    for text in ("<|python_tag|>print(1)", ">>>python\nprint(1)"):
        for family in ("llama3-json", "functionary"):
            check(text, Said("", text), family, tools)


def test_only_the_named_family_runs_programs() -> None:
    check("<|python_tag|>print(1)", Said("", "<|python_tag|>print(1)"), "auto", PYTHON)


def test_call_behind_the_tag_is_no_program() -> None:
    check('<|python_tag|>{"name": "get_time", "parameters": {}}', one_call("get_time", "{}"), "llama3-json", PYTHON)
    check('<|python_tag|>python.call(code="1 + 1")', one_call("python", '{"code": "1 + 1"}'), "llama3-json", PYTHON)
    check('>>>python\n{"code": "1 + 1"}', one_call("python", '{"code": "1 + 1"}'), "functionary", PYTHON)


def test_tag_alone_is_text() -> None:
    check("<|python_tag|>  ", Said("", "<|python_tag|>  "), "llama3-json", PYTHON)


def test_program_comes_as_it_is_written() -> None:
    """All but the last character, which the end has to close."""
    reads = splitter_of("functionary", PYTHON)
    reads.feed(">>>python\nprint(")

    assert '(\\"x' == "".join(span.value for span in reads.feed('"x"'))
    assert '\\")"}' == "".join(span.value for span in [*reads.feed(")"), *reads.close()])
