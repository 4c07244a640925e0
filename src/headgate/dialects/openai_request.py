"""A canonical request -> the body of `POST /v1/chat/completions`.

Strategy: the canonical fields in a fixed order, then the options that the table lets pass, verbatim and in the order
they came, so that the same request always gives the same bytes and prefix caches hold.
Spec: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from headgate.dialects.request_table import Rule, Rules, asks_for_nothing, unsaid
from headgate.errors import RequestError
from headgate.messages import AS_JSON, ChatMessage, ChatRequest, HttpRequest, Spelling, Tool
from headgate.spelling import CLOSING, OPENING
from headgate.strict_json import pointer

_encode = msgspec.json.Encoder().encode
_STREAM_OPTIONS = "stream_options"

_STANDARD = """
    messages tools tool_choice parallel_tool_calls n stop temperature top_p presence_penalty frequency_penalty
    logit_bias seed max_tokens max_completion_tokens response_format reasoning_effort logprobs top_logprobs user
    metadata prediction prompt_cache_key safety_identifier service_tier store verbosity
    web_search_options
"""

_INSIDE = """
    messages[].content[].image_url messages[].content[].image_url.detail messages[].content[].input_audio
    messages[].name messages[].refusal messages[].reasoning_content messages[].tool_call_id
    messages[].tool_calls[].function.arguments tools[].function.strict
"""

# `response_fields` is not among llama.cpp's: it would leave out what a stream is read by. `n_cmpl` is `n`.
_EXTRAS = {
    "llama.cpp": """
        min_p top_k typical_p top_n_sigma xtc_* dynatemp_* repeat_* dry_* mirostat* adaptive_* samplers min_keep
        n_predict n_keep n_indent n_probs t_max_predict_ms cache_prompt id_slot grammar grammar_lazy grammar_triggers
        json_schema return_tokens return_progress post_sampling_probs ignore_eos lora speculative.*
        chat_template_kwargs reasoning_format reasoning_budget_tokens thinking_budget_tokens reasoning_control
        parse_tool_calls add_generation_prompt continue_final_message echo sse_ping_interval
    """,
    "vLLM": """
        min_p top_k repetition_penalty length_penalty min_tokens stop_token_ids bad_words include_stop_str_in_output
        ignore_eos skip_special_tokens spaces_between_special_tokens echo add_generation_prompt continue_final_message
        chat_template chat_template_kwargs structured_outputs guided_* include_reasoning thinking_token_budget
        return_token_ids return_prompt_text priority cache_salt truncate_prompt_tokens prompt_logprobs
    """,
    "SGLang": """
        min_p top_k repetition_penalty min_tokens stop_token_ids ignore_eos skip_special_tokens no_stop_trim
        separate_reasoning stream_reasoning chat_template_kwargs regex ebnf json_schema structural_tag
        continue_final_message return_hidden_states return_cached_tokens_details rid lora_path session
    """,
    "mlx-lm": """
        min_p top_k repetition_penalty repetition_context_size xtc_* draft_model num_draft_tokens adapters role_mapping
        chat_template_kwargs
    """,
    "LM Studio": "top_k repeat_* ttl draft_model",
}
"""Fields beyond OpenAI's own, and who takes them. An engine ignores those of the others."""


def extras(without: Collection[str] = ()) -> dict[str, Rule]:
    """The rules of fields beyond OpenAI's own, but for some."""
    takers: dict[str, list[str]] = {}
    for engine, names in _EXTRAS.items():
        for name in set(names.split()) - set(without):
            takers.setdefault(name, []).append(engine)
    return {name: Rule("pass", note=", ".join(engines)) for name, engines in sorted(takers.items())}


RULES = Rules(
    {
        "model": Rule("pass", note="as the engine calls it"),
        "prompt": Rule("change", "messages", "of `POST /chat`; elsewhere dropped and named"),
        "stream": Rule("change", note="the engine is always asked for a stream"),
        "stream_options": Rule("change", note="the engine is always asked for usage"),
        "timings_per_token": Rule("change", note="timings come once, at the end"),
        **{name: Rule("pass") for name in _STANDARD.split()},
        **{name: Rule("refuse", note="send `tools`, `tool_choice`") for name in ("functions", "function_call")},
        "modalities": Rule("refuse", note='but `["text"]`: replies are text'),
        "audio": Rule("refuse", note="replies are text"),
        "messages[].content[]": Rule("pass", note="each part as it came"),
        **{name: Rule("pass") for name in _INSIDE.split()},
        "messages[].reasoning": Rule("rename", "messages[].reasoning_content", "the first that says anything"),
        "messages[].thinking": Rule("rename", "messages[].reasoning_content", "the first that says anything"),
        "messages[].function_call": Rule("change", "messages[].tool_calls", "with an id of its place"),
        "messages[].role = function": Rule("change", "tool", "the id is that of the last call of its name"),
        "messages[].tool_calls[].index": Rule("change", note="calls stand in their order"),
        **extras(),
    }
)


def request(chat: ChatRequest) -> HttpRequest:
    """A streamed chat completion that asks for usage."""
    history = chat.history
    messages = [_message(message, history) for message in chat.messages]
    body: dict[str, Any] = {"model": chat.model, "messages": messages}
    if chat.tools is not None:
        body["tools"] = [_tool(tool) for tool in chat.tools]
    if chat.tool_choice is not None:
        body["tool_choice"] = chat.tool_choice
    if chat.choices > 1:
        body["n"] = chat.choices
    dropped = [*chat.dropped, *unsaid(chat.messages)]
    if history == "none" and any(message.reasoning for message in chat.messages):
        dropped.append("messages[].reasoning_content")
    for name, value in chat.options.items():
        action = RULES[name].action
        if action == "pass":
            body[name] = value
        elif action == "refuse":
            _refuse(name, value)
        else:
            dropped.append(name)
    body["stream"] = True
    body[_STREAM_OPTIONS] = {"include_usage": True}
    return HttpRequest(path="/v1/chat/completions", headers=AS_JSON, body=_encode(body), dropped=tuple(dropped))


def _refuse(name: str, value: msgspec.Raw) -> None:
    if not asks_for_nothing(bytes(value)) and msgspec.json.decode(value) != ["text"]:
        sentence = f"expected no {name}: Headgate's replies are text, and audio in one would be lost. Leave it out."
        raise RequestError("unsupported", sentence, param=pointer(name))


def _message(message: ChatMessage, history: Spelling) -> dict[str, Any]:
    content: Any = message.content
    if isinstance(content, tuple):
        content = [part.raw for part in content]
    entry: dict[str, Any] = {"role": message.role, "content": content}
    if message.name is not None:
        entry["name"] = message.name
    if message.reasoning and history == "tags":
        entry["content"] = _tagged(content, f"{OPENING}{message.reasoning}{CLOSING}")
    elif message.reasoning and history != "none":
        entry[history] = message.reasoning
    if message.refusal:
        entry["refusal"] = message.refusal
    if message.tool_calls:
        entry["tool_calls"] = [call.to_openai() for call in message.tool_calls]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    return entry


def _tagged(content: Any, thought: str) -> Any:
    if isinstance(content, list):
        return [{"type": "text", "text": thought}, *content]
    return thought + (content or "")


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
