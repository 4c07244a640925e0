"""Asks with `langchain-openai`, and prints what it understood; it runs in an environment of its own (`make clients`).

Input: an object with `url`, `model`, `way` (`stream` or `whole`), `messages`, and maybe `tools`, `schema`, `headers`,
`stop_after`. Output: an object, with `error` and its class where the client raised.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Answer one question."""
    asked: dict[str, Any] = json.load(sys.stdin)
    try:
        told = ask(asked)
    except Exception as error:
        told = {"error": str(error), "kind": type(error).__name__}
    json.dump(told, sys.stdout)


def ask(asked: dict[str, Any]) -> dict[str, Any]:
    """Ask, and say what came."""
    # It is not installed where this is checked.
    ChatOpenAI: Any = importlib.import_module("langchain_openai").ChatOpenAI  # noqa: N806 - it is a class

    model: Any = ChatOpenAI(
        base_url=f"{asked['url']}/v1",
        api_key="none",
        model=asked["model"],
        temperature=0,
        max_retries=0,
        timeout=20,
        stream_usage=True,
        default_headers=asked.get("headers"),
    )
    if "schema" in asked:
        return {"parsed": model.with_structured_output(asked["schema"], method="json_schema").invoke(asked["messages"])}
    if "tools" in asked:
        model = model.bind_tools(asked["tools"])
    if asked["way"] == "whole":
        return said(model.invoke(asked["messages"]))
    whole: Any = None
    for number, chunk in enumerate(model.stream(asked["messages"]), 1):
        whole = chunk if whole is None else whole + chunk
        if number == asked.get("stop_after"):
            break
    return said(whole)


def said(message: Any) -> dict[str, Any]:
    """What the client made of a message."""
    usage = message.usage_metadata or {}
    return {
        "text": message.content,
        "calls": [[call["id"], call["name"], call["args"]] for call in message.tool_calls],
        "extra": json.dumps(message.additional_kwargs),
        "finish": message.response_metadata.get("finish_reason"),
        "usage": [usage.get("input_tokens"), usage.get("output_tokens")],
    }


if __name__ == "__main__":
    main()
