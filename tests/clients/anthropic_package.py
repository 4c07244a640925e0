"""The `anthropic` package: events as they come (`raw`), its helper `messages.stream()`, and `whole`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from clients.base import PATIENCE_S, RESULT, SCHEMA, TOOL, WITHIN_S, Answer, Client, Failed, Ran, Said, user

NAME = TOOL["function"]["name"]
DECLARED = {"name": NAME, "description": "Run.", "input_schema": TOOL["function"]["parameters"]}
BOTH = {"type": "auto", "disable_parallel_tool_use": False}

Block = dict[str, Any]


class AnthropicTalk:
    """Asking in one way."""

    def __init__(self, url: str, model: str, way: str, headers: dict[str, str]) -> None:
        self._made: dict[str, Any] = {"base_url": url, "api_key": "none", "default_headers": headers}
        self._model = model
        self._way = way
        self._came: list[str] = []

    def ask(self, question: str, /) -> Said:
        blocks = self._blocks([user(question)])
        return Said(joined(blocks, "text"), joined(blocks, "thinking"))

    def run(self, question: str, /) -> Ran:
        blocks = self._blocks([user(question)], tools=[DECLARED], tool_choice=BOTH)
        used = [block for block in blocks if block["type"] == "tool_use"]
        assert len(used) == len({block["id"] for block in used})
        results = [{"type": "tool_result", "tool_use_id": block["id"], "content": RESULT} for block in used]
        history = [user(question), {"role": "assistant", "content": blocks}, {"role": "user", "content": results}]
        return Ran(list(map(inputs, used)), joined(self._blocks(history, tools=[DECLARED]), "text"))

    def fill(self, question: str, /) -> Any:
        schema = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
        form = schema if self._way == "raw" else {"output_format": Answer}
        return json.loads(joined(self._blocks([user(question)], **form), "text"))

    def force(self, question: str, /) -> Any:
        blocks = self._blocks([user(question)], tools=[DECLARED], tool_choice={"type": "tool", "name": NAME})
        (used,) = [block for block in blocks if block["type"] == "tool_use"]
        return inputs(used)

    def leave(self, question: str, is_asked: Callable[[], bool], /) -> None:
        fields = self._fields([user(question)])
        with self._client(WITHIN_S if self._way != "whole" else PATIENCE_S) as client:
            match self._way:
                case "raw":
                    stream: Any = client.messages.create(**fields, stream=True)
                    next(event for event in stream if event.type == "content_block_delta")
                    stream.close()
                case "helper":
                    with client.messages.stream(**fields) as helper:
                        next(iter(helper.text_stream))
                case _:
                    with pytest.raises(anthropic.APITimeoutError):
                        client.messages.create(**fields)

    def _client(self, timeout_s: float = WITHIN_S) -> anthropic.Anthropic:
        return anthropic.Anthropic(**self._made, max_retries=0, timeout=timeout_s)

    def _fields(self, messages: list[Any], **fields: Any) -> dict[str, Any]:
        # The client knows no temperature any more; the API still does.
        extra = {"temperature": 0}
        return {"model": self._model, "max_tokens": 100_000, "messages": messages, "extra_body": extra, **fields}

    def _blocks(self, messages: list[Any], **fields: Any) -> list[Block]:
        """The blocks of the answer, as they go into the history."""
        self._came = []
        ways: dict[str, Callable[..., list[Block]]] = {"raw": self._raw, "helper": self._helper, "whole": self._whole}
        try:
            with self._client() as client:
                return ways[self._way](client, **self._fields(messages, **fields))
        except anthropic.APIError as error:
            raise Failed(error, "".join(self._came)) from error

    def _raw(self, client: anthropic.Anthropic, **fields: Any) -> list[Block]:
        """Join the deltas as everybody does who writes it by hand."""
        blocks: list[Block] = []
        stream: Any = client.messages.create(**fields, stream=True)
        for event in stream:
            match event.type:
                case "content_block_start":
                    blocks.append(event.content_block.to_dict() | {"partial_json": ""})
                case "content_block_delta":
                    for name, value in event.delta.to_dict().items():
                        if name != "type":
                            self._came += [value] * (name == "text")
                            blocks[event.index][name] = blocks[event.index].get(name, "") + value
                case "content_block_stop":
                    whole = blocks[event.index].pop("partial_json")
                    blocks[event.index] |= {"input": json.loads(whole)} if whole else {}
                case _:
                    pass
        return blocks

    def _helper(self, client: anthropic.Anthropic, **fields: Any) -> list[Block]:
        with client.messages.stream(**fields) as stream:
            for text in stream.text_stream:
                self._came.append(text)
            return sent_back(stream.get_final_message())

    def _whole(self, client: anthropic.Anthropic, **fields: Any) -> list[Block]:
        create: Any = client.messages.parse if "output_format" in fields else client.messages.create
        return sent_back(create(**fields))


def sent_back(message: Any) -> list[Block]:
    return [block.to_dict() for block in message.content]


def joined(blocks: list[Block], kind: str) -> str:
    return "".join(block[kind] for block in blocks if block["type"] == kind)


def inputs(block: Block) -> Any:
    assert block["name"] == NAME
    return block["input"]


CLIENT = Client("anthropic", ("raw", "helper", "whole"), AnthropicTalk)
