"""What a check asks, in any dialect, and what comes back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from headgate.dialects.base import Dialect
from headgate.events import StreamError
from headgate.messages import ChatMessage, ChatRequest, HttpRequest, Message, Tool, Tools

if TYPE_CHECKING:
    from headgate.doctor.verdict import Verdict

MAX_TOKENS = 1024
"""Enough for a thought and an answer; a model that needs more is cut off, and shows nothing."""

_encode = msgspec.json.Encoder().encode


class Facts(NamedTuple):
    """What a check knows of the endpoint.

    Args:
        dialect: what it speaks.
        model: whom to ask.
        engine: its engine's name, as `headgate.discovery` has it.
        context: its context size in tokens, where that is known.
        silence_s: how long it may send nothing.
    """

    dialect: Dialect
    model: str
    engine: str = "openai"
    context: int | None = None
    silence_s: float = 15.0

    @property
    def claims_exact(self) -> bool:
        """Whether its raw bytes are held to the contract."""
        return self.engine == "headgate"


class Ask(NamedTuple):
    """One question.

    Args:
        request: what is sent.
        tools: the tools that it declares.
        streamed: whether the reply is a stream.
        leaves: whether to go away at the first word.
        after_s: how long to wait before, in seconds.
        is_chat: whether the reply is read as a chat model's.
    """

    request: HttpRequest
    tools: Tools | None = None
    streamed: bool = True
    leaves: bool = False
    after_s: float = 0.0
    is_chat: bool = True


class Answer(NamedTuple):
    """What came back.

    `error` is the failure of the connection, of the stream, or of an HTTP error; `repairs` are codes with details;
    `breaches` are of the contract, where it is claimed. Times are seconds since the request was sent; `left` says that
    we went away before the end, and `silence_s` is the longest time without a byte.
    """

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    messages: Sequence[Message] = (Message(),)
    choices: int = 0
    error: StreamError | None = None
    repairs: Sequence[tuple[str, str]] = ()
    breaches: Sequence[str] = ()
    first_s: float | None = None
    ended_s: float = 0.0
    silence_s: float = 0.0
    left: bool = False


Plan: TypeAlias = "Generator[Sequence[Ask], Sequence[Answer], Verdict]"
"""A check under way: it yields questions that are asked at once, and gets as many answers."""


def said(text: str) -> tuple[ChatMessage, ...]:
    """A conversation of one question."""
    return (ChatMessage(role="user", content=text),)


def chat(
    facts: Facts,
    messages: str | tuple[ChatMessage, ...],
    *,
    tools: tuple[Tool, ...] | None = None,
    choices: int = 1,
    streamed: bool = True,
    usage: bool = True,
    model: str | None = None,
    **options: Any,
) -> Ask:
    """A question to the model, at temperature 0.

    Raises:
        RequestError: if the dialect has no words for it.
    """
    given = {"temperature": 0, "max_tokens": MAX_TOKENS, **options}
    asked = ChatRequest(
        model=facts.model if model is None else model,
        messages=said(messages) if isinstance(messages, str) else messages,
        tools=tools,
        stream=True,
        include_usage=usage,
        choices=choices,
        options={name: msgspec.Raw(_encode(value)) for name, value in given.items()},
    )
    request = facts.dialect.request(asked)
    if not streamed or not usage:
        request = _edited(request, streamed=streamed)
    return Ask(request, asked.declared(), streamed)


def raw(facts: Facts, body: bytes) -> Ask:
    """A body that no client should send, to where the dialect sends its questions."""
    request = msgspec.structs.replace(chat(facts, "").request, body=body)
    return Ask(request, streamed=False)


def _edited(request: HttpRequest, *, streamed: bool) -> HttpRequest:
    """The same, without asking for usage, as every dialect of ours does by itself."""
    body = msgspec.json.decode(request.body)
    body.pop("stream_options", None)
    body["stream"] = streamed
    return msgspec.structs.replace(request, body=_encode(body))
