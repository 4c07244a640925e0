"""Thoughts in every spelling: what clients are written, what they send back, and what engines are sent of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pieces import DONE, chunk, sse
from raw_http import connected, served
from surface_readers import chat_stream, chat_whole, tagged

import headgate
from headgate.config import ClientConfig, Config, UpstreamConfig
from headgate.conform import check_stream
from headgate.dialects import dialect
from headgate.errors import RequestError, UsageError
from headgate.events import Event
from headgate.gateway import create_app
from headgate.gateway.whole import WholeEncoder
from headgate.messages import ChatMessage, HttpRequest, Part, Spelling
from headgate.spelling import split, untagged
from headgate.surfaces import surface
from headgate.surfaces.base import Writing
from headgate.testing.fake_engine import FakeEngine, streamed
from headgate.translator import Translator

THOUGHT = "They greet me."
REPLY = (
    sse(
        chunk({"reasoning_content": THOUGHT}),
        chunk({"content": "Hello"}),
        chunk({}, "stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}},
    )
    + DONE
)
HELLO = [{"role": "user", "content": "hi"}]
SPELLINGS: tuple[Spelling, ...] = ("reasoning_content", "reasoning", "tags", "none")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

# To clients


def shown(body: bytes, *, stream: bool) -> Spelling:
    """The one way in which the thought was told; everything else of the reply must be there, too."""
    read = chat_stream if stream else chat_whole
    found: list[Spelling] = [key for key in ("reasoning_content", "reasoning") if read(body, key).reasoning]
    told = read(body)
    if tagged(told).text != told.text:
        told = tagged(told)
        found.append("tags")

    assert ("Hello", "stop", (3, 5)) == (told.text, told.finish, told.usage)
    assert len(found) <= 1
    assert (b"greet" in body) == bool(found)
    return found[0] if found else "none"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("header", "key", "upstream", "expected"),
    [
        (None, None, None, "reasoning_content"),
        (None, None, "reasoning", "reasoning"),
        (None, "tags", "reasoning", "tags"),
        ("none", "tags", "reasoning", "none"),
        ("reasoning", None, None, "reasoning"),
        ("reasoning_content", "none", "none", "reasoning_content"),
        (None, "none", None, "none"),
    ],
)
def test_the_request_goes_before_the_key_and_the_key_before_the_engine(
    *, header: str | None, key: Spelling | None, upstream: Spelling | None, expected: Spelling, stream: bool
) -> None:
    async def main() -> Spelling:
        async with FakeEngine(streamed(REPLY)) as engine:
            config = Config(
                api_keys=("other", "sesame"),
                clients=(ClientConfig(key="sesame", reasoning=key), ClientConfig(key="other", reasoning="none")),
                upstreams=(UpstreamConfig(name="u", url=engine.url, reasoning=upstream),),
            )
            headers = {"authorization": "Bearer sesame", **({"x-headgate-reasoning": header} if header else {})}
            async with served(create_app(config)) as url, connected(url) as client:
                reply = await client.chat(stream=stream, headers=headers, stream_options={"include_usage": True})
                return shown(reply.body, stream=stream)

    assert expected == asyncio.run(main())


@pytest.mark.parametrize("word", ["think", "", "Reasoning", "reasoning, none"])
def test_an_unknown_word_in_the_header_is_a_400_that_names_it(word: str) -> None:
    body = json.dumps({"model": "m", "messages": HELLO}).encode()
    with pytest.raises(RequestError, match="reasoning_content, reasoning, tags, none") as refused:
        surface("chat").parse("", {"x-headgate-reasoning": word}, body)

    assert (400, "x-headgate-reasoning") == (refused.value.status, refused.value.param)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_library_writes_the_spelling_that_it_is_given(spelling: Spelling) -> None:
    translator = headgate.translator("openai", model="m", include_usage=True, reasoning=spelling)

    assert spelling == shown(translator.feed(REPLY) + translator.close(), stream=True)
    with pytest.raises(UsageError, match="tags"):
        headgate.encoder(reasoning="think")  # type: ignore[arg-type]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_long_streams_of_any_spelling_take_the_shortcut_and_say_the_same(spelling: Spelling) -> None:
    """What stands around a delta is asked for once; a tag that is due must not be lost with it."""
    deltas = [{"reasoning_content": f" a{n}"} for n in range(40)] + [{"content": f" b{n}"} for n in range(40)]
    records = [chunk(delta) for delta in deltas * 2] + [chunk({}, "stop")]
    pieces = [sse(record) for record in records]

    def written(*, short: bool) -> bytes:
        writes = surface("chat").encoder(Writing("i", 7, "m", reasoning=spelling))
        tap = None if short else listen
        translator = Translator(headgate.decoder("openai"), writes, tap)
        return b"".join(map(translator.feed, pieces)) + translator.close()

    data = written(short=True)
    thoughts = "".join(delta["reasoning_content"] for delta in deltas[:40])
    assert written(short=False) == data
    if spelling == "tags":
        assert 2 == chat_stream(data).text.count(f"<think>{thoughts}</think>")
    else:
        assert (2 if spelling != "none" else 0) * thoughts == chat_stream(data, spelling).reasoning


def test_a_stream_with_two_spellings_is_a_breach() -> None:
    """Nothing of ours writes one, so that the checker has to be tried on a stream made for it."""
    data = headgate.translator("openai", model="m").feed(REPLY)
    once = data.replace(b'"content":"Hello"', b'"reasoning_content":"Hello"')
    twice = data.replace(b'"content":"Hello"', b'"reasoning":"Hello"')

    assert [] == check_stream(once)
    assert ["one spelling for each stream"] == [one.rpartition(": ")[2] for one in check_stream(twice)]


def listen(events: Sequence[Event], /) -> None:
    """A tap that hears of every delta keeps a translator from the shortcut."""


LOGPROBS: dict[str, Any] = {"logprobs": {"content": [{"token": "t", "logprob": -1.0}]}}


@pytest.mark.parametrize("stream", [True, False])
def test_a_hidden_thought_tells_no_log_probabilities_either(*, stream: bool) -> None:
    raw = sse(
        chunk({"reasoning_content": "secret"}, **LOGPROBS), chunk({"content": "x"}, **LOGPROBS), chunk({}, "stop")
    )
    writing = Writing("i", 7, "m", reasoning="none")
    writes = surface("chat").encoder(writing) if stream else WholeEncoder(surface("chat"), writing)
    translator = Translator(headgate.decoder("openai"), writes)
    data = translator.feed(raw) + translator.close()

    assert 1 == data.count(b'"token":"t"')
    assert b"secret" not in data


# From clients

THINKING = {"type": "thinking", "thinking": THOUGHT, "signature": "hg1.unsigned"}
MISTRALS = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}
DETAILS = [{"type": "reasoning.text", "text": "They greet"}, {"type": "reasoning.summary", "summary": " me."}]
SAID = {"type": "text", "text": "Hello"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FIELDS: list[dict[str, Any]] = [
    {"reasoning_content": THOUGHT},
    {"reasoning": THOUGHT},
    {"thinking": THOUGHT},
    {"reasoning_details": DETAILS},
    {"reasoning_content": "", "reasoning": None, "thinking": THOUGHT, "reasoning_details": DETAILS},
]
CONTENTS: list[dict[str, Any]] = [{"content": [THINKING, SAID]}, {"content": [MISTRALS, SAID]}]


def asked(engine: str, name: str, message: dict[str, Any], **chat_fields: Any) -> tuple[dict[str, Any], HttpRequest]:
    """What an engine is sent of an assistant's message."""
    given: dict[str, Any] = {"role": "assistant", "content": "Hello", **message}
    if name == "anthropic":
        calls = [{"type": "tool_use", "id": "a", "name": "f", "input": {}}] if given.pop("tool_calls", None) else []
        content = given["content"]
        given["content"] = ([{"type": "text", "text": content}] if isinstance(content, str) else content) + calls
    body = {"model": "m", "max_tokens": 5, "messages": [*HELLO, given]}
    chat = surface(name).parse("", {}, json.dumps(body).encode())
    found = dialect(engine).request(msgspec.structs.replace(chat, **chat_fields))
    return json.loads(found.body)["messages"][1], found


@pytest.mark.parametrize("calls", [{}, {"tool_calls": [CALL]}], ids=["answer", "tool turn"])
@pytest.mark.parametrize(("engine", "key"), [("openai", "reasoning_content"), ("ollama", "thinking")])
@pytest.mark.parametrize("name", ["chat", "anthropic", "ollama"])
@pytest.mark.parametrize("message", FIELDS)
def test_every_surface_reads_every_name_and_every_engine_gets_its_own(
    message: dict[str, Any], name: str, engine: str, key: str, calls: dict[str, Any]
) -> None:
    sent, found = asked(engine, name, {**message, **calls})

    assert {key: THOUGHT} == {
        name: sent[name] for name in ("reasoning_content", "reasoning", "thinking") if name in sent
    }
    assert "Hello" == sent["content"]
    assert len(calls.get("tool_calls", ())) == len(sent.get("tool_calls", ()))
    assert not [name for name in found.dropped if "max_tokens" not in name]


@pytest.mark.parametrize(("engine", "key"), [("openai", "reasoning_content"), ("ollama", "thinking")])
@pytest.mark.parametrize(
    ("message", "name"), [(CONTENTS[0], "chat"), (CONTENTS[0], "anthropic"), (CONTENTS[1], "chat")]
)
def test_thoughts_among_the_parts_of_a_message_are_thoughts(
    message: dict[str, Any], name: str, engine: str, key: str
) -> None:
    sent, found = asked(engine, name, message)

    assert THOUGHT == sent[key]
    assert () == found.dropped
    assert sent["content"] in ("Hello", [SAID])


@pytest.mark.parametrize("engine", ["openai", "ollama"])
@pytest.mark.parametrize("name", ["chat", "anthropic"])
def test_no_engine_is_sent_a_signature_and_a_foreign_one_is_named(engine: str, name: str) -> None:
    for signature, named in (("hg1.unsigned", ()), ("EqQB", ("messages[].content[].signature",)), ("", ())):
        _, found = asked(engine, name, {"content": [{**THINKING, "signature": signature}, SAID]})

        assert named == found.dropped
        assert b"hg1." not in found.body
        assert b"EqQB" not in found.body


def test_what_is_encrypted_for_somebody_else_is_named() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}, {"text": THOUGHT, "signature": "EqQB"}]
    sent, found = asked("openai", "chat", {"reasoning_details": details})

    assert THOUGHT == sent["reasoning_content"]
    places = ("data", "signature")
    assert tuple(f"messages[].reasoning_details[].{name}" for name in places) == found.dropped


def test_a_users_part_is_no_thought() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": [THINKING]}]}
    with pytest.raises(RequestError) as refused:
        surface("chat").parse("", {}, json.dumps(body).encode())

    assert "/messages/0/content/0/type" == refused.value.param


# To engines


@pytest.mark.parametrize("content", ["Hello", [SAID], None])
@pytest.mark.parametrize("history", SPELLINGS)
def test_an_engine_is_sent_thoughts_in_its_own_spelling(history: Spelling, content: Any) -> None:
    message = {"content": content, "reasoning": THOUGHT, "tool_calls": [CALL]}
    sent, found = asked("openai", "chat", message, history=history)
    keys = {name: sent[name] for name in ("reasoning_content", "reasoning", "thinking") if name in sent}
    thought = f"<think>{THOUGHT}</think>"

    if history == "tags":
        whole = {"Hello": f"{thought}Hello", "None": thought}.get(
            str(content), [{"type": "text", "text": thought}, SAID]
        )
        assert (whole, {}) == (sent["content"], keys)
    else:
        assert (content, {} if history == "none" else {history: THOUGHT}) == (sent["content"], keys)
    assert (("messages[].reasoning_content",) if history == "none" else ()) == found.dropped
    assert [CALL] == sent["tool_calls"]


def test_a_client_that_is_written_tags_sends_them_back() -> None:
    """And only such a client: anywhere else somebody may be talking about tags."""

    async def main(spelling: str | None) -> dict[str, Any]:
        async with FakeEngine(streamed(REPLY)) as engine:
            upstream = UpstreamConfig(name="u", url=engine.url)
            async with served(create_app(Config(upstreams=(upstream,)))) as url, connected(url) as client:
                messages = [*HELLO, {"role": "assistant", "content": f"<think>{THOUGHT}</think>Hello"}]
                headers = {"x-headgate-reasoning": spelling} if spelling else {}
                await client.chat(messages=messages, headers=headers)
                return dict(engine.asked[0].json()["messages"][1])

    plain = {"role": "assistant", "content": f"<think>{THOUGHT}</think>Hello"}
    assert {"role": "assistant", "content": "Hello", "reasoning_content": THOUGHT} == asyncio.run(main("tags"))
    assert plain == asyncio.run(main(None))
    assert plain == asyncio.run(main("reasoning"))


@given(TEXT.filter(bool), TEXT.filter(lambda text: not text.startswith("<think>")))
def test_what_was_written_between_tags_is_read_as_it_was(thought: str, text: str) -> None:
    assert (thought, text) == split(f"<think>{thought}</think>{text}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think><think>b</think>c", ("ab", "c")),
        ("<think>a", ("", "<think>a")),
        ("x<think>a</think>", ("", "x<think>a</think>")),
        ("<think></think>x", ("", "x")),
        ("", ("", "")),
    ],
)
def test_only_whole_thoughts_at_the_beginning_are_thoughts(text: str, expected: tuple[str, str]) -> None:
    assert expected == split(text)


def test_parts_lose_their_thoughts_and_keep_their_rest() -> None:
    part = Part("text", "<think>a</think>b")
    alone = Part("text", "<think>a</think>")
    (one, two, user) = untagged(
        [
            ChatMessage(role="assistant", content=(part, alone), reasoning="z"),
            ChatMessage(role="assistant", content=(alone,)),
            ChatMessage(role="user", content="<think>a</think>b"),
        ]
    )

    assert isinstance(one.content, tuple)
    assert ("za", ["b", "<think>a</think>"]) == (one.reasoning, [part.text for part in one.content])
    assert ("a", ()) == (two.reasoning, two.content)
    assert "<think>a</think>b" == user.content


# Audio


@pytest.mark.parametrize("engine", ["openai", "ollama"])
@pytest.mark.parametrize("field", [{"modalities": ["text", "audio"]}, {"audio": {"voice": "alloy", "format": "wav"}}])
def test_a_reply_in_audio_is_refused_with_the_field(engine: str, field: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", "messages": HELLO, **field}).encode()
    with pytest.raises(RequestError, match="Leave") as refused:
        dialect(engine).request(surface("chat").parse("", {}, body))

    assert (400, "unsupported", f"/{next(iter(field))}") == (
        refused.value.status,
        refused.value.code,
        refused.value.param,
    )


# Tools


def test_a_name_that_no_engine_takes_goes_through_the_gateway_and_back() -> None:
    name, message = "files.read/天気", "call it"

    async def main(*, stream: bool) -> tuple[str, str]:
        def answer(asked: Any) -> Any:
            sent = asked.json()["tools"][0]["function"]["name"]
            call = {"index": 0, "id": "a", "type": "function", "function": {"name": sent, "arguments": "{}"}}
            return streamed(sse(chunk({"tool_calls": [call]}), chunk({}, "tool_calls")) + DONE)

        async with FakeEngine(answer) as engine:
            upstream = UpstreamConfig(name="u", url=engine.url)
            async with served(create_app(Config(upstreams=(upstream,)))) as url, connected(url) as client:
                tools = [{"type": "function", "function": {"name": name}}]
                messages = [{"role": "user", "content": message}]
                reply = await client.chat(stream=stream, messages=messages, tools=tools)
                told = (chat_stream if stream else chat_whole)(reply.body)
                return told.calls[0][1], engine.asked[0].json()["tools"][0]["function"]["name"]

    for stream in (True, False):
        got, sent = asyncio.run(main(stream=stream))

        assert name == got
        assert sent.isascii()
        assert "." not in sent


@pytest.mark.parametrize("name", ["chat", "ollama"])
@pytest.mark.parametrize("arguments", [{"a": 1.10, "b": [None]}, '{"a": 1.10, "b": [null]}'])
def test_arguments_may_be_an_object_or_a_text(name: str, arguments: Any) -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": arguments}}
    openai, _ = asked("openai", name, {"tool_calls": [call]})
    ollama, _ = asked("ollama", name, {"tool_calls": [call]})

    assert {"a": 1.10, "b": [None]} == json.loads(openai["tool_calls"][0]["function"]["arguments"])
    assert {"a": 1.10, "b": [None]} == ollama["tool_calls"][0]["function"]["arguments"]
