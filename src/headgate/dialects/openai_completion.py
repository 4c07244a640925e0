"""A canonical request with a text to go on with -> the body of `POST /v1/completions`.

Strategy: that of chats (`openai_request.py`), with a table of its own: what only steers a conversation is dropped and
named, and what decides whether the answer is right is refused.
Spec: https://platform.openai.com/docs/api-reference/completions/create
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from headgate.dialects.openai_request import extras
from headgate.dialects.request_table import Rule, Rules
from headgate.messages import AS_JSON, ChatRequest, Completion, HttpRequest

_encode = msgspec.json.Encoder().encode

_STANDARD = """
    stop temperature top_p presence_penalty frequency_penalty logit_bias seed max_tokens user
"""
# Of a chat's template and of the thought it opens, which a bare text has not.
_OF_CHATS = frozenset(
    """
    add_generation_prompt chat_template chat_template_kwargs continue_final_message echo include_reasoning
    parse_tool_calls reasoning_budget_tokens reasoning_control reasoning_format role_mapping separate_reasoning
    stream_reasoning thinking_budget_tokens thinking_token_budget
    """.split()
)

RULES = Rules(
    {
        "model": Rule("pass", note="as the engine calls it"),
        "prompt": Rule("pass", note="a text, or tokens"),
        "suffix": Rule("pass"),
        "echo": Rule("pass"),
        "n": Rule("pass"),
        "best_of": Rule("change", note="400 if it is more than `n`: a stream cannot be the best of several"),
        "stream": Rule("change", note="the engine is always asked for a stream"),
        "stream_options": Rule("change", note="the engine is always asked for usage"),
        "timings_per_token": Rule("change", note="timings come once, at the end"),
        "logprobs": Rule("pass"),
        "top_logprobs": Rule("rename", "logprobs", "of Ollama's API"),
        **{name: Rule("pass") for name in _STANDARD.split()},
        "response_format": Rule("pass", note="vLLM, SGLang"),
        **extras(without=_OF_CHATS),
    }
)


def request(chat: ChatRequest, completion: Completion) -> HttpRequest:
    """A streamed text completion that asks for usage."""
    body: dict[str, Any] = {"model": chat.model, "prompt": completion.prompt}
    if completion.suffix is not None:
        body["suffix"] = completion.suffix
    if completion.echo:
        body["echo"] = True
    if chat.choices > 1:
        body["n"] = chat.choices
    dropped = [*chat.dropped]
    for name, value in chat.options.items():
        if name in {"logprobs", "top_logprobs"}:
            body |= _logprobs(chat.options)
        elif RULES[name].action == "pass":
            body[name] = value
        else:
            dropped.append(name)
    body["stream"] = True
    body["stream_options"] = {"include_usage": True}
    return HttpRequest(path="/v1/completions", headers=AS_JSON, body=_encode(body), dropped=tuple(dropped))


def _logprobs(options: dict[str, Raw]) -> dict[str, Raw]:
    """What chats say with two fields, texts say with one: how many tokens are told beside the chosen one."""
    if bytes(options.get("logprobs", Raw(b"false"))) != b"true":
        return {}
    return {"logprobs": options.get("top_logprobs", Raw(b"0"))}
