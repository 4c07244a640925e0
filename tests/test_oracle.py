"""The fixtures against the oracle: what they expect is worked out here without any of Headgate's own code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from oracle import __main__ as command
from oracle.expected import expected, message
from oracle.folders import FIXTURES, Case, cases, faults
from oracle.markup import Meaning, meaning
from oracle.wire import Call, Choice, read

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_folder_is_complete(case: Case) -> None:
    """A golden test that finds half a folder would check half a claim."""
    assert [] == faults(case)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_folder_expects_what_the_oracle_works_out(case: Case) -> None:
    """Recordings were written from the oracle, seeds by hand: either way both must agree."""
    assert [] == command.disagreements(case, expected(case))


def test_every_dialect_and_the_endpoints_have_fixtures() -> None:
    """An empty glob would make every other test here pass."""
    assert {"openai", "llamacpp", "ollama", "responses", "anthropic", "endpoints"} == {case.dialect for case in CASES}


def test_readme_names_every_derailed_case() -> None:
    """A derailed case rests on the naive reading alone; a reader must be able to see which do, and why."""
    _, _, table = (FIXTURES / "README.md").read_text(encoding="utf-8").partition("## Derailed cases")
    named = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}

    assert {case.folder.name for case in CASES if case.meta.get("derailed")} == named


def test_the_oracle_uses_nothing_of_headgate() -> None:
    """Otherwise a fault of the decoder would be its own proof."""
    for file in Path(command.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []

            assert not any(name.split(".")[0] == "headgate" for name in names), file.name


def test_stream_without_a_finish_is_truncated() -> None:
    """No recorded engine stopped in the middle, so the rule is tried on a cut recording."""
    body = (FIXTURES / "dialects/openai/llamacpp.hermes.name/response.raw").read_bytes()
    choice = read("/v1/chat/completions", 200, body[: body.index(b" Vim")].rpartition(b"\n\n")[0])[0]

    assert ("My name is Neo", "upstream_truncated") == (choice.content, (choice.error or {})["code"])
    assert message(choice, [])["finish_reason"] is None


def test_error_line_ends_an_ollama_stream() -> None:
    """Ollama sends its errors as a last line; none of the recordings has one in a stream."""
    body = b'{"message":{"role":"assistant","content":"My"},"done":false}\n{"error":"runner stopped"}\n'

    assert [{"code": "upstream_error", "message": "runner stopped", "status": 502}] == [
        choice.error for choice in read("/api/chat", 200, body)
    ]


def test_arguments_keep_the_bytes_of_the_object() -> None:
    """Key order, spaces and escapes of an Ollama call are the engine's; a string that quotes a call is no call."""
    line = (
        rb'{"message":{"content":"\"arguments\":{}","tool_calls":[{"function":{"name":"f","arguments":'
        rb'{"b": "\u003c", "a":1}}}]},"done":true}'
    )

    assert [Call("f", r'{"b": "\u003c", "a":1}')] == read("/api/chat", 200, line)[0].calls


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("<think>\na\n</think>\n\nb", Meaning("a", "b")),
        ("a\n</think>\n\nb", Meaning("a", "b")),
        ("<think>\na", Meaning("a")),
        ("Say <think> and go on.", Meaning("", "Say <think> and go on.")),
        ("<|channel|>analysis<|message|>a<|end|>b", Meaning("a", "b")),
        ("<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final<|message|>b", Meaning("a", "b")),
        ('<|channel|>commentary to=functions.f json<|message|>{"a":1}', Meaning("", "", [Call("f", '{"a":1}')])),
    ],
)
def test_markup_of_a_whole_text(text: str, understood: Meaning) -> None:
    assert understood == meaning(text, ["f"])


HERMES = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
ONE = [Call("f", '{"a": 1}')]


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        (HERMES, Meaning(calls=ONE)),
        (f"a\n{HERMES}\nb {HERMES}", Meaning("", "ab", [*ONE, *ONE])),
        (f"<think>\na\n</think>\n{HERMES}", Meaning("a", "", ONE)),
        (f"<think>\na\n{HERMES}", Meaning("a", "", ONE)),
        (f"<think>\na\n{HERMES}\n</think>\nb", Meaning(f"a\n{HERMES}", "b")),
        ('<tool_call>\n{"name": "f", "arguments": {"a": 1\n</tool_call>', Meaning(calls=[Call("f", '{"a": 1\n')])),
        ("Say <tool_call> and go on.", Meaning("", "Say <tool_call> and go on.")),
        (f"`{HERMES}`", Meaning("", f"`{HERMES}`")),
        ('{"name": "f", "parameters": {"a": 1}}', Meaning(calls=ONE)),
        ('```json\n{"name": "f", "arguments": {"a": 1}}\n```', Meaning(calls=ONE)),
        (
            '{"name": "f", "parameters": {"a": 1}} and more',
            Meaning("", '{"name": "f", "parameters": {"a": 1}} and more'),
        ),
        ("[f(a=1), f(a=1)]", Meaning(calls=[*ONE, *ONE])),
        ("```tool_code\nf(a=1)\n```", Meaning(calls=ONE)),
        ("f(a=1)", Meaning("", "f(a=1)")),
        ('[TOOL_CALLS]f[ARGS]{"a": 1}', Meaning(calls=ONE)),
        ('[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}]', Meaning(calls=ONE)),
        ('<|python_tag|>{"name": "f", "parameters": {"a": 1}}', Meaning(calls=ONE)),
    ],
)
def test_calls_of_a_whole_text(text: str, understood: Meaning) -> None:
    assert understood == meaning(text, ["f"])


@pytest.mark.parametrize("tools", [["g"], []])
def test_a_call_of_a_tool_that_was_not_declared_is_text(tools: list[str]) -> None:
    assert Meaning("", HERMES) == meaning(HERMES, tools)


def test_the_oracle_does_not_guess_what_only_a_schema_tells() -> None:
    text = "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n</tool_call>"

    with pytest.raises(NotImplementedError, match="schema"):
        meaning(text, ["f"])


def test_content_is_null_only_beside_a_whole_call() -> None:
    """OpenAI's rule: a message that is nothing but calls has null content; a truly empty one has the empty string."""
    whole, torn = Call("f", "{}"), Call("f", '{"a')

    assert message(Choice(calls=[whole], reason="stop"), [])["content"] is None
    assert "" == message(Choice(calls=[torn], reason="length"), [])["content"]
    assert "" == message(Choice(reasoning="a", reason="stop"), [])["content"]
