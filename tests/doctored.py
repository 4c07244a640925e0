"""An engine that does everything right, for tests that spoil one thing of it."""

from __future__ import annotations

import json
from typing import Any

from headgate.testing.fake_engine import Asked, Script, chunk, plain, sse, streamed

MODEL = "good"
CONTEXT = 50
TEXTS = {
    "what is your name?": "My name is Good.",
    "tell me a story": "Once upon a time there was an engine. " * 5,
    "count to forty": "1, 2, 3, 4, 5, 6, 7, 8, 9",
    "say something in unicode": "Grüße, 世界! 👋🏽",
    "answer in json": '{"answer": 42, "unit": "none"}',
    "tick forever": "tick",
}
CALL = {"name": "run_command", "arguments": '{"command": "ls"}'}
USAGE = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}


def answer(asked: Asked) -> Script:
    """What the engine says."""
    if asked.method == "GET":
        return listing(asked.path)
    try:
        body = asked.json()
    except ValueError:
        return refused(400, "the body is no JSON")
    if not isinstance(body["messages"], list):
        return refused(400, "messages is no array")
    if body["model"] != MODEL:
        return refused(404, "there is no such model")
    if len(str(body["messages"][-1]["content"]).split()) > CONTEXT:
        return refused(400, "the prompt is too long")
    return said(body) if body.get("stream") else whole(body)


def listing(path: str) -> Script:
    """Who it is: an engine that tells its context as vLLM does, and nothing else."""
    if path == "/v1/models":
        models = [{"id": MODEL, "object": "model", "owned_by": "vllm", "max_model_len": CONTEXT}]
        return plain(json.dumps({"object": "list", "data": models}).encode())
    return plain(b"{}", 404)


def refused(status: int, message: str) -> Script:
    """An error as OpenAI has it."""
    error = {"message": message, "type": "invalid_request_error", "code": None, "param": None}
    return plain(json.dumps({"error": error}).encode(), status)


def text_of(body: dict[str, Any]) -> tuple[str, str]:
    """The text of an answer, and its finish reason."""
    messages = body["messages"]
    if messages[-1]["role"] == "tool":
        return "There are three files.", "stop"
    text = TEXTS.get(messages[-1]["content"], "Hello.")
    for stop in body.get("stop") or ():
        text = text.partition(stop)[0]
    return (text[:30], "length") if body.get("max_tokens", 100) < 10 else (text, "stop")


def deltas(body: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What is streamed, but for the role; and the finish reason."""
    question = body["messages"][-1]["content"]
    if body.get("tools") and body["messages"][-1]["role"] == "user":
        calls = [{"index": at, "id": f"call_{at}", "type": "function", "function": CALL} for at in range(2)]
        return [{"tool_calls": [call]} for call in calls[: 1 + question.endswith("twice")]], "tool_calls"
    if question.startswith("think"):
        return [{"reasoning_content": "That is 4."}, {"content": "4"}], "stop"
    text, finish = text_of(body)
    return [{"content": text}], finish


def chunks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every chunk of a stream."""
    pieces, finish = deltas(body)
    made = []
    for index in range(body.get("n", 1)):
        for piece in [{"role": "assistant"}, *pieces, {}]:
            one = chunk(piece, None if piece else finish)
            one["choices"][0]["index"] = index
            if body.get("logprobs") and "content" in piece:
                token = {"token": piece["content"], "logprob": -0.1, "bytes": None, "top_logprobs": []}
                one["choices"][0]["logprobs"] = {"content": [token], "refusal": None}
            made.append(one)
    if (body.get("stream_options") or {}).get("include_usage"):
        made.append({**chunk(), "choices": [], "usage": USAGE})
    return made


def said(body: dict[str, Any]) -> Script:
    """The stream; an endless one goes on until its client leaves."""
    records = chunks(body)
    if body["messages"][-1]["content"] == "tick forever":
        return streamed(sse(*records[:2]), *(step for _ in range(200) for step in (0.05, sse(records[1]))))
    return streamed(sse(*records, done=True))


def whole(body: dict[str, Any]) -> Script:
    """The answer as one body."""
    text, finish = text_of(body)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    identity = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}
    return plain(json.dumps({**identity, "choices": [choice], "usage": USAGE}).encode())
