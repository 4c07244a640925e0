"""What becomes of each field of a request on its way to Ollama's `POST /api/chat` and `/api/generate`, as data.

Strategy: what only steers moves into `options` under Ollama's names; what would change the answer's meaning if it
were left out is refused; the rest is dropped and named.
Spec: https://github.com/ollama/ollama/blob/main/docs/api.md#parameters-1
"""

from __future__ import annotations

from headgate.dialects.request_table import DROP, Rule, Rules

OPTIONS = frozenset(
    """
    temperature top_k top_p min_p typical_p num_predict num_ctx num_keep seed stop repeat_penalty repeat_last_n
    presence_penalty frequency_penalty num_batch num_gpu main_gpu use_mmap num_thread draft_num_predict
    """.split()
)
"""What Ollama reads inside of `options`; it ignores the rest without a word."""

_SAME = """
    temperature top_p top_k min_p typical_p seed presence_penalty frequency_penalty repeat_penalty repeat_last_n
    num_ctx num_keep num_predict num_batch num_gpu main_gpu use_mmap num_thread draft_num_predict
"""
# Of several names for one option the first that is given counts.
_RENAMED = {
    "max_completion_tokens": "num_predict",
    "max_tokens": "num_predict",
    "n_predict": "num_predict",
    "repetition_penalty": "repeat_penalty",
}
_DROPPED = """
    parallel_tool_calls metadata prediction prompt_cache_key safety_identifier service_tier store user verbosity
    messages[].name tools[].function.strict messages[].content[].image_url.detail
"""
_REFUSED = """
    logit_bias audio web_search_options grammar json_schema structured_outputs guided_* regex ebnf
    structural_tag stop_token_ids bad_words min_tokens ignore_eos include_stop_str_in_output echo
    continue_final_message chat_template lora lora_path adapters prompt_logprobs
"""

RULES = Rules(
    {
        "model": Rule("pass", note="as the engine calls it"),
        "prompt": Rule("change", "messages", "of `POST /chat`; elsewhere dropped and named"),
        "stream": Rule("change", note="the engine is always asked for a stream"),
        "stream_options": Rule("change", note="the engine always tells its counts"),
        "timings_per_token": Rule("change", note="timings come once, at the end"),
        "messages": Rule("change", "messages", "`developer` is `system`; the rows below say the rest"),
        "tools": Rule("pass", note="with an empty description and schema where there is none"),
        "tool_choice": Rule("refuse", note="but `auto`, which is what Ollama does, and `none`, which sends no tools"),
        "n": Rule("refuse", note="if it is more than 1"),
        "stop": Rule("change", "options.stop", "always a list"),
        "response_format": Rule("change", "format", "`json` or the schema; its name has no place; other types: 400"),
        "reasoning_effort": Rule("change", "think", "`none` is false, `minimal` is `low`, `xhigh` is `max`; else 400"),
        "chat_template_kwargs": Rule("change", "think", "`enable_thinking`; the others are dropped"),
        "modalities": Rule("refuse", note='but `["text"]`'),
        "think": Rule("pass", note="goes before `reasoning_effort`, and that before `chat_template_kwargs`"),
        "format": Rule("pass", note="goes before `response_format`"),
        "options": Rule("change", "options", "what Ollama knows; the fields beside it go before"),
        **{name: Rule("pass") for name in "keep_alive logprobs top_logprobs truncate shift".split()},
        **{name: Rule("rename", f"options.{name}") for name in _SAME.split()},
        **{name: Rule("rename", f"options.{to}") for name, to in _RENAMED.items()},
        **{name: Rule("refuse", note="send `tools`, `tool_choice`") for name in ("functions", "function_call")},
        "messages[].content[]": Rule("change", "content, images", "texts are joined by a line end, images follow"),
        "messages[].content[].image_url": Rule("refuse", note="but base64 `data:` URIs, since Ollama fetches nothing"),
        "messages[].content[].input_audio": Rule("refuse"),
        "messages[].reasoning_content": Rule("rename", "messages[].thinking"),
        "messages[].reasoning": Rule("rename", "messages[].thinking", "the first that says anything"),
        "messages[].thinking": Rule("pass", note="the first that says anything"),
        "messages[].refusal": Rule("change", "messages[].content", "where there is no content; else dropped"),
        "messages[].function_call": Rule("change", "messages[].tool_calls", "with an id of its place"),
        "messages[].role = function": Rule("change", "tool", "the id is that of the last call of its name"),
        "messages[].tool_calls[].index": Rule("change", note="calls are numbered in their order"),
        "messages[].tool_calls[].function.arguments": Rule(
            "change", "arguments", 'the object itself; text that is none as `{"arguments": …}`'
        ),
        "messages[].tool_call_id": Rule("pass", note="with the call's name as `tool_name`"),
        **dict.fromkeys(_DROPPED.split(), DROP),
        **{name: Rule("refuse") for name in _REFUSED.split()},
    }
)

_OF_MESSAGES = frozenset("messages tools tool_choice functions function_call modalities audio".split())

TEXT_RULES = Rules(
    {
        **{name: rule for name, rule in RULES.rules.items() if "[" not in name and name not in _OF_MESSAGES},
        "prompt": Rule("pass", note="raw, unless there is a suffix; tokens, or nothing: 400"),
        "suffix": Rule("pass"),
        "best_of": Rule("change", note="400 if it is more than `n`: a stream cannot be the best of several"),
        "logprobs": Rule("pass", note="as true, with the number in `top_logprobs`"),
        "think": Rule("pass", note="else false: a text is not torn apart at a model's tags"),
    }
)
"""The same for a text to go on with; the options' rules are those of `RULES`."""
