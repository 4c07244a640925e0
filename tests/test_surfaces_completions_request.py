"""What a text completion may ask, what becomes of it, and which faults are named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anything import anything, changed_somewhere
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.dialects import dialect
from headgate.errors import RequestError
from headgate.messages import ChatRequest, Completion
from headgate.surfaces import surface

SURFACE = surface("completions")


def parsed(headers: dict[str, str] | None = None, /, **fields: Any) -> ChatRequest:
    body = json.dumps({"model": "m", "prompt": "Once", **fields}).encode()
    return SURFACE.parse("/v1/completions", headers or {}, body)


def refused(**fields: Any) -> tuple[str, str | None]:
    with pytest.raises(RequestError) as failure:
        parsed(**fields)
    assert 400 == failure.value.status
    return failure.value.code, failure.value.param


def test_a_prompt_is_a_text_to_go_on_with() -> None:
    chat = parsed()

    assert Completion(prompt="Once") == chat.completion
    assert ((), None, False, False, 1, {}, ()) == (
        *(chat.messages, chat.tools, chat.stream, chat.include_usage, chat.choices, chat.options, chat.dropped),
    )
    assert {} == chat.declared()


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("", ""),
        ("a\r\n\u2028\x00", "a\r\n\u2028\x00"),
        (["Once"], "Once"),
        ([1, 2], (1, 2)),
        ([[1, 2]], (1, 2)),
        ([7], (7,)),
    ],
)
def test_a_prompt_in_every_form_that_is_one_prompt(prompt: Any, read: str | tuple[int, ...]) -> None:
    assert Completion(prompt=read) == parsed(prompt=prompt).completion


@pytest.mark.parametrize("prompt", [["a", "b"], [[1], [2]], ["", ""], [[1], "a"]])
def test_several_prompts_are_refused(prompt: Any) -> None:
    """mlx-lm and others take one; to ask the engine for the first alone would lose the rest."""
    assert ("unsupported", "/prompt") == refused(prompt=prompt)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "/model"),
        ({"model": ""}, "/model"),
        ({"prompt": None}, "/prompt"),
        ({"prompt": 5}, "/prompt"),
        ({"prompt": []}, "/prompt"),
        ({"prompt": [[]]}, "/prompt"),
        ({"prompt": [1, "a"]}, "/prompt"),
        ({"prompt": [1, -2]}, "/prompt/1"),
        ({"prompt": [True]}, "/prompt/0"),
        ({"prompt": [["a"]]}, "/prompt/0/0"),
        ({"suffix": 1}, "/suffix"),
        ({"echo": "yes"}, "/echo"),
        ({"n": 0}, "/n"),
        ({"n": 129}, "/n"),
        ({"n": 3, "best_of": 2}, "/best_of"),
        ({"max_tokens": -1}, "/max_tokens"),
        ({"logprobs": -1}, "/logprobs"),
        ({"logprobs": True}, "/logprobs"),
        ({"temperature": 2.5}, "/temperature"),
        ({"top_p": 1.5}, "/top_p"),
        ({"stop": 5}, "/stop"),
        ({"logit_bias": {"a": "b"}}, "/logit_bias/..."),
        ({"stream": "yes"}, "/stream"),
        ({"stream_options": []}, "/stream_options"),
        ({"response_format": {"type": "xml"}}, "/response_format/type"),
        ({"response_format": {"type": "json_schema"}}, "/response_format/json_schema"),
    ],
)
def test_what_is_not_what_the_api_describes_is_refused_and_named(fields: dict[str, Any], param: str) -> None:
    code, place = refused(**fields)

    assert "invalid_request" == code
    assert (place or "").startswith(param.removesuffix("/..."))


@pytest.mark.parametrize("name", ["messages", "tools", "tool_choice", "functions", "function_call"])
def test_a_conversation_is_sent_elsewhere(name: str) -> None:
    assert ("unsupported", f"/{name}") == refused(**{name: [{"role": "user", "content": "hi"}]})
    assert {} == parsed(**{name: []}).options


def test_the_best_of_several_is_no_stream() -> None:
    assert ("unsupported", "/best_of") == refused(best_of=3)
    assert 2 == parsed(n=2, best_of=2).choices


def test_a_suffix_and_an_echo_are_read() -> None:
    assert Completion(prompt="Once", suffix="end", echo=True) == parsed(suffix="end", echo=True).completion
    assert Completion(prompt="Once") == parsed(suffix="", echo=False).completion


def test_log_probabilities_become_the_options_that_all_apis_share() -> None:
    told = {name: bytes(value) for name, value in parsed(seed=1, logprobs=0, user="u").options.items()}

    assert [("seed", b"1"), ("logprobs", b"true"), ("top_logprobs", b"0"), ("user", b'"u"')] == list(told.items())
    assert {} == parsed(logprobs=None).options


def test_what_the_engine_reads_is_kept_verbatim() -> None:
    body = b'{"model":"m","prompt":"x","temperature":0.10,"dry_base":1.750,"x":{"b":1,"a":2}}'
    options = SURFACE.parse("", {}, body).options

    assert {"temperature": b"0.10", "dry_base": b"1.750", "x": b'{"b":1,"a":2}'} == {
        name: bytes(value) for name, value in options.items()
    }


def test_what_a_stream_is_to_tell() -> None:
    chat = parsed(stream=True, stream_options={"include_usage": True, "include_obfuscation": False, "x": None})

    assert (True, True, False) == (chat.stream, chat.include_usage, chat.include_timings)
    assert ("stream_options.include_obfuscation",) == chat.dropped
    assert parsed(timings_per_token=True).include_timings
    assert parsed({"x-headgate-extras": "other, timings"}).include_timings


def test_what_has_no_place_is_named() -> None:
    assert ("top_logprobs",) == parsed(top_logprobs=3).dropped


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OBJECT = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers(0, 9) | TEXT, max_size=2)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "suffix": TEXT,
    "echo": st.booleans(),
    "n": st.integers(1, 3),
    "best_of": st.integers(1, 3),
    "logprobs": st.integers(0, 5),
    "max_tokens": st.integers(0, 2**40),
    "temperature": st.floats(0, 2),
    "stop": TEXT | st.lists(TEXT, max_size=3),
    "seed": st.integers(0, 2**40),
    "logit_bias": st.dictionaries(st.sampled_from(["1", "2"]), st.floats(-100, 100)),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({}, optional={"include_usage": st.booleans(), "x": TEXT}),
    "response_format": st.just({"type": "json_object"})
    | st.fixed_dictionaries({"type": st.just("json_schema"), "json_schema": st.fixed_dictionaries({"schema": OBJECT})}),
    "reasoning_effort": st.sampled_from(["none", "low", "odd"]),
    "chat_template_kwargs": st.fixed_dictionaries({"enable_thinking": st.booleans()}),
    "options": st.fixed_dictionaries({}, optional={"num_ctx": st.integers(1, 9), "odd": TEXT}),
    "think": st.booleans(),
    "format": st.just("json"),
    "user": TEXT,
    "cache_prompt": st.booleans(),
    "odd": OBJECT,
}
PROMPTS = TEXT | st.lists(st.integers(0, 2**31), min_size=1, max_size=5) | TEXT.map(lambda text: [text])
BODIES = st.fixed_dictionaries(
    {"model": st.just("m"), "prompt": PROMPTS}, optional={name: st.none() | one for name, one in FIELDS.items()}
)
ENGINES = ("openai", "llamacpp", "ollama")


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_every_engine_is_asked_what_the_client_asked_or_the_client_is_told(body: dict[str, Any]) -> None:
    """What is neither sent on, nor named, nor refused, would be lost."""
    for engine in ENGINES:
        if refusal_of(engine, body) is not None:
            continue  # that it points into the body is the next test's
        found = dialect(engine).request(SURFACE.parse("", {}, json.dumps(body).encode()))
        sent, said = json.loads(found.body), {name: value for name, value in body.items() if value is not None}
        assert prompt_of(said["prompt"]) == sent.get("prompt", sent.get("input_prefix"))
        assert (said.get("suffix") or None) == sent.get("suffix", sent.get("input_suffix"))
        assert (said["n"] if said.get("n", 1) > 1 else None) == sent.get("n")
        for name in ("seed", "temperature"):
            assert said.get(name) == {**sent, **sent.get("options", {})}.get(name)
        assert ("odd" in said) == ("odd" in found.dropped)
        assert sent["stream"] is True


def prompt_of(given_one: Any) -> Any:
    """The text of an array with one in it; else what was given."""
    return given_one[0] if isinstance(given_one, list) and isinstance(given_one[0], str) else given_one


ANYTHING = anything(["json_schema"], ["type", "schema", "x"])


@settings(max_examples=400, deadline=None)
@given(BODIES, st.data())
def test_a_body_with_anything_anywhere_is_served_or_refused_with_a_pointer(
    body: dict[str, Any], data: st.DataObject
) -> None:
    """A fault in the body is the client's to read, never an exception of ours."""
    changed = changed_somewhere(body, data, ANYTHING)

    assert {refusal_of(engine, changed) for engine in ENGINES} <= {None, (400, True)}


def refusal_of(engine: str, body: dict[str, Any]) -> tuple[int, bool] | None:
    """The status, and whether the error points into the body (or is about all of it)."""
    try:
        json.loads(dialect(engine).request(SURFACE.parse("", {}, json.dumps(body).encode())).body)
    except RequestError as refused_:
        return refused_.status, (refused_.param or "/").startswith("/")
    return None
