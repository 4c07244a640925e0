"""`headgate.gateway.splice`: a token that passes beside the parser leaves as it would have through it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import DONE, chunk, cut_at, ndjson, numbered, sse
from raw_http import connected, served

import headgate
from headgate.config import Config, UpstreamConfig
from headgate.gateway import create_app
from headgate.gateway.policy import MemoryPolicy
from headgate.gateway.splice import Splice
from headgate.limits import Limits
from headgate.testing.fake_engine import FakeEngine, said, streamed
from headgate.translator import Translator
from headgate.upstream.connection import Connection
from headgate.upstream.reply import ReplyReader

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
TOKENS = [" the", " a", "b", " cat", "s", " sat"]


def framed(body: bytes, line: str = "%x") -> bytes:
    """An HTTP chunk, its size spelled in one of the ways that are allowed."""
    return (line % len(body)).encode() + b"\r\n" + body + b"\r\n"


def nothing(*_: object) -> None:
    """What is told nobody."""


def records(dialect: str, texts: list[str]) -> list[bytes]:
    """A reply that says these texts, a record each."""
    if dialect == "ollama":
        said = [{"model": "m", "created_at": f"2026-01-01T00:00:{n % 60:02}Z", "message": {"role": "assistant",
                 "content": text}, "done": False} for n, text in enumerate(texts)]  # fmt: skip
        end = {"model": "m", "created_at": "2026-01-01T00:01:00Z", "message": {"role": "assistant", "content": ""},
               "done": True, "done_reason": "stop"}  # fmt: skip
        return [ndjson(record) for record in (*said, end)]
    said = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in texts)]
    return [*(sse(record) for record in (*said, chunk({}, "stop"))), DONE]


class Client:
    """What a client's connection is given, which takes chunks apart as llhttp does."""

    def __init__(self) -> None:
        self.body = b""
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(HEAD)

    def write(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body


class Relay:
    """An engine's connection and a client's, with a translator and a splice between them."""

    def __init__(self, dialect: str, **options: Any) -> None:
        self.client = Client()
        self.translator = translator(dialect, **options)
        assert self.translator.shortcut is not None
        self.through = Splice(self.client.write, self.translator.shortcut)
        self.took = self.over = 0
        self.errors: list[Exception] = []
        call: Any = SimpleNamespace(receiver=self, heard=False, over=self._over, broken=self._broken)
        transport: Any = SimpleNamespace(
            write=nothing,
            is_closing=lambda: False,
            abort=lambda: None,
            get_extra_info=nothing,
            get_write_buffer_size=lambda: 0,
            resume_reading=lambda: None,
        )
        pool: Any = SimpleNamespace(keep=nothing, forget=nothing)
        self.connection = Connection("engine:1", 65536, pool)
        self.connection.connection_made(transport)
        assert self.connection.send(call, b"", b"")

    def read(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.connection.data_received(piece)

    def head(self, status: int, headers: object, /) -> None:
        assert 200 == status

    def data(self, data: bytes, /) -> None:
        self.settle()
        out = self.translator.feed(data)
        if out:
            self.client.write(framed(out))

    def settle(self) -> None:
        self.took += self.through.tokens
        self.through.settle()

    def _over(self) -> None:
        self.settle()
        self.over += 1
        self.client.write(framed(self.translator.close()) if not self.translator.done else b"")

    def _broken(self, error: Exception, *, untouched: bool) -> None:
        assert not untouched
        self.errors.append(error)


def translator(dialect: str, **options: Any) -> Translator:
    decoder = headgate.decoder(dialect, ids=numbered(), **options)
    return Translator(decoder, headgate.encoder(ids=numbered(), now_s=1))


def expected(dialect: str, said: list[bytes], **options: Any) -> bytes:
    """What the client should have got."""
    whole = Translator(headgate.decoder(dialect, ids=numbered(), **options), headgate.encoder(ids=numbered(), now_s=1),
                       tap=nothing)  # fmt: skip
    out = whole.feed(b"".join(said))
    return out if whole.done else out + whole.close()


@pytest.mark.parametrize("dialect", ["openai", "ollama"])
@pytest.mark.parametrize("markup", ["auto", "off"])
def test_plain_tokens_pass_beside_the_parser(dialect: str, markup: str) -> None:
    said = records(dialect, TOKENS * 10)
    relay = Relay(dialect, markup=markup)
    relay.read([HEAD, *map(framed, said), LAST])
    assert expected(dialect, said, markup=markup) == relay.client.body
    assert 1 == relay.over
    assert relay.took > 50


@pytest.mark.parametrize("text", ["\n", "é", "👋", '"', "\\", "<", "a\nb ", "\x7f", " functools"])
def test_a_token_that_wants_a_look_passes_as_the_translator_says(text: str) -> None:
    said = records("openai", [*TOKENS, *([text, " x"] * 5), *TOKENS])
    relay = Relay("openai")
    relay.read([HEAD, *map(framed, said), LAST])
    assert expected("openai", said) == relay.client.body


@pytest.mark.parametrize("line", ["%X", "0%x", "%x;a=b", "000%x"])
def test_a_chunk_whose_size_is_spelled_in_another_way_is_parsed(line: str) -> None:
    said = records("openai", TOKENS * 5)
    relay = Relay("openai")
    relay.read([HEAD, *(framed(record, line) for record in said), LAST])
    assert expected("openai", said) == relay.client.body
    assert 0 == relay.took or line == "%X"  # sizes without a letter are spelled alike


texts = st.lists(
    st.sampled_from([*TOKENS, *TOKENS, "\n", "é", '"', "<think>", "</think>", "`", "1f\r\n"]) | st.text(max_size=4),
    max_size=20,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["openai", "ollama"]),
    texts,
    st.lists(st.integers(0, 6000), max_size=6),
    st.lists(st.integers(0, 6000), max_size=6),
    st.sampled_from(["%x", "%x", "%X", "0%x"]),
)
def test_any_split_into_chunks_and_reads_gives_the_same(
    dialect: str, said: list[str], chunks: list[int], reads: list[int], line: str
) -> None:
    whole = records(dialect, [*TOKENS, *said])
    ends, bodies = 0, []
    for record in whole:
        bodies += cut_at(record, [place - ends for place in chunks])
        ends += len(record)
    wire = [HEAD, *(framed(body, line) for body in bodies if body), LAST]
    pieces, ends = [], 0
    for piece in wire:
        pieces += cut_at(piece, [place - ends for place in reads])
        ends += len(piece)
    relay = Relay(dialect)
    relay.read([piece for piece in pieces if piece])
    assert expected(dialect, whole) == relay.client.body
    assert 1 == relay.over


bodies_like_chunks = st.lists(st.sampled_from([b"\r\n", b"5\r\n", b"0\r\n\r\n", b"hello\r\n", b"a"]), min_size=1)


@settings(deadline=None)
@given(st.lists(bodies_like_chunks.map(b"".join), max_size=5), st.lists(st.integers(40, 140), min_size=5, max_size=40))
def test_the_reader_knows_when_it_stands_between_two_chunks(bodies: list[bytes], places: list[int]) -> None:
    wire, boundaries = HEAD, {len(HEAD)}
    for body in bodies:
        wire += framed(body)
        boundaries.add(len(wire))
    reader, place = ReplyReader(65536), 0
    for piece in cut_at(wire + LAST, places):
        if piece:
            reader.feed(piece)
            place += len(piece)
            assert (place in boundaries) == reader.is_between_chunks(piece)
    assert reader.complete


@pytest.mark.parametrize("head", [b"content-length: 9999\r\n", b"", b"transfer-encoding: gzip\r\n"])
def test_a_body_that_does_not_come_in_chunks_is_parsed(head: bytes) -> None:
    reader = ReplyReader(65536)
    reader.feed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n5\r\nhello\r\n")
    assert not reader.is_between_chunks(b"5\r\nhello\r\n")


def test_what_breaks_off_is_told_with_all_that_came() -> None:
    said = records("openai", TOKENS * 5)[:-2]
    relay = Relay("openai")
    relay.read([HEAD, *map(framed, said)])
    relay.connection.connection_lost(None)
    assert relay.through.tokens > 20
    assert f"got {sum(map(len, said)):,} body bytes" in str(relay.errors[0])


def test_what_passes_is_counted_and_keeps_the_client_from_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    take = Splice.take

    def noted(self: Splice, data: bytes, /) -> int:
        taken.append(take(self, data))
        return taken[-1]

    monkeypatch.setattr(Splice, "take", noted)
    texts = [f" t{number}" for number in range(20)]
    first, *rest = (chunk({"content": text}) for text in texts)
    steps = [step for record in rest for step in (0.02, sse(record))]

    async def main() -> None:
        policy = MemoryPolicy()
        async with FakeEngine(streamed(sse(first), *steps, said())) as engine:
            config = Config(upstreams=(UpstreamConfig(name="u", url=engine.url),))
            app = create_app(config, limits=Limits(keepalive_s=0.1), policy=policy)
            async with served(app) as url, connected(url) as client:
                reply = await client.chat()
        assert "".join(texts) == reply.text()
        assert b": keep-alive" not in reply.body
        assert len(reply.body) == policy.settled[0].bytes_out

    asyncio.run(main())
    assert sum(count > 0 for count in taken) > 10
