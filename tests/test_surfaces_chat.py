"""`headgate.surfaces.chat`: the exact bytes of every kind of chunk, of a whole reply, and of an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.conform import check_stream
from headgate.errors import RequestError, UpstreamError, UsageError, stream_error
from headgate.events import (
    BlockEnd,
    Event,
    Extra,
    FinishReason,
    Logprob,
    MessageEnd,
    MessageStart,
    Progress,
    ReasoningDelta,
    ReasoningStart,
    Repair,
    TextDelta,
    TextStart,
    Timings,
    ToolCallDelta,
    ToolCallStart,
    Usage,
)
from headgate.messages import Message, ReasoningPart, Spelling, TextPart, ToolCall, ToolCallPart
from headgate.surfaces import surface, surfaces
from headgate.surfaces.base import Encoder, Writing

CHAT = surface("chat")
HEAD = b'data: {"id":"i","object":"chat.completion.chunk","created":7,"model":"m",'
DONE = b"data: [DONE]\n\n"
START, STOP = MessageStart(), MessageEnd("stop")
TOKEN = Logprob("hi", -0.5, (104, 105), (Logprob("ho", -1.0),))


def encoder(**options: Any) -> Encoder:
    return CHAT.encoder(Writing("i", 7, "m", **options))


def encoded(*events: Event, **options: Any) -> bytes:
    return encoder(**options).feed(events)


def chunk(delta: str, finish: str = "null", index: int = 0, more: str = "", top: str = "") -> bytes:
    choice = f'"choices":[{{"index":{index},"delta":{delta}{more},"finish_reason":{finish}}}]{top}}}\n\n'
    return HEAD + choice.encode()


ROLE = chunk('{"role":"assistant"}')
END = chunk("{}", '"stop"')


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([TextStart(0), TextDelta(0, "hi")], chunk('{"content":"hi"}'), id="text"),
        pytest.param(
            [ReasoningStart(0), ReasoningDelta(0, "why")], chunk('{"reasoning_content":"why"}'), id="reasoning"
        ),
        pytest.param([TextStart(0, refusal=True), TextDelta(0, "no")], chunk('{"refusal":"no"}'), id="refusal"),
        pytest.param(
            [ToolCallStart(0, "a", "f")],
            chunk('{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}'),
            id="opener",
        ),
        pytest.param(
            [ToolCallStart(0, "a", "f"), ToolCallDelta(0, '{"x"')],
            chunk('{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}')
            + chunk(r'{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}'),
            id="fragment",
        ),
        pytest.param(
            [TextStart(0), TextDelta(0, "hi", (TOKEN,))],
            chunk(
                '{"content":"hi"}',
                more=',"logprobs":{"content":[{"token":"hi","logprob":-0.5,"bytes":[104,105],'
                '"top_logprobs":[{"token":"ho","logprob":-1.0,"bytes":null}]}],"refusal":null}',
            ),
            id="log probabilities",
        ),
        pytest.param(
            [TextStart(0), TextDelta(0, "", (Logprob("x", -1.0),))],
            chunk(
                "{}",
                more=',"logprobs":{"content":[{"token":"x","logprob":-1.0,"bytes":null,"top_logprobs":[]}],"refusal":null}',
            ),
            id="log probabilities alone",
        ),
        pytest.param(
            [TextStart(0, refusal=True), TextDelta(0, "no", (Logprob("no", -1.0),))],
            chunk(
                '{"refusal":"no"}',
                more=',"logprobs":{"content":null,"refusal":'
                '[{"token":"no","logprob":-1.0,"bytes":null,"top_logprobs":[]}]}',
            ),
            id="log probabilities of a refusal",
        ),
        pytest.param(
            [TextStart(0, refusal=True), TextDelta(0, "", (Logprob("x", -1.0),))],
            chunk(
                "{}",
                more=',"logprobs":{"content":null,"refusal":[{"token":"x","logprob":-1.0,"bytes":null,"top_logprobs":[]}]}',
            ),
            id="log probabilities of a refusal alone",
        ),
        pytest.param(
            [BlockEnd(0), Repair("role_repeated"), Progress(1, 2), Extra("x", "1"), Usage(1)], b"", id="no word for it"
        ),
    ],
)
def test_each_event_is_written_in_these_bytes(events: list[Event], expected: bytes) -> None:
    assert ROLE + expected == encoded(START, *events)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("é👋", "é👋"),
        ('"\\/\n\t\0', r"\"\\/\n\t\u0000"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\u0085d"),
        ("\ufeff\u00a0\x0b\x0c\x1c", "\ufeff\u00a0\\u000b\\f\\u001c"),
        ("data: [DONE]\r\n\r\n", r"data: [DONE]\r\n\r\n"),
    ],
)
def test_text_is_escaped_where_a_reader_of_lines_would_trip(text: str, written: str) -> None:
    """Some clients split lines at U+0085, U+2028 and U+2029; everything else stays readable."""
    cases: list[tuple[list[Event], str]] = [
        ([TextStart(0), TextDelta(0, text)], "content"),
        ([ReasoningStart(0), ReasoningDelta(0, text)], "reasoning_content"),
    ]
    for events, name in cases:
        data = encoded(START, *events)

        assert ROLE + chunk(f'{{"{name}":"{written}"}}') == data
        assert text == json.loads(data.split(b"\n\n")[1].removeprefix(b"data: "))["choices"][0]["delta"][name]


def test_line_ends_in_names_and_arguments_and_models_are_escaped_too() -> None:
    odd = "a\u2028b\x85"
    events: list[Event] = [
        MessageStart(model=odd),
        TextStart(0),
        TextDelta(0, "x"),
        BlockEnd(0),
        ToolCallStart(1, odd, odd),
    ]
    events += [ToolCallDelta(1, f'"{odd}"'), BlockEnd(1), Usage(1, 1), MessageEnd("tool_calls")]
    data = encoded(*events, include_usage=True)

    assert [] == check_stream(data)
    assert odd == json.loads(data.split(b"\n\n")[1].removeprefix(b"data: "))["model"]


@pytest.mark.parametrize(
    ("reason", "written"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("unknown", "stop"),
        ("cancelled", "stop"),
    ],
)
def test_the_finish_chunk_is_alone_and_then_the_stream_is_done(reason: FinishReason, written: str) -> None:
    writes = encoder()

    assert ROLE + chunk("{}", f'"{written}"') + DONE == writes.feed([START, MessageEnd(reason, "raw", "END")])
    assert (True, b"", b"") == (writes.done, writes.feed([TextDelta(0, "x")]), writes.close())


@pytest.mark.parametrize(
    ("usage", "written"),
    [
        (Usage(3, 2), '{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'),
        (Usage(3, None), '{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}'),
        (
            Usage(3, 2, cached_tokens=0, reasoning_tokens=1),
            (
                '{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},'
                '"completion_tokens_details":{"reasoning_tokens":1}}'
            ),
        ),
    ],
)
def test_usage_has_a_chunk_of_its_own_when_it_is_asked_for(usage: Usage, written: str) -> None:
    expected = HEAD + f'"choices":[],"usage":{written}}}\n\n'.encode()

    assert ROLE + END + expected + DONE == encoded(START, usage, STOP, include_usage=True)
    assert ROLE + END + DONE == encoded(START, usage, STOP)


def test_no_usage_is_made_up() -> None:
    """A client would bill, limit or show zeros."""
    assert ROLE + END + DONE == encoded(START, STOP, include_usage=True)
    for usage in (Usage(timings=Timings(prompt_n=1)), Usage()):
        assert ROLE + END + DONE == encoded(START, usage, STOP, include_usage=True)


def test_timings_stand_on_the_usage_chunk_or_else_on_the_finish_chunk() -> None:
    """Under llama-server's names, on the last object that says anything, and only for those who asked."""
    timed = Usage(3, 2, timings=Timings(prompt_n=3, predicted_per_second=1.5))
    only = Usage(timings=timed.timings)
    timings = ',"timings":{"prompt_n":3,"predicted_per_second":1.5}'
    counts = '"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'
    last = HEAD + f"{counts}{timings}}}\n\n".encode()
    finish = chunk("{}", '"stop"', top=timings)

    assert ROLE + END + last + DONE == encoded(START, timed, STOP, include_usage=True, include_timings=True)
    assert ROLE + finish + DONE == encoded(START, timed, STOP, include_timings=True)
    assert ROLE + finish + DONE == encoded(START, only, STOP, include_usage=True, include_timings=True)
    assert ROLE + END + DONE == encoded(START, only, STOP, include_usage=True)
    assert ROLE + END + DONE == encoded(START, Usage(), STOP, include_timings=True)


def test_two_choices_each_have_a_role_and_a_finish_and_share_the_rest() -> None:
    events: list[Event] = [
        MessageStart(),
        MessageStart(choice=1),
        TextStart(0),
        TextStart(0, choice=1),
        TextDelta(0, "b", choice=1),
        TextDelta(0, "a"),
        Usage(1, 2, timings=Timings(prompt_n=1)),
        MessageEnd("stop"),
        MessageEnd("length", choice=1),
    ]
    timed = ',"timings":{"prompt_n":1}'
    texts = ROLE + chunk('{"role":"assistant"}', index=1) + chunk('{"content":"b"}', index=1) + chunk('{"content":"a"}')

    assert texts + END + chunk("{}", '"length"', 1, top=timed) + DONE == encoded(*events, include_timings=True)


def test_calls_are_numbered_among_the_calls_and_not_among_the_blocks() -> None:
    events: list[Event] = [START, TextStart(0), TextDelta(0, "t"), BlockEnd(0)]
    events += [ToolCallStart(1, "a", "f"), ToolCallStart(2, "b", "g"), ToolCallDelta(2, "{}"), ToolCallDelta(1, "{}")]
    data = encoded(*events)

    assert [0, 1, 1, 0] == [
        json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"]["tool_calls"][0]["index"]
        for line in data.split(b"\n\n")
        if b"tool_calls" in line
    ]


def test_the_engines_model_goes_before_the_one_that_was_asked_for() -> None:
    assert b'"model":"real"' in encoded(MessageStart(model="real"))
    assert b'"model":"m"' in encoded(MessageStart())
    assert b'"id":"i"' in encoded(MessageStart(id="theirs", created_s=1))


def test_an_error_is_one_frame_and_the_end() -> None:
    """No `[DONE]`: a client must not take what came so far for the answer."""
    frame = (
        b'data: {"error":{"message":"x\\u2028","type":"upstream_error","code":"upstream_truncated","param":null}}\n\n'
    )
    error = stream_error("upstream_truncated", "x\u2028")
    writes = encoder()

    assert ROLE + frame == writes.feed([START, error, STOP])
    assert (True, b"", b"") == (writes.done, writes.close(), writes.feed([STOP]))
    assert frame == encoded(error)


def test_events_that_stop_without_an_end_are_an_error() -> None:
    """Whatever went wrong behind the encoder, a client never waits and never sees a fake finish."""
    events: list[Event] = [START, TextStart(0), TextDelta(0, "a")]
    for count in range(len(events)):
        writes = encoder()
        data = writes.feed(events[:count]) + writes.close()

        assert [] == check_stream(data)
        assert (True, True) == (b'"code":"upstream_truncated"' in data, writes.done)


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "unknown"])
def test_a_call_that_was_cut_off_ends_in_an_error(reason: FinishReason) -> None:
    """Its start was sent, and nothing but a failure stops a client from running it."""
    cut: list[Event] = [START, ToolCallStart(0, "a", "f"), ToolCallDelta(0, "{"), BlockEnd(0, complete=False)]
    data = encoded(*cut, MessageEnd(reason))

    assert b'"code":"tool_call_incomplete"' in data
    assert [] == check_stream(data)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_call_that_was_cut_off_at_a_limit_says_so(reason: FinishReason) -> None:
    """Clients know what `length` means for the last call."""
    cut: list[Event] = [START, ToolCallStart(0, "a", "f"), BlockEnd(0, complete=False), MessageEnd(reason)]

    assert encoded(*cut).endswith(chunk("{}", f'"{reason}"') + DONE)


def test_events_one_by_one_give_the_same_bytes() -> None:
    events: list[Event] = [START, TextStart(0), TextDelta(0, "a"), BlockEnd(0), Usage(1, 1), STOP]
    writes = encoder(include_usage=True)

    assert encoded(*events, include_usage=True) == b"".join(writes.feed([event]) for event in events)


# -- whole replies, errors, the rest ------------------------------------------------------------------------


def test_a_whole_reply_says_everything_at_once() -> None:
    message = Message(
        parts=(
            ReasoningPart("why", logprobs=(Logprob("w", -2.0),)),
            TextPart("a\u2028b", logprobs=(Logprob("x", -1.0),)),
            ToolCallPart(ToolCall("a", "f", "{}")),
        ),
        model="real",
        finish_reason="tool_calls",
        usage=Usage(3, 2, timings=Timings(prompt_n=3)),
    )
    cut = Message(parts=(ToolCallPart(ToolCall("b", "g", "{", complete=False)),), choice=1, finish_reason="unknown")
    body = json.loads(CHAT.whole([message, cut], Writing("i", 7, "m", include_timings=True)))

    assert {
        "id": "i",
        "object": "chat.completion",
        "created": 7,
        "model": "real",
        "choices": [
            {
                "index": 0,
                "message": {
                    "refusal": None,
                    "role": "assistant",
                    "content": "a\u2028b",
                    "reasoning_content": "why",
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
                "logprobs": {
                    "content": [
                        {"token": "w", "logprob": -2.0, "bytes": None, "top_logprobs": []},
                        {"token": "x", "logprob": -1.0, "bytes": None, "top_logprobs": []},
                    ],
                    "refusal": None,
                },
                "finish_reason": "tool_calls",
            },
            {"index": 1, "message": {"refusal": None, "role": "assistant", "content": ""}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "timings": {"prompt_n": 3},
    } == body


def test_a_whole_reply_without_counts_makes_none_up() -> None:
    body = json.loads(CHAT.whole([Message(finish_reason="stop")], Writing("i", 7, "m")))

    assert ({"id", "object", "created", "model", "choices"}, "m") == (set(body), body["model"])


@pytest.mark.parametrize(
    ("spelling", "content"), [("reasoning_content", ["why", "yes"]), ("tags", ["why", "yes"]), ("none", ["yes"])]
)
def test_a_whole_reply_tells_the_log_probabilities_of_a_refusal_apart(spelling: Spelling, content: list[str]) -> None:
    message = Message(
        parts=(
            TextPart("no", refusal=True, logprobs=(Logprob("no", -1.0),)),
            ReasoningPart("why", logprobs=(Logprob("why", -2.0),)),
            TextPart("yes", logprobs=(Logprob("yes", -3.0),)),
        ),
        finish_reason="stop",
    )
    told = json.loads(CHAT.whole([message], Writing("i", 7, "m", reasoning=spelling)))["choices"][0]["logprobs"]

    assert (content, ["no"]) == tuple([one["token"] for one in told[name]] for name in ("content", "refusal"))


def test_a_whole_refusal_has_no_log_probabilities_of_content() -> None:
    part = TextPart("no", refusal=True, logprobs=(Logprob("no", -1.0),))
    body = json.loads(CHAT.whole([Message(parts=(part,), finish_reason="stop")], Writing("i", 7, "m")))
    token = {"token": "no", "logprob": -1.0, "bytes": None, "top_logprobs": []}

    assert {"content": None, "refusal": [token]} == body["choices"][0]["logprobs"]


def test_a_refusal_is_told_beside_the_content() -> None:
    message = Message(parts=(TextPart("no", refusal=True),), finish_reason="stop")
    body = json.loads(CHAT.whole([message], Writing("i", 7, "m")))

    assert {"role": "assistant", "content": "", "refusal": "no"} == body["choices"][0]["message"]


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (RequestError("invalid_request", "x", param="messages"), 400, "invalid_request_error"),
        (RequestError("model_not_found", "x", param="messages"), 404, "invalid_request_error"),
        (UpstreamError("upstream_connect", "x", param="messages"), 502, "upstream_error"),
        (UpstreamError("upstream_error", "x", param="messages", status=429), 429, "upstream_error"),
    ],
)
def test_a_failure_before_the_first_byte_is_openais_error(failure: RequestError, status: int, kind: str) -> None:
    expected = {"error": {"message": "x", "type": kind, "code": failure.code, "param": "messages"}}

    assert (status, expected) == ((found := CHAT.error(failure))[0], json.loads(found[1]))


def test_waiting_clients_get_a_comment() -> None:
    """A comment means nothing to any reader of event streams."""
    assert (b": keep-alive\n\n", "text/event-stream") == (CHAT.keepalive(Writing("i", 7, "m")), CHAT.media_type)


def test_the_surface_is_found_by_its_name() -> None:
    assert (CHAT, "chatcmpl-1") == (surfaces()["chat"], CHAT.new_id(lambda prefix: prefix + "1"))
    with pytest.raises(UsageError, match="expected a surface among"):
        surface("nonsense")


# -- requests -------------------------------------------------------------------------------------------

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def parse(body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CHAT.parse("/v1/chat/completions", headers, data)


def test_a_tool_with_a_schema_and_a_choice_by_name_are_read() -> None:
    """Every agent sends these two; a reader that refused them would serve no agent."""
    choice = {"type": "function", "function": {"name": "f"}}
    found = parse({**BODY, "tools": [TOOL], "tool_choice": choice})

    assert [b'{"type": "object"}'] == [bytes(tool.parameters) for tool in found.tools]
    assert choice == json.loads(bytes(found.tool_choice))
    assert ["f"] == list(found.declared())


def test_nulls_are_as_good_as_absent() -> None:
    nothing = dict.fromkeys(
        ("tools", "tool_choice", "stream", "stream_options", "n", "temperature", "timings_per_token")
    )
    empty = {"role": "user", "content": "hi", "name": None, "tool_calls": None}
    bare = {"function": {"name": "f", "description": None, "parameters": None, "strict": None}}

    assert parse(BODY) == parse({**BODY, **nothing, "messages": [empty]})
    assert None is parse({**BODY, "tools": [bare]}).tools[0].parameters


@pytest.mark.parametrize(
    ("more", "headers", "usage", "timings"),
    [
        ({}, {}, False, False),
        ({"stream_options": {"include_usage": True}}, {}, True, False),
        ({"stream_options": {"include_timings": True}}, {}, False, True),
        ({"timings_per_token": True}, {}, False, True),
        ({}, {"x-headgate-extras": "timings"}, False, True),
        ({}, {"x-headgate-extras": "a, timings"}, False, True),
        ({}, {"x-headgate-extras": "other"}, False, False),
    ],
)
def test_usage_and_timings_are_asked_for_in_these_ways(
    more: dict[str, Any], headers: dict[str, str], *, usage: bool, timings: bool
) -> None:
    found = parse({**BODY, **more}, **headers)

    assert (usage, timings) == (found.include_usage, found.include_timings)


def test_options_are_kept_verbatim_and_in_order() -> None:
    body = b'{"seed":1e2,"model":"m","messages":[{"role":"user","content":"hi"}],"b":{"y":1, "x":2},"a":"\\u00e9"}'

    assert {"seed": b"1e2", "b": b'{"y":1, "x":2}', "a": b'"\\u00e9"'} == {
        name: bytes(value) for name, value in parse(body).options.items()
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"stop":"\xff"}', "/stop"),
        ({"messages": []}, "/model"),
        ({**BODY, "model": 5}, "/model"),
        ({**BODY, "messages": []}, "/messages"),
        ({**BODY, "messages": {}}, "/messages"),
        ({**BODY, "messages": [{"role": "robot", "content": "x"}]}, "/messages/0/role"),
        ({**BODY, "messages": [{"content": "x"}]}, "/messages/0/role"),
        ({**BODY, "messages": [{"role": "user", "content": 5}]}, "/messages/0/content"),
        (
            {**BODY, "messages": [*BODY["messages"], {"role": "user", "content": [{"text": "x"}]}]},
            "/messages/1/content/0/type",
        ),
        (
            {**BODY, "messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "/messages/0/content/0/text",
        ),
        (
            {**BODY, "messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "/messages/0/tool_calls/0/function",
        ),
        ({**BODY, "tools": [{"type": "function"}]}, "/tools/0/function"),
        ({**BODY, "tools": [{"type": "code", "function": {"name": "f"}}]}, "/tools/0/type"),
        ({**BODY, "stream": "yes"}, "/stream"),
        ({**BODY, "n": 0}, "/n"),
        ({**BODY, "n": "2"}, "/n"),
        ({**BODY, "stream_options": []}, "/stream_options"),
        (b'{"model":"m","messages":' + b"[" * 100_000, "/messages" + "/0" * 63),
        (b'{"model":"m","messages":[],"x":' + b"[" * 100_000, "/x" + "/0" * 63),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_and_the_field_is_named(body: Any, param: str | None) -> None:
    """The path is the whole body's, also inside of a part that is looked at only later."""
    with pytest.raises(RequestError) as refused:
        parse(body)

    assert ("invalid_request", param, 400) == (refused.value.code, refused.value.param, refused.value.status)


def test_a_refusal_does_not_repeat_the_prompt() -> None:
    with pytest.raises(RequestError) as refused:
        parse({**BODY, "messages": [{"role": "user", "content": ["a secret"]}]})

    assert "secret" not in str(refused.value)
