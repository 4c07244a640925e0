"""`headgate.surfaces.ollama_request`: what an Ollama client sends, and what becomes of each field."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from growth import AT_MOST, Case, Pieces, growth

from headgate.errors import RequestError
from headgate.messages import ChatRequest, Completion, ToolCall
from headgate.surfaces import ollama_shapes, surface

USER = {"role": "user", "content": "hi"}
CALL = {"function": {"name": "f", "arguments": {"x": 1}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
CHAT, GENERATE = "/api/chat", "/api/generate"
SERVED = {path: surface(name) for name in ("ollama", "ollama_generate") for path in surface(name).paths}


def parse(body: Any, path: str = CHAT) -> ChatRequest:
    return SERVED[path].parse(path, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def parsed(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return parse({"model": "m", "messages": list(messages) or [USER], **fields})


def prompted(**fields: Any) -> ChatRequest:
    return parse({"model": "m", "prompt": "hi", **fields}, GENERATE)


def options_of(found: ChatRequest) -> dict[str, Any]:
    return {name: json.loads(bytes(value)) for name, value in found.options.items()}


# -- messages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "what"), [(CHAT, {"messages": [USER]}), (GENERATE, {"prompt": "hi"})])
@pytest.mark.parametrize(
    ("given_stream", "streams"), [({}, True), ({"stream": None}, True), ({"stream": False}, False)]
)
def test_a_stream_is_what_ollama_gives_unless_it_is_told_not_to(
    path: str, what: dict[str, Any], given_stream: dict[str, Any], *, streams: bool
) -> None:
    found = parse({"model": "m", **what, **given_stream}, path)

    assert (streams, "m", "user", "hi") == (
        found.stream,
        found.model,
        found.messages[0].role,
        found.messages[0].content,
    )


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "User", "SYSTEM"])
def test_each_role_is_kept(role: str) -> None:
    """Ollama does not mind their case."""
    assert role.lower() == parsed({"role": role, "content": "hi"}).messages[0].role


def test_what_is_missing_is_empty() -> None:
    bare = {"role": "user", "content": None, "images": None, "tool_calls": None, "tool_name": None}

    assert (
        parsed({"role": "user"}).messages == parsed({"role": "user", "content": ""}).messages == parsed(bare).messages
    )


def test_thinking_is_reasoning() -> None:
    assert "why" == parsed({"role": "assistant", "content": "x", "thinking": "why"}).messages[0].reasoning


def test_images_follow_the_text_as_data_uris() -> None:
    images = ["iVBORw0KGgo=", "/9j/4AAQ", "R0lGODlh", "UklGRiQAAABXRUJQ", "aGkh", "aG\nkh"]
    content = parsed({"role": "user", "content": "see", "images": images}).messages[0].content
    kinds = ["image/png", "image/jpeg", "image/gif", "image/webp", *["application/octet-stream"] * 2]
    urls = [f"data:{kind};base64,{data}" for kind, data in zip(kinds, [*images[:-1], "aGkh"], strict=True)]

    assert isinstance(content, tuple)
    assert [("text", "see"), *[("image", url) for url in urls]] == [(part.kind, part.text) for part in content]
    assert {"type": "image_url", "image_url": {"url": urls[0]}} == json.loads(bytes(content[1].raw))
    alone = parsed({"role": "user", "images": ["aGkh"]}).messages[0].content
    assert isinstance(alone, tuple)
    assert ["image"] == [part.kind for part in alone]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"ID3\4\0", "audio/mpeg"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"OggS\0\2", "audio/ogg"),
    ],
)
def test_audio_among_the_images_is_refused_and_not_called_an_image(head: bytes, kind: str) -> None:
    """It went out as `data:image/webp`, since WAV and WebP begin alike; the error was the engine's."""
    with pytest.raises(
        RequestError, match=f"expected an image, got {kind}. Send it to /v1/chat/completions"
    ) as refused:
        parsed({"role": "user", "content": "hear", "images": [base64.b64encode(head).decode()]})

    assert ("unsupported", "/messages/0/images/0") == (refused.value.code, refused.value.param)


@pytest.mark.parametrize("head", [b"RIFF", b"RIFF\x24\0\0\0AVI ", b"I"])
def test_what_begins_like_nothing_known_is_left_to_the_engine(head: bytes) -> None:
    content = parsed({"role": "user", "images": [base64.b64encode(head).decode()]}).messages[0].content
    assert isinstance(content, tuple)

    assert ["data:application/octet-stream"] == [part.text.partition(";")[0] for part in content]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"arguments": {"x": 1}}, '{"x": 1}'),
        ({"arguments": '{"x":1.10}'}, '{"x":1.10}'),
        ({"arguments": "no json"}, "no json"),
        ({"arguments": ""}, "{}"),
        ({"arguments": None}, "{}"),
        ({}, "{}"),
    ],
)
def test_arguments_become_their_json_text(arguments: dict[str, Any], text: str) -> None:
    """Most clients send the object; some send its text, as they would to OpenAI."""
    found = parsed({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", **arguments}}]})

    assert (ToolCall("a", "f", text),) == found.messages[0].tool_calls
    assert None is found.messages[0].content


def results(*messages: dict[str, Any], calls: list[dict[str, Any]]) -> list[tuple[str | None, str | None]]:
    found = parsed(USER, {"role": "assistant", "tool_calls": calls}, *messages).messages[2:]
    return [(message.tool_call_id, message.name) for message in found]


def named_call(name: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": {}}, **more}


def result(**more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": "x", **more}


def test_calls_without_ids_get_them_from_their_places() -> None:
    """Ollama's Python client sends no ids back; the same history must give the same bytes each time."""
    found = parsed(USER, {"role": "assistant", "tool_calls": [CALL, CALL]})

    assert ["call_1_0", "call_1_1"] == [call.id for call in found.messages[1].tool_calls]
    taken = parsed({"role": "assistant", "tool_calls": [{**CALL, "id": "call_0_1"}, CALL]})
    assert ["call_0_1", "call_0_1_"] == [call.id for call in taken.messages[0].tool_calls]


def test_results_find_their_calls() -> None:
    two = [named_call("f"), named_call("g")]
    same = [named_call("f"), named_call("f")]
    known = [named_call("f", id="a"), named_call("f", id="b")]

    assert [("call_1_1", None), ("call_1_0", None)] == results(result(tool_name="g"), result(tool_name="f"), calls=two)
    assert [("call_1_0", None), ("call_1_1", None)] == results(result(tool_name="f"), result(tool_name="f"), calls=same)
    assert [("call_1_0", None), ("call_1_1", None)] == results(result(), result(), calls=two)
    assert [("b", None), ("a", None)] == results(
        result(tool_call_id="b", tool_name="f"), result(tool_name="f"), calls=known
    )


def test_a_result_of_no_known_call_keeps_its_name() -> None:
    calls = [named_call("f")]

    assert [("call_2", "h"), ("x", "f")] == results(
        result(tool_name="h"), result(tool_call_id="x", tool_name="f"), calls=calls
    )
    assert [("call_1_0", None), ("call_3", None)] == results(result(), result(), calls=calls)
    assert ("call_0", None) == (parsed(result()).messages[0].tool_call_id, parsed(result()).messages[0].name)


def test_an_id_that_comes_again_with_another_name_is_another_call() -> None:
    """Some engines count their calls from 0 in each turn."""
    turns = [{"role": "assistant", "tool_calls": [named_call(name, id="0")]} for name in ("f", "g")]
    found = parsed(turns[0], result(), turns[1], result(tool_name="f"), result(tool_name="g")).messages

    assert [("0", None), ("call_3", "f"), ("0", None)] == [
        (message.tool_call_id, message.name) for message in found if message.role == "tool"
    ]


def test_tools_are_read() -> None:
    """ollama-python leaves out what is None, and others send no type."""
    found = parsed(tools=[TOOL, {"function": {"name": "g", "parameters": None}}, {**TOOL, "type": ""}])
    schemas = [None if tool.parameters is None else bytes(tool.parameters) for tool in found.tools or ()]

    assert ["f", "g", "f"] == [tool.name for tool in found.tools or ()]
    assert [b'{"type": "object"}', None, b'{"type": "object"}'] == schemas
    assert (None, ()) == (parsed().tools, parsed(tools=[]).tools)


def test_a_prompt_is_a_conversation() -> None:
    found = prompted(system="be brief", images=["aGkh"])
    content = found.messages[1].content

    assert [("system", "be brief"), ("user", content)] == [(one.role, one.content) for one in found.messages]
    assert isinstance(content, tuple)
    assert ["hi", "data:application/octet-stream;base64,aGkh"] == [part.text for part in content]
    assert ["user"] == [one.role for one in prompted(system="", template="", suffix="", raw=False, context=[]).messages]


def test_without_messages_or_a_prompt_the_model_is_only_loaded() -> None:
    """Ollama's own command line begins each conversation with it."""
    for body in ({"model": "m"}, {"model": "m", "messages": []}, {"model": "m", "messages": None}):
        assert () == parse(body).messages
    for body in ({"model": "m"}, {"model": "m", "prompt": ""}, {"model": "m", "system": "x"}):
        assert () == parse(body, GENERATE).messages


# -- options --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"think": True}, {"chat_template_kwargs": {"enable_thinking": True}}),
        ({"think": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"think": "low"}, {"reasoning_effort": "low"}),
        ({"think": "max"}, {"reasoning_effort": "max"}),
        ({"think": ""}, {}),
        ({"format": ""}, {}),
        ({"format": "json"}, {"response_format": {"type": "json_object"}}),
        (
            {"format": {"type": "object"}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "response", "schema": {"type": "object"}},
                }
            },
        ),
        ({"options": {"num_predict": 5}}, {"max_tokens": 5}),
        ({"options": {"num_predict": 5.0}}, {"max_tokens": 5}),
        ({"options": {"num_predict": -1}}, {"num_predict": -1}),
        ({"options": {"num_predict": -2}}, {"num_predict": -2}),
        ({"options": {"num_predict": 0}}, {"num_predict": 0}),
        ({"options": {"temperature": 3, "seed": 7, "stop": ["a"]}}, {"temperature": 3, "seed": 7, "stop": ["a"]}),
        ({"options": {"num_ctx": 8192.0, "use_mmap": True}}, {"num_ctx": 8192.0, "use_mmap": True}),
        ({"options": {"mirostat": 2, "temperature": None}}, {"mirostat": 2}),
        ({"options": {}}, {}),
        ({"keep_alive": "5m"}, {"keep_alive": "5m"}),
        ({"keep_alive": -1}, {"keep_alive": -1}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"truncate": False, "shift": False}, {"truncate": False, "shift": False}),
        (dict.fromkeys(("think", "format", "options", "keep_alive", "logprobs", "truncate")), {}),
    ],
)
@pytest.mark.parametrize("path", [CHAT, GENERATE])
def test_each_option_has_one_name_for_every_engine(path: str, fields: dict[str, Any], options: dict[str, Any]) -> None:
    what = {"messages": [USER]} if path == CHAT else {"prompt": "hi"}
    found = parse({"model": "m", **what, **fields}, path)

    assert (options, ()) == (options_of(found), found.dropped)


def test_values_stay_as_they_were_written() -> None:
    body = b'{"model":"m","options":{"seed":1e2,"temperature":0.50},"format":{"b":1.10, "a":{}},"messages":[]}'
    found = {name: bytes(value) for name, value in parse(body).options.items()}

    assert (b"1e2", b"0.50", ["seed", "temperature", "response_format"]) == (
        found["seed"],
        found["temperature"],
        list(found),
    )
    assert b'"schema":{"b":1.10, "a":{}}' in found["response_format"]


def test_what_nobody_reads_is_named_and_never_becomes_an_option() -> None:
    """An option goes to the engine under its name: `n` or `messages` must not slip in beside the request's own."""
    message = {
        "role": "assistant",
        "name": "n",
        "tool_calls": [{**CALL, "extra": 1, "function": {"name": "f", "p": 1}}],
    }
    tool = {**TOOL, "cache": 1, "items": None, "function": {"name": "f", "strict": True}}
    fields = {"n": 3, "tool_choice": "none", "temperature": 1, "prompt": "x", "stream_options": {}}
    found = parsed(message, message, tools=[tool], options={"tfs_z": 1, "messages": []}, **fields)
    inside = ["messages[].name", "messages[].tool_calls[].extra", "messages[].tool_calls[].function.p"]

    assert {} == options_of(found)
    assert (
        *("n", "tool_choice", "temperature", "prompt", "stream_options", "options.tfs_z", "options.messages"),
        *(*inside, "tools[].cache", "tools[].function.strict"),
    ) == found.dropped
    assert ("messages", "tools", "width") == prompted(messages=[5], tools="x", width=9).dropped


# -- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "/model"),
        ({"model": ""}, "/model"),
        ({"messages": {}}, "/messages"),
        ({"messages": [{"content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"role": "robot"}]}, "/messages/0/role"),
        ({"messages": [USER, {"role": "user", "content": [{"type": "text"}]}]}, "/messages/1/content"),
        ({"messages": [{**USER, "images": ["data:image/png;base64,aGk="]}]}, "/messages/0/images/0"),
        ({"messages": [{**USER, "images": ["aGkh", "aGk"]}]}, "/messages/0/images/1"),
        ({"messages": [{**USER, "images": [""]}]}, "/messages/0/images/0"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "/messages/0/tool_calls/0/function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}]},
            "/messages/0/tool_calls/0/function/arguments",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "type": "code"}]}]},
            "/messages/0/tool_calls/0/type",
        ),
        ({"tools": [{"type": "code", "function": {"name": "f"}}]}, "/tools/0/type"),
        ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "/tools/0/function/parameters"),
        ({"think": "yes"}, "/think"),
        ({"think": 1}, "/think"),
        ({"format": "xml"}, "/format"),
        ({"format": ["json"]}, "/format"),
        ({"options": []}, "/options"),
        ({"options": {"temperature": "hot"}}, "/options/temperature"),
        ({"options": {"temperature": -1}}, "/options/temperature"),
        ({"options": {"stop": "x"}}, "/options/stop"),
        ({"options": {"num_predict": "all"}}, "/options/num_predict"),
        ({"options": {"use_mmap": 1}}, "/options/use_mmap"),
        ({"stream": "yes"}, "/stream"),
        ({"top_logprobs": 21}, "/top_logprobs"),
    ],
)
def test_a_field_that_is_not_what_ollama_describes_is_refused_and_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        parsed(**fields)

    assert ("invalid_request", param, 400) == (refused.value.code, refused.value.param, refused.value.status)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"template": "{{ .Prompt }}"}, "/template"),
        ({"context": [1, 2]}, "/context"),
        ({"raw": True, "template": "x"}, "/template"),
        ({"raw": True, "system": "x"}, "/system"),
        ({"raw": True, "images": ["aGk="]}, "/images"),
        ({"raw": True, "suffix": "x"}, "/suffix"),
        ({"suffix": "x", "system": "y"}, "/system"),
        ({"suffix": "x", "images": ["aGk="]}, "/images"),
    ],
)
def test_what_no_engine_is_asked_is_refused(fields: dict[str, Any], param: str) -> None:
    """Left out, it would change the answer: the engine would see another prompt."""
    with pytest.raises(RequestError) as refused:
        prompted(**fields)

    assert ("unsupported", param, 400) == (refused.value.code, refused.value.param, refused.value.status)


def test_a_raw_prompt_and_one_with_a_suffix_are_texts_to_go_on_with() -> None:
    raw, gap = prompted(prompt="a\n", raw=True), prompted(prompt="a", suffix="b", raw=False)

    assert (Completion(prompt="a\n"), ()) == (raw.completion, raw.messages)
    assert (Completion(prompt="a", suffix="b"), ()) == (gap.completion, gap.messages)
    assert prompted(prompt="a", suffix="", raw=False).completion is None


@pytest.mark.parametrize("fields", [{"raw": True}, {"suffix": "x"}])
def test_a_raw_prompt_of_nothing_loads_the_model(fields: dict[str, Any]) -> None:
    """As it does in Ollama, whatever else is said."""
    chat = prompted(prompt="", **fields)

    assert (None, ()) == (chat.completion, chat.messages)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'{"model":"m","model":"n"}', b'{"model":"m","x":NaN}', b'{"model":"\\ud800"}']
)
@pytest.mark.parametrize("path", [CHAT, GENERATE])
def test_json_that_readers_disagree_about_is_refused(body: bytes, path: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse(body, path)

    assert 400 == refused.value.status


def test_a_refusal_does_not_repeat_the_prompt() -> None:
    with pytest.raises(RequestError) as refused:
        parsed({"role": "user", "content": ["a secret"]})

    assert "secret" not in str(refused.value)


def conversation(names: list[str | None]) -> bytes:
    """As many calls of as many functions, and then their results, from the last to the first."""
    calls = [named_call(name or "f") for name in names]
    results_ = [result(**({"tool_name": name} if name else {})) for name in reversed(names)]
    return json.dumps({"model": "m", "messages": [{"role": "assistant", "tool_calls": calls}, *results_]}).encode()


def apart(size: int) -> Pieces:
    return [conversation([f"f{number}" for number in range(size)])]


def alike(size: int) -> Pieces:
    return [conversation(["f"] * size)]


def without_names(size: int) -> Pieces:
    return [conversation([None] * size)]


def parse_first(pieces: Pieces) -> ChatRequest:
    return parse(pieces[0])


@pytest.mark.parametrize("made", [apart, alike, without_names])
def test_results_find_their_calls_in_linear_time(made: Callable[[int], Pieces]) -> None:
    """A history may be as long as a body may be."""
    assert growth(Case(parse_first, made), 64) <= AT_MOST


def test_the_page_names_every_field() -> None:
    """Whoever wonders where an option went finds it there."""
    page = (Path(__file__).parents[1] / "docs" / "ollama.md").read_text(encoding="utf-8")
    shapes = (ollama_shapes.ChatBody, ollama_shapes.GenerateBody, ollama_shapes.Settings)
    names = {field.name for shape in shapes for field in msgspec.structs.fields(shape)}

    assert set() == {name for name in names if f"`{name}`" not in page}
