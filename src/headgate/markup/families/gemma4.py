"""`<|tool_call>call:f{city:<|"|>Paris<|"|>,days:3}<tool_call|>` -> tool calls (Gemma 4).

Strategy: a call whose opener was stripped, or never written, counts where a block may begin. Where the family is named,
so does any other channel than `thought` as a thought, and what is left of an opener that was torn (`<call>f{…}`).
Spec: the chat template of google/gemma-4-E4B-it; vLLM tool_parsers/gemma4_tool_parser.py and gemma4_utils.py, SGLang
function_call/gemma4_detector.py, Ollama model/parsers/gemma4.go and llama.cpp common/parsers/gemma4.cpp read the same.
"""

from __future__ import annotations

from headgate.markup.readers.forms import Forms
from headgate.markup.readers.gemma_calls import Notation, form
from headgate.markup.thoughts import Pairs, Think

_NAME = "gemma4"
_DELIMITER = '<|"|>'
_CLOSERS = ("<tool_call|>", "<turn|>")
_NOISE = ("<|tool_response>",)
_NOTATION = Notation(_DELIMITER, ("<|tool_call>",), _CLOSERS, _NOISE)
_TORN = Notation(_DELIMITER, ("<call>",), _CLOSERS, _NOISE, word=False)

_CHANNELS = Pairs({"<|channel>thought": ("<channel|>",), "<|channel>": ("<channel|>",)})

FAMILY = Forms(
    _NAME,
    (form(_NAME, _NOTATION), form(_NAME, _NOTATION, bare=True)),
    when_named=(form(_NAME, _TORN), Think(_NAME, _CHANNELS)),
)
