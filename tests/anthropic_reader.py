"""What a client that knows nothing of Headgate makes of Anthropic's bytes: a plain accumulator, from its documents.

It shares no code with the encoder or the checker, so that all three would have to be wrong in the same way.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Block:
    """One content block; `id` is the engine's, and `cut` says that its input is no JSON."""

    kind: str
    text: str = ""
    signature: str = ""
    id: str = ""
    name: str = ""
    input: Any = None
    cut: bool = False


@dataclass
class Reply:
    """A message as the client has it at the end."""

    blocks: list[Block] = field(default_factory=list[Block])
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    error: dict[str, Any] | None = None
    stopped: bool = False

    def text(self, kind: str = "text") -> str:
        """All texts, or thoughts, in order."""
        return "".join(block.text for block in self.blocks if block.kind == kind)

    def calls(self) -> list[tuple[str, str, Any]]:
        """The calls in order, as id, name and input."""
        return [(one.id, one.name, one.input) for one in self.blocks if one.kind == "tool_use" and not one.cut]

    def ended(self) -> tuple[Any, ...]:
        """How it ended and what it cost."""
        return self.model, self.stop_reason, self.stop_sequence, self.usage


def engines_id(call_id: str) -> str:
    """What `docs/anthropic.md` says of ids: one that this API does not take is in base64 behind a prefix."""
    kind, ours, text = call_id.partition("toolu_hg1_")
    return urlsafe_b64decode(text + "==").decode() if ours and not kind else call_id


def read(data: bytes) -> Reply:
    """Read a stream."""
    reply = Reply()
    for event in data.decode().split("\n\n")[:-1]:
        lines = event.split("\n")
        body = json.loads(lines[1].removeprefix("data: "))

        assert [f"event: {body['type']}", 2] == [lines[0], len(lines)]
        _take(reply, body)
    for block in reply.blocks:
        if block.kind == "tool_use":
            block.input, block.cut = _parsed(block.text)
            block.text = ""
    return reply


def _take(reply: Reply, body: dict[str, Any]) -> None:
    match body["type"]:
        case "message_start":
            reply.model, reply.usage = body["message"]["model"], dict(body["message"]["usage"])
        case "content_block_start":
            assert len(reply.blocks) == body["index"]
            reply.blocks.append(_opened(body["content_block"]))
        case "content_block_delta":
            assert len(reply.blocks) - 1 == body["index"]
            _add(reply.blocks[-1], body["delta"])
        case "message_delta":
            reply.stop_reason, reply.stop_sequence = body["delta"]["stop_reason"], body["delta"]["stop_sequence"]
            reply.usage |= body["usage"]
        case "message_stop":
            reply.stopped = True
        case "error":
            reply.error = body["error"]
        case other:
            assert other in {"ping", "content_block_stop"}


def _opened(given: dict[str, Any]) -> Block:
    return Block(given["type"], id=engines_id(given.get("id", "")), name=given.get("name", ""))


def _add(block: Block, delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "signature_delta":
            block.signature += delta["signature"]
        case "text_delta":
            block.text += delta["text"]
        case "thinking_delta":
            block.text += delta["thinking"]
        case other:
            assert "input_json_delta" == other
            block.text += delta["partial_json"]


def _parsed(text: str) -> tuple[Any, bool]:
    try:
        return json.loads(text), False
    except ValueError:
        return None, True


def read_whole(body: bytes) -> Reply:
    """Read a whole message."""
    given = json.loads(body)
    blocks = [
        Block(
            one["type"],
            one.get("text", one.get("thinking", "")),
            one.get("signature", ""),
            engines_id(one.get("id", "")),
            one.get("name", ""),
            one.get("input"),
        )
        for one in given["content"]
    ]
    return Reply(blocks, given["model"], given["stop_reason"], given["stop_sequence"], given["usage"], stopped=True)
