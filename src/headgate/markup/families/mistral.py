"""`[TOOL_CALLS][{"name": …, "arguments": {…}}]` and `[TOOL_CALLS]f[ARGS]{…}` -> tool calls (Mistral, Devstral).

Strategy: the list is what tokenizers up to v7 write, the name what later ones do, with `[ARGS]`, an id behind
`[CALL_ID]`, both or neither. Nothing closes a call; the next one has its own opener.
Spec: mistral_common/tokens/tokenizers/instruct.py (V3 to V13); vLLM parser/mistral.py, SGLang function_call/
mistral_detector.py, Ollama model/parsers/ministral.go and llama.cpp common/parsers/ministral3.cpp read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.named_calls import Header, NamedFamily

_OPENERS = ("[TOOL_CALLS]",)
_ID_MARK = "[CALL_ID]"
_MARKS = ("[ARGS]", _ID_MARK)
_FRAME = Frame(_OPENERS)
_HEADER = Header(_OPENERS, marks=_MARKS, bare=True, id_mark=_ID_MARK)

FAMILY = Forms(
    "mistral",
    (
        CallFamily("mistral", _OPENERS, _FRAME.reader, follows=("[", "{")),
        NamedFamily("mistral", _OPENERS, _HEADER.reader, steps=((*_MARKS, "{"),)),
    ),
)
