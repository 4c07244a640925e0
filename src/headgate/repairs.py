"""The named repairs: every change made to bring a stream into contract, with a sentence why.

A quirk that may recur in every chunk is reported once per response; a rescue (markup that became
reasoning or a call, a block that was moved) is reported each time.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "role_repeated": "The engine named the role again; clients that add strings up would read `assistantassistant`.",
    "reasoning_renamed": "Reasoning came under another name than `reasoning_content`.",
    "null_dropped": "A field was present but null, where the contract leaves it out.",
    "empty_dropped": "A delta or a field was empty; it says nothing, and clients trip over it.",
    "finish_split": "The finish reason came on a chunk that also carried content; it now has its own.",
    "finish_derived": "The finish reason contradicted the message (calls without `tool_calls`, or the reverse).",
    "finish_mapped": "The engine's finish word is none of the contract's; `raw_reason` keeps it.",
    "call_index_assigned": "A tool call had no index, or the index of another call.",
    "call_id_minted": "A tool call had no id; clients cannot answer a call without one.",
    "call_id_changed": "A tool call had the id of another call.",
    "call_header_repeated": "The engine repeated a call's id or name in later fragments; clients would double them.",
    "call_name_cleaned": "Markup stuck to a tool's name and was cut off.",
    "arguments_serialised": "Arguments came as an object; the contract wants the JSON text.",
    "arguments_defaulted": "A call had no arguments at all; `{}` stands for them.",
    "usage_moved": "Usage came on a content chunk, a finish chunk or several times; it is told once, at the end.",
    "usage_summed": "Several choices reported usage apart; outputs are added, the prompt is counted once.",
    "object_corrected": "A chunk called itself something other than `chat.completion.chunk`.",
    "choices_empty": "A chunk without choices carried no usage either.",
    "identity_unified": "The response's id, time or model changed or was missing within the stream.",
    "logprobs_completed": "Log probabilities lacked fields that the contract requires.",
    "type_coerced": "A field had another type than documented and was read for what it means.",
    "field_ignored": "A field had a value that means nothing; it was left out.",
    "text_replaced": "Bytes that are not UTF-8, or half a surrogate pair, became U+FFFD.",
    "record_unterminated": "The last record had no line end; it was complete, and was read.",
    "error_field": "An error came in an `error:` line, which event-stream readers ignore.",
    "closed_after_finish": "The stream ended after a finish reason, but without the end marker.",
    "reasoning_unopened": "A closing reasoning tag without an opener; the text before it is reasoning.",
    "reasoning_from_text": "Reasoning stood between tags in the text.",
    "call_from_text": "A tool call stood as markup in the text.",
    "markup_removed": "Tags that only structure the message were taken out of the text.",
    "markup_cut": "The text ended, or a structured block began, inside a tag.",
    "markup_given_back": "Markup that may not be acted on (an undeclared tool, an unknown recipient) stayed text.",
    "markup_too_long": "A tag's header was longer than the limit and stayed text.",
    "harmony_message_missing": "A harmony header had no `<|message|>`.",
    "extra_dropped": "A value that this surface has no place for was left out.",
}
