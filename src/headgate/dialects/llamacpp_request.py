"""A canonical request with a text to go on with -> the body of llama-server's `POST /completion` or `POST /infill`.

Strategy: a suffix decides the path, since only `/infill` fills a gap (`/v1/completions` takes a suffix and forgets it).
The table decides what becomes of the options, in the client's order, so that the same request always gives the same
bytes. Of the last object only what is read is asked for: it would repeat the prompt.
Spec: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md#post-infill-for-code-infilling
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from headgate.dialects.request_table import Rule, Rules, asks_for_nothing
from headgate.errors import RequestError
from headgate.messages import AS_JSON, ChatRequest, Completion, HttpRequest
from headgate.strict_json import pointer


class _Schema(Struct):
    schema: Raw | UnsetType = UNSET  # verbatim


class _Format(_Schema):
    type: str = "text"
    json_schema: _Schema | None = None


class _Draft(NamedTuple):
    """A request while it is written: the client's options, the body, and the names of what is dropped."""

    given: dict[str, Raw]
    body: dict[str, Any]
    dropped: list[str]


_encode = msgspec.json.Encoder().encode
_decode_format = msgspec.json.Decoder(_Format).decode
_FALSE, _ONE, _ANY_OBJECT = Raw(b"false"), Raw(b"1"), Raw(b'{"type":"object"}')

_PASSED = """
    n_predict temperature top_p min_p top_k typical_p top_n_sigma presence_penalty frequency_penalty repeat_* dry_*
    xtc_* dynatemp_* mirostat* adaptive_* samplers min_keep seed stop logit_bias ignore_eos n_probs n_keep n_indent
    input_extra t_max_predict_ms cache_prompt id_slot grammar grammar_lazy grammar_triggers json_schema return_tokens
    return_progress lora speculative.* sse_ping_interval
"""
_REFUSED = """
    structured_outputs guided_* regex ebnf structural_tag stop_token_ids bad_words min_tokens
    include_stop_str_in_output prompt_logprobs truncate_prompt_tokens lora_path adapters
"""
RESPONSE_FIELDS = (
    *("index", "content", "stop", "stop_type", "stopping_word", "model", "tokens_predicted", "tokens_evaluated"),
    *("completion_probabilities", "timings"),
)
"""What is read of the last object."""

RULES = Rules(
    {
        "model": Rule("pass", note="as the engine calls it"),
        "prompt": Rule("pass", note="as `input_prefix` where there is a suffix; tokens then: 400"),
        "suffix": Rule("rename", "input_suffix", "by `/infill`"),
        "echo": Rule("refuse"),
        "n": Rule("pass"),
        "best_of": Rule("change", note="400 if it is more than `n`: a stream cannot be the best of several"),
        "stream": Rule("change", note="the engine is always asked for a stream"),
        "stream_options": Rule("change", note="the engine always tells its counts"),
        "timings_per_token": Rule("change", note="timings come once, at the end"),
        "logprobs": Rule("change", "n_probs", "at least 1"),
        "top_logprobs": Rule("change", "n_probs", "of Ollama's API"),
        "max_tokens": Rule("rename", "n_predict"),
        "repetition_penalty": Rule("rename", "repeat_penalty"),
        "response_format": Rule("change", "json_schema", "other types than those of OpenAI's API: 400"),
        **{name: Rule("pass") for name in _PASSED.split()},
        **{name: Rule("refuse") for name in _REFUSED.split()},
    }
)


def request(chat: ChatRequest) -> HttpRequest:
    """A streamed completion, or an infill where there is a suffix.

    Raises:
        RequestError: `unsupported`, for a conversation and for what the table refuses.
    """
    completion = chat.completion
    if completion is None:
        raise RequestError(
            "unsupported", "the llamacpp dialect goes on with a text; a conversation is asked in openai."
        )
    if completion.echo:
        raise _refusal("no echo, since llama-server says no prompt again", "echo")
    path, body = _text(chat, completion)
    if chat.choices > 1:
        body["n"] = chat.choices
    draft = _Draft(chat.options, body, [*chat.dropped])
    for name, value in chat.options.items():
        _take(name, value, draft)
    body["stream"] = True
    body["response_fields"] = RESPONSE_FIELDS
    return HttpRequest(path=path, headers=AS_JSON, body=_encode(body), dropped=tuple(draft.dropped))


def _text(chat: ChatRequest, completion: Completion) -> tuple[str, dict[str, Any]]:
    if completion.suffix is None:
        return "/completion", {"model": chat.model, "prompt": completion.prompt}
    if not isinstance(completion.prompt, str):
        sentence = "expected a text, since llama-server fills no gap behind tokens. Send text, or ask another engine."
        raise RequestError("unsupported", sentence, param=pointer("prompt"))
    return "/infill", {"model": chat.model, "input_prefix": completion.prompt, "input_suffix": completion.suffix}


def _take(name: str, value: Raw, draft: _Draft) -> None:
    rule = RULES[name]
    match rule.action:
        case "pass":
            draft.body[name] = value
        case "rename" if rule.to not in draft.given:
            draft.body[rule.to] = value
        case "change":
            _CHANGES[name](value, draft)
        case "refuse":
            if not asks_for_nothing(bytes(value)):
                expected = f"no {name}, for which llama-server has no word and on which the answer depends"
                raise _refusal(expected, name)
        case _:
            draft.dropped.append(name)


def _take_logprobs(_value: Raw, draft: _Draft) -> None:
    """What chats say with two fields, llama-server says with one, where 0 is none."""
    if bytes(draft.given.get("logprobs", _FALSE)) == b"true" and "n_probs" not in draft.given:
        draft.body["n_probs"] = max(1, msgspec.json.decode(draft.given.get("top_logprobs", _ONE)))


def _take_format(value: Raw, draft: _Draft) -> None:
    wanted = _decode_format(value)
    if wanted.type not in {"text", "json_object", "json_schema"}:
        raise _refusal("text, json_object or json_schema", "response_format", "type")
    schema = (wanted if wanted.type == "json_object" else wanted.json_schema or wanted).schema
    if "json_schema" in draft.given:
        draft.dropped.append("response_format")
    elif wanted.type != "text":
        draft.body["json_schema"] = _ANY_OBJECT if schema is UNSET or bytes(schema) == b"null" else schema


_CHANGES: dict[str, Callable[[Raw, _Draft], None]] = {
    "logprobs": _take_logprobs,
    "top_logprobs": _take_logprobs,
    "response_format": _take_format,
}


def _refusal(expected: str, *place: str) -> RequestError:
    sentence = f"expected {expected}. Leave {pointer(*place)} out, or ask an engine that has it."
    return RequestError("unsupported", sentence, param=pointer(*place))
