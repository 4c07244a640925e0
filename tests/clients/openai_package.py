"""The `openai` package: chunks as they come (`raw`), its helper `stream()`, and `whole`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from clients.base import PATIENCE_S, RESULT, SCHEMA, TOOL, WITHIN_S, Answer, Client, Failed, Ran, Said, user

Message = dict[str, Any]


class OpenAITalk:
    """Asking in one way."""

    def __init__(self, url: str, model: str, way: str, headers: dict[str, str]) -> None:
        self._made: dict[str, Any] = {"base_url": f"{url}/v1", "api_key": "none", "default_headers": headers}
        self._model = model
        self._way = way
        self._came: list[str] = []

    def ask(self, question: str, /) -> Said:
        message = self._message([user(question)])
        return Said(message["content"] or "", message.get("reasoning_content", ""))

    def run(self, question: str, /) -> Ran:
        message = self._message([user(question)], tools=[TOOL])
        assert len(calls(message)) == len({call["id"] for call in calls(message)})
        results = [{"role": "tool", "tool_call_id": call["id"], "content": RESULT} for call in calls(message)]
        history = [user(question), message, *results]
        return Ran(list(map(arguments, calls(message))), self._message(history, tools=[TOOL])["content"])

    def fill(self, question: str, /) -> Any:
        given = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
        message = self._message([user(question)], response_format=given if self._way == "raw" else Answer)
        return json.loads(message["content"]) if self._way == "raw" else message["parsed"].model_dump()

    def force(self, question: str, /) -> Any:
        choice = {"type": "function", "function": {"name": TOOL["function"]["name"]}}
        (call,) = calls(self._message([user(question)], tools=[TOOL], tool_choice=choice))
        return arguments(call)

    def leave(self, question: str, is_asked: Callable[[], bool], /) -> None:
        fields = self._fields([user(question)])
        with self._client(WITHIN_S if self._way != "whole" else PATIENCE_S) as client:
            match self._way:
                case "raw":
                    stream = client.chat.completions.create(**fields, stream=True)
                    next(chunk for chunk in stream if chunk.choices and chunk.choices[0].delta.content)
                    stream.close()
                case "helper":
                    with client.chat.completions.stream(**fields) as events:
                        next(event for event in events if event.type == "content.delta")
                case _:
                    with pytest.raises(openai.APITimeoutError):
                        client.chat.completions.create(**fields)

    def _client(self, timeout_s: float = WITHIN_S) -> openai.OpenAI:
        return openai.OpenAI(**self._made, max_retries=0, timeout=timeout_s)

    def _fields(self, messages: list[Message], **fields: Any) -> dict[str, Any]:
        return {"model": self._model, "messages": messages, "temperature": 0, **fields}

    def _message(self, messages: list[Message], **fields: Any) -> Message:
        """The message for the history."""
        self._came = []
        ways: dict[str, Callable[..., Message]] = {"raw": self._raw, "helper": self._helper, "whole": self._whole}
        try:
            with self._client() as client:
                return ways[self._way](client, **self._fields(messages, **fields))
        except openai.APIError as error:
            raise Failed(error, "".join(self._came)) from error

    def _raw(self, client: openai.OpenAI, **fields: Any) -> Message:
        """Join the deltas as everybody does who writes it by hand."""
        message: Message = {"role": "assistant", "content": "", "tool_calls": [], "reasoning_content": ""}
        for chunk in client.chat.completions.create(**fields, stream=True):
            for choice in chunk.choices:
                self._came.append(choice.delta.content or "")
                message["content"] += choice.delta.content or ""
                message["reasoning_content"] += (choice.delta.model_extra or {}).get("reasoning_content", "")
                for call in choice.delta.tool_calls or ():
                    put(message["tool_calls"], call)
        return {name: value for name, value in message.items() if value or name == "content"}

    def _helper(self, client: openai.OpenAI, **fields: Any) -> Message:
        with client.chat.completions.stream(**fields) as stream:
            for event in stream:
                if event.type == "content.delta":
                    self._came.append(event.delta)
            return sent_back(stream.get_final_completion())

    def _whole(self, client: openai.OpenAI, **fields: Any) -> Message:
        completions: Any = client.chat.completions
        return sent_back((completions.parse if "response_format" in fields else completions.create)(**fields))


def sent_back(completion: Any) -> Message:
    """The message for the history; its `parsed`, which is none, is the value itself."""
    message = completion.choices[0].message
    if parsed := getattr(message, "parsed", None):
        return {"parsed": parsed}
    return dict(message.to_dict())


def put(found: list[Message], call: Any) -> None:
    """Put a fragment of a call into its place."""
    if call.index == len(found):
        found.append({"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": ""}})
    found[call.index]["function"]["arguments"] += call.function.arguments or ""


def calls(message: Message) -> list[Message]:
    return list(message.get("tool_calls") or ())


def arguments(call: Message) -> Any:
    assert TOOL["function"]["name"] == call["function"]["name"]
    return json.loads(call["function"]["arguments"])


CLIENT = Client("openai", ("raw", "helper", "whole"), OpenAITalk)
