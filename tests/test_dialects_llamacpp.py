"""llama-server's own stream, piece by piece; the recordings are `tests/fixtures/dialects/llamacpp/`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw
from pieces import cuts, events_of, message_of, repairs_of, sse

from headgate.auto import AutoDecoder
from headgate.dialects import dialect
from headgate.dialects.base import Reading
from headgate.errors import RequestError
from headgate.events import Progress, StreamError, Usage
from headgate.messages import ChatMessage, ChatRequest, Completion

DIALECT = dialect("llamacpp")
TIMINGS = {"cache_n": 4, "prompt_n": 2, "prompt_ms": 1.5, "predicted_n": 3, "predicted_ms": 2.5}


def piece(content: str = "", **fields: Any) -> dict[str, Any]:
    return {"index": 0, "content": content, "tokens": [1], "stop": False, "tokens_evaluated": 6, **fields}


def stop(kind: str = "eos", **fields: Any) -> dict[str, Any]:
    return piece(stop=True, stop_type=kind, stopping_word="", model="m", tokens_predicted=3, timings=TIMINGS, **fields)


def read(*records: Any) -> Any:
    return message_of(sse(*records), "llamacpp", markup="off")


def test_a_stream_is_its_text_its_end_and_what_it_cost() -> None:
    message = read(piece("Hel"), piece("lo"), stop())

    assert ("Hello", "stop", "eos", None) == (message.content, message.finish_reason, message.raw_reason, message.error)
    assert (6, 3, 4) == (message.usage.input_tokens, message.usage.output_tokens, message.usage.cached_tokens)
    assert 2.5 == message.timings.predicted_ms
    assert "m" == read(stop()).model


@pytest.mark.parametrize(
    ("kind", "finish", "word"),
    [("eos", "stop", None), ("word", "stop", "END"), ("limit", "length", None), ("none", "unknown", None)],
)
def test_the_engines_words_for_an_end(kind: str, finish: str, word: str | None) -> None:
    message = read(piece("a"), {**stop(kind), "stopping_word": word or ""})

    assert (finish, kind, word) == (message.finish_reason, message.raw_reason, message.stop_sequence)


def test_nothing_but_its_end_ends_a_stream() -> None:
    """There is no [DONE]; and the end of the bytes is no fault, so that it needs no repair."""
    for pieces in cuts(sse(piece("a"), stop())):
        message = message_of(pieces, "llamacpp")

        assert ("a", "stop", ["finish_mapped"]) == (message.content, message.finish_reason, repairs_of(message))
    broken = read(piece("a"))
    assert ("a", "upstream_truncated") == (broken.content, broken.error.code)
    assert '"stop": true' in broken.error.message


def test_a_whole_reply_is_one_object() -> None:
    data = json.dumps({**stop("limit"), "content": "Hello"}).encode()
    for whole in (data, data + b"\n", json.dumps(json.loads(data), indent=1).encode()):
        message = message_of(whole, "llamacpp")

        assert ("Hello", "length") == (message.content, message.finish_reason)
        assert "record_unterminated" not in repairs_of(message)


def test_choices_are_told_apart_and_their_costs_added() -> None:
    records = [piece("a", index=1), piece("b"), piece("c", index=1), stop(index=1), stop("limit")]
    events = events_of(sse(*records), "llamacpp")

    assert [Usage(6, 6, cached_tokens=4, timings=None)] == [
        Usage(one.input_tokens, one.output_tokens, cached_tokens=one.cached_tokens)
        for one in events
        if isinstance(one, Usage)
    ]
    assert "b" == read(*records).content


def test_progress_is_told() -> None:
    told = piece(prompt_progress={"total": 9, "cache": 1, "processed": 5, "time_ms": 3})

    assert [Progress(5, 9, 1)] == [one for one in events_of(sse(told, stop()), "llamacpp") if isinstance(one, Progress)]


def test_log_probabilities_come_with_their_token() -> None:
    token = {"id": 1, "token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]}
    message = read(
        piece("a", completion_probabilities=[token]), piece(completion_probabilities=[{"token": "x"}]), stop()
    )

    assert [("a", -0.5, (97,)), ("x", -9999.0, None)] == [
        (one.token, one.logprob, one.bytes) for one in message.logprobs
    ]
    assert ["logprobs_completed", "finish_mapped"] == repairs_of(message)


def test_what_says_nothing_is_passed_over() -> None:
    message = read(b"null", piece("a"), b"", piece(), stop())

    assert ("a", ["null_dropped", "finish_mapped"]) == (message.content, repairs_of(message))


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (b'{"error":{"code":500,"message":"no","type":"server_error"}}', "upstream_error"),
        (b'{"error":"no"}', "upstream_error"),
        (b"[1]", "bad_json"),
        (b"{", "bad_json"),
        (b"5", "bad_json"),
    ],
)
def test_an_error_ends_the_stream(record: bytes, code: str) -> None:
    message = read(piece("a"), record, piece("b"), stop())

    assert ("a", code) == (message.content, message.error.code)


def test_a_field_of_another_type_is_taken_for_what_it_means() -> None:
    message = read(piece("a", index="0", tokens_predicted="x"), {**stop(), "tokens_predicted": "3"})

    assert ("a", 3) == (message.content, message.usage.output_tokens)
    assert {"type_coerced", "field_ignored"} <= set(repairs_of(message))


def test_an_end_that_tells_nothing_is_an_end() -> None:
    message = read({"content": "a", "stop": True})

    assert ("a", "stop", None) == (message.content, message.finish_reason, message.usage)


@pytest.mark.parametrize(
    ("head", "sure"),
    [
        (sse(piece("a")), 90),
        (json.dumps(stop()).encode(), 90),
        (b'data: {"index":0,"content":"a long text that is cut", "stop":false,"x":"', 90),
        (b'data: {"choices":[{"delta":{"content":"a","stop":1}}],"content":1,"stop":2}', 0),
        (b'data: {"choices":[],"content":"cut","stop"', 0),
        (b'{"content":"\\"stop\\""', 0),
        (b"data: [DONE]", 0),
        (b"data: null\n", 50),
        (b"null", 0),
        (b"stop content", 0),
        (b"", 0),
    ],
)
def test_a_beginning_is_recognised(head: bytes, sure: int) -> None:
    assert sure == DIALECT.sniff(head)


def test_auto_finds_it() -> None:
    reads = AutoDecoder(Reading(ids=str))
    reads.feed(sse(piece("a")))

    assert "llamacpp" == reads.dialect


def test_an_http_error_is_read() -> None:
    body = b'{"error":{"code":501,"message":"Infill is not supported by this model","type":"not_supported_error"}}'
    error = DIALECT.error(501, body)

    assert isinstance(error, StreamError)
    assert ("Infill is not supported by this model", 501) == (error.message, error.status_hint)


# -- requests ---------------------------------------------------------------------------------------------


def asked(completion: Completion, **options: str) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    raw = {name: Raw(value.encode()) for name, value in options.items()}
    found = DIALECT.request(ChatRequest(model="m", completion=completion, options=raw))
    body = json.loads(found.body)
    return found.path, {name: body[name] for name in body if name not in {"stream", "response_fields"}}, found.dropped


def test_a_suffix_decides_the_path() -> None:
    assert ("/completion", {"model": "m", "prompt": "a"}, ()) == asked(Completion(prompt="a"))
    assert ("/completion", {"model": "m", "prompt": [1, 2]}, ()) == asked(Completion(prompt=(1, 2)))
    assert ("/infill", {"model": "m", "input_prefix": "a", "input_suffix": "b"}, ()) == (
        asked(Completion(prompt="a", suffix="b"))
    )


@pytest.mark.parametrize(
    ("completion", "param"),
    [(Completion(prompt=(1,), suffix="b"), "/prompt"), (Completion(prompt="a", echo=True), "/echo")],
)
def test_what_llama_server_cannot_do_is_refused(completion: Completion, param: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(completion)

    assert ("unsupported", param) == (refused.value.code, refused.value.param)


def test_a_conversation_is_not_this_dialects() -> None:
    with pytest.raises(RequestError, match="conversation"):
        DIALECT.request(ChatRequest(model="m", messages=(ChatMessage(role="user", content="hi"),)))


@pytest.mark.parametrize(
    ("options", "sent", "dropped"),
    [
        ({"max_tokens": "5"}, {"n_predict": 5}, ()),
        ({"max_tokens": "5", "n_predict": "6"}, {"n_predict": 6}, ("max_tokens",)),
        ({"n_predict": "6", "max_tokens": "5"}, {"n_predict": 6}, ("max_tokens",)),
        ({"repetition_penalty": "1.1"}, {"repeat_penalty": 1.1}, ()),
        ({"logprobs": "true", "top_logprobs": "3"}, {"n_probs": 3}, ()),
        ({"logprobs": "true", "top_logprobs": "0"}, {"n_probs": 1}, ()),
        ({"logprobs": "true"}, {"n_probs": 1}, ()),
        ({"logprobs": "false", "top_logprobs": "3"}, {}, ()),
        ({"logprobs": "true", "n_probs": "4"}, {"n_probs": 4}, ()),
        ({"response_format": '{"type":"text"}'}, {}, ()),
        ({"response_format": '{"type":"json_object"}'}, {"json_schema": {"type": "object"}}, ()),
        ({"response_format": '{"type":"json_object","json_schema":null}'}, {"json_schema": {"type": "object"}}, ()),
        ({"response_format": '{"type":"json_object","schema":{"a":1}}'}, {"json_schema": {"a": 1}}, ()),
        ({"response_format": '{"type":"json_schema","json_schema":{"schema":{"a":1}}}'}, {"json_schema": {"a": 1}}, ()),
        ({"response_format": '{"type":"json_object"}', "json_schema": "{}"}, {"json_schema": {}}, ("response_format",)),
        ({"stop_token_ids": "[]", "user": '"u"', "odd": "1"}, {}, ("user", "odd")),
    ],
)  # fmt: skip
def test_options_become_llama_servers(options: dict[str, str], sent: dict[str, Any], dropped: tuple[str, ...]) -> None:
    found = asked(Completion(prompt="a"), **options)

    assert ("/completion", {"model": "m", "prompt": "a", **sent}, dropped) == found


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"stop_token_ids": "[1]"}, "/stop_token_ids"),
        ({"guided_regex": '"a"'}, "/guided_regex"),
        ({"response_format": '{"type":"structural_tag"}'}, "/response_format/type"),
    ],
)
def test_what_decides_the_answer_is_not_left_out(options: dict[str, str], param: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(Completion(prompt="a"), **options)

    assert ("unsupported", param) == (refused.value.code, refused.value.param)


def test_a_schema_is_passed_on_as_it_was_written() -> None:
    options = {"response_format": Raw(b'{"type":"json_schema","json_schema":{"schema":{"b":1.0,"a":{}}}}')}
    body = DIALECT.request(ChatRequest(model="m", completion=Completion(prompt="a"), options=options)).body

    assert b'"json_schema":{"b":1.0,"a":{}}' in body
