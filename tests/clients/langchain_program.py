"""Asks with `langchain-openai`: the program that runs in an environment of its own (`make clients`).

Each line of its input is a question, an object with `url`, `model`, `way`, `headers`, `timeout`, and what to `do`; each
line of its output is the answer, an object, with `error` where the client raised.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable
from typing import Any


def main() -> None:
    """Answer one question after the other."""
    for line in sys.stdin:
        told: dict[str, Any] = {"came": ""}
        try:
            told |= ask(json.loads(line), told)
        except Exception as error:
            told["error"] = str(error)
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def ask(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; `told` already holds what came if this raises."""
    model, is_streamed, messages = model_of(asked), asked["way"] == "stream", [("user", asked["question"])]
    match asked["do"]:
        case "ask":
            return shown(read(model, messages, told, is_streamed=is_streamed))
        case "run":
            return run(model.bind_tools([asked["tool"]]), messages, told, asked["result"], is_streamed=is_streamed)
        case "leave" if is_streamed:
            stream = model.stream(messages)
            next(chunk for chunk in stream if chunk.content)
            stream.close()
            return {}
        case "leave":
            return {"text": model.invoke(messages).content}
        case _:
            given = asked["schema"] if asked["do"] == "fill" else asked["tool"]
            method = "json_schema" if asked["do"] == "fill" else "function_calling"
            filled = model.with_structured_output(given, method=method)
            return {"parsed": list(filled.stream(messages))[-1] if is_streamed else filled.invoke(messages)}


def model_of(asked: dict[str, Any]) -> Any:
    # It is not installed where this is checked.
    return importlib.import_module("langchain_openai").ChatOpenAI(
        base_url=f"{asked['url']}/v1",
        api_key="none",
        model=asked["model"],
        temperature=0,
        max_retries=0,
        timeout=asked["timeout"],
        stream_usage=True,
        default_headers=asked["headers"],
    )


def run(model: Any, messages: list[Any], told: dict[str, Any], result: str, *, is_streamed: bool) -> dict[str, Any]:
    """Ask, and send the results back in this library's own messages."""
    said = read(model, messages, told, is_streamed=is_streamed)
    tool_message: Any = importlib.import_module("langchain_core.messages").ToolMessage
    results = [tool_message(result, tool_call_id=call["id"]) for call in said.tool_calls]
    answer = read(model, [*messages, said, *results], told, is_streamed=is_streamed)
    calls = [[call["name"], call["args"]] for call in said.tool_calls]
    return {"calls": calls, "ids": [call["id"] for call in said.tool_calls], **shown(answer)}


def read(model: Any, messages: list[Any], told: dict[str, Any], *, is_streamed: bool) -> Any:
    """The whole message, in either way."""
    return joined(model.stream(messages), told) if is_streamed else model.invoke(messages)


def joined(chunks: Iterable[Any], told: dict[str, Any]) -> Any:
    whole: Any = None
    for chunk in chunks:
        told["came"] += chunk.content
        whole = chunk if whole is None else whole + chunk
    return whole


def shown(message: Any) -> dict[str, Any]:
    """What the client made of a message."""
    usage = message.usage_metadata or {}
    return {
        "text": message.content,
        "extra": json.dumps(message.additional_kwargs) + json.dumps(message.content_blocks),
        "finish": message.response_metadata.get("finish_reason"),
        "usage": [usage.get("input_tokens"), usage.get("output_tokens")],
    }


if __name__ == "__main__":
    main()
