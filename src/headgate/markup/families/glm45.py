"""`<tool_call>f<arg_key>k</arg_key><arg_value>v</arg_value></tool_call>` -> tool calls (GLM 4.5 to 5, Ling 3, Laguna).

Strategy: strings are written bare and everything else as JSON, so that the tool's schema decides what a value is. Some
of the models write one object behind the name; where the family is named, one in its place is read too.
Spec: the chat templates of zai-org/GLM-4.5, zai-org/GLM-4.7 and poolside/Laguna-XS; Ollama model/parsers/glm46.go and
laguna.go, llama.cpp common/parsers/ling3.cpp and SGLang function_call/glm47_moe_detector.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.arg_pairs import arg_pairs
from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.json_calls import Frame
from headgate.markup.readers.tag_family import tag_family

_OBJECT = Frame(openers=("<tool_call>",), closers=("</tool_call>",))

FAMILY = tag_family("glm45", arg_pairs(), CallFamily("glm45", _OBJECT.openers, _OBJECT.reader, follows=("{",)))
