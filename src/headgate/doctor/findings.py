"""Every deviation that a report may name: the repairs, and what shows only when somebody asks for it.

A repair keeps its sentences in `headgate.repairs`; here stand those that no stream shows by itself.
"""

from __future__ import annotations

from headgate import repairs

CODES: dict[str, str] = {
    "contract_broken": "The raw bytes break the stream contract that this endpoint claims to keep.",
    "content_type_wrong": "The reply came under another content type than its format has.",
    "stop_ignored": "The answer goes on after the stop sequence that the request named.",
    "length_ignored": "The answer is longer than the limit that the request set.",
    "text_torn": "A character that spans several tokens was cut: U+FFFD stands in its place.",
    "usage_missing": "The request asked for usage, and none was told.",
    "usage_unasked": "Usage was told although the request did not ask for it.",
    "choices_missing": "The request asked for several choices, and fewer came.",
    "logprobs_missing": "The request asked for log probabilities, and none came.",
    "schema_ignored": "The request named a JSON schema, and the answer does not have its shape.",
    "model_ignored": "A model that does not exist was answered for.",
    "mistake_ignored": "A request that is wrong was answered as if it were right.",
    "prompt_truncated": "A prompt that is longer than the context was answered as if it fitted.",
    "error_status": "A mistake of the client was answered with the status of a server's own fault.",
    "error_shape": "The body of an error is not the object that this API describes.",
    "generation_kept": "The engine went on generating after its client had left.",
    "silence": "Nothing was sent for longer than the proxies between wait.",
}

BREAKS: dict[str, str] = {
    "contract_broken": "Clients that rely on the contract read something else, or crash.",
    "content_type_wrong": "Event-stream readers of browsers and of typed clients refuse the reply.",
    "stop_ignored": "Agents and completion clients read on into text that they meant to leave out.",
    "length_ignored": "Whoever pays by token, or has room for so many, gets more.",
    "text_torn": "The user reads a replacement character where an emoji or a Chinese character was.",
    "usage_missing": "Clients that count or bill tokens have nothing to count.",
    "usage_unasked": "Clients that read `choices[0]` of every chunk crash at the one that has usage only.",
    "choices_missing": "Clients that compare answers get one, and index past the end.",
    "logprobs_missing": "Evaluation tools crash, or score nothing.",
    "schema_ignored": "Programs that parse the answer fail, now and then.",
    "model_ignored": "A misspelt name gets another model's answer, and nobody notices.",
    "mistake_ignored": "A mistake in a client shows up much later, as a strange answer.",
    "prompt_truncated": "The beginning of the conversation, instructions included, is lost without a word.",
    "error_status": "Clients try again, several times, what can never succeed.",
    "error_shape": "Clients show a bare status instead of the reason.",
    "generation_kept": "Cancelled answers keep the machine busy, and the next request waits for them.",
    "silence": "A proxy or a client with an idle timeout cuts the connection.",
}


def sentence(code: str) -> str:
    """Say what a finding means."""
    return CODES.get(code) or repairs.CODES[code]


def breaks(code: str) -> str:
    """Say what happens to a client that meets it."""
    return BREAKS.get(code) or repairs.BREAKS[code]
