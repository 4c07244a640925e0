"""What clients that know nothing of Headgate make of each surface's bytes: plain readers, from the APIs' documents.

They share no code with the encoders or the checkers, so that all of them would have to be wrong in the same way. Every
reader gives the same few facts, in canonical words; a failure gives how far the reply came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

Call = tuple[str, str, Any]


class Told(NamedTuple):
    """What a client was told. `usage` is None where nothing was counted; `finish` may be `failed`."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "failed"
    usage: tuple[int, int] | None = None


def counted(told_in: int | None, told_out: int | None) -> tuple[int, int] | None:
    """The counts; where an API demands a number, nothing is written as 0."""
    return (told_in or 0, told_out or 0) if told_in or told_out else None


def data_lines(data: bytes) -> list[str]:
    """The payloads of an event stream whose events have one data line each."""
    events = data.decode().split("\n\n")
    assert "" == events.pop()
    return [line[6:] for event in events for line in event.split("\n") if line.startswith("data: ")]


# -- chat ---------------------------------------------------------------------------------------------------


def chat_stream(data: bytes, key: str = "reasoning_content") -> Told:
    """Read a stream of chunks; `key` is the field that this client knows for thoughts."""
    *chunks, last = data_lines(data)
    text = thought = ""
    calls: list[dict[str, str]] = []
    finish, usage = "failed", None
    for chunk in map(json.loads, chunks):
        for choice in chunk["choices"]:
            delta = choice["delta"]
            text += delta.get("content", "")
            thought += delta.get(key, "")
            finish = choice["finish_reason"] or finish
            for call in delta.get("tool_calls", ()):
                if "id" in call:
                    assert len(calls) == call["index"]
                    calls.append({"id": call["id"], "name": call["function"]["name"], "arguments": ""})
                calls[call["index"]]["arguments"] += call["function"]["arguments"]
        if told := chunk.get("usage"):
            usage = counted(told["prompt_tokens"], told["completion_tokens"])
    if "[DONE]" != last:
        assert "error" in json.loads(last)
        return Told(text, thought)
    parsed = tuple((call["id"], call["name"], json.loads(call["arguments"])) for call in calls)
    return Told(text, thought, parsed, finish, usage)


def chat_whole(data: bytes, key: str = "reasoning_content") -> Told:
    """Read a whole reply."""
    body = json.loads(data)
    choice = body["choices"][0]
    message = choice["message"]
    calls = tuple(
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    )
    used = body.get("usage", {})
    usage = counted(used.get("prompt_tokens"), used.get("completion_tokens"))
    return Told(message["content"] or "", message.get(key, ""), calls, choice["finish_reason"], usage)


def tagged(told: Told) -> Told:
    """What a client makes of content that begins with a thought between tags."""
    match = re.match(r"<think>(.*?)</think>", told.text, re.DOTALL)
    return told._replace(text=told.text[match.end() :], reasoning=match[1]) if match else told


# -- Anthropic's messages -----------------------------------------------------------------------------------

_STOPS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def anthropic_stream(data: bytes) -> Told:
    """Read a stream of messages' events."""
    blocks: list[dict[str, Any]] = []
    usage: dict[str, int] = {}
    finish = ""
    last: dict[str, Any] = {}
    for last in map(json.loads, data_lines(data)):
        match last["type"]:
            case "message_start":
                usage = dict(last["message"]["usage"])
            case "content_block_start":
                assert len(blocks) == last["index"]
                blocks.append({**last["content_block"], "said": ""})
            case "content_block_delta" if last["delta"]["type"] != "signature_delta":
                (said,) = [value for name, value in last["delta"].items() if name != "type"]
                blocks[last["index"]]["said"] += said
            case "message_delta":
                usage |= last["usage"]
                finish = _STOPS[last["delta"]["stop_reason"]]
            case _:
                pass
    if "message_stop" != last["type"]:
        return Told(_of(blocks, "text"), _of(blocks, "thinking"))
    calls = tuple(
        (one["id"], one["name"], json.loads(one["said"] or "{}")) for one in blocks if one["type"] == "tool_use"
    )
    told = counted(usage.get("input_tokens"), usage.get("output_tokens"))
    return Told(_of(blocks, "text"), _of(blocks, "thinking"), calls, finish, told)


def anthropic_whole(data: bytes) -> Told:
    """Read a whole message."""
    body = json.loads(data)
    blocks = [{**one, "said": one.get("text", one.get("thinking", ""))} for one in body["content"]]
    calls = tuple((one["id"], one["name"], one["input"]) for one in blocks if one["type"] == "tool_use")
    usage = counted(body["usage"]["input_tokens"], body["usage"]["output_tokens"])
    return Told(_of(blocks, "text"), _of(blocks, "thinking"), calls, _STOPS[body["stop_reason"]], usage)


def _of(blocks: list[dict[str, Any]], kind: str) -> str:
    return "".join(one["said"] for one in blocks if one["type"] == kind)


# -- Ollama's lines -----------------------------------------------------------------------------------------


def ollama(data: bytes) -> Told:
    """Read the lines of either path, or a whole reply, which is one line without its end."""
    text = thought = ""
    calls: list[Call] = []
    line: dict[str, Any] = {}
    for line in map(json.loads, data.decode().removesuffix("\n").split("\n")):
        said = line.get("message", line)
        text += said.get("content", said.get("response", ""))
        thought += said.get("thinking", "")
        for call in said.get("tool_calls", ()):
            assert len(calls) == call["function"]["index"]
            calls.append((call["id"], call["function"]["name"], call["function"]["arguments"]))
    if not line.get("done"):
        assert "error" in line
        return Told(text, thought)
    # This API says `stop` of calls too.
    finish = "tool_calls" if calls and line["done_reason"] == "stop" else line["done_reason"]
    usage = counted(line.get("prompt_eval_count"), line.get("eval_count"))
    return Told(text, thought, tuple(calls), finish, usage)


# -- completions --------------------------------------------------------------------------------------------


def completions_stream(data: bytes) -> Told:
    """Read a stream of text completions."""
    *chunks, last = data_lines(data)
    text, finish, usage = "", "failed", None
    for chunk in map(json.loads, chunks):
        for choice in chunk["choices"]:
            text += choice["text"]
            finish = choice["finish_reason"] or finish
        if told := chunk.get("usage"):
            usage = counted(told["prompt_tokens"], told["completion_tokens"])
    return Told(text, "", (), finish, usage) if "[DONE]" == last else Told(text)


def completions_whole(data: bytes) -> Told:
    """Read a whole text completion."""
    body = json.loads(data)
    choice, used = body["choices"][0], body.get("usage", {})
    usage = counted(used.get("prompt_tokens"), used.get("completion_tokens"))
    return Told(choice["text"], "", (), choice["finish_reason"], usage)


Reader = Callable[[bytes], Told]

READERS: dict[str, tuple[Reader, Reader]] = {
    "anthropic": (anthropic_stream, anthropic_whole),
    "chat": (chat_stream, chat_whole),
    "completions": (completions_stream, completions_whole),
    "ollama": (ollama, ollama),
    "ollama_generate": (ollama, ollama),
}
"""Each surface's readers: of a stream, and of a whole reply."""
