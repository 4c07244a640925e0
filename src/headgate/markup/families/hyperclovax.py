"""`<|im_start|>assistant -> tool/function_call` and JSON calls -> tool calls (HyperCLOVA X SEED Think).

Strategy: a call is a message of a role of its own, whose head the prompt may hold but for its end. The thought is one,
too, and is looked for only where the family is named.
Spec: the model card of naver-hyperclovax/HyperCLOVAX-SEED-Think-14B; vLLM tool_parsers/hyperclovax_tool_parser.py and
reasoning/hyperclovax_reasoning_parser.py read the same.
"""

from __future__ import annotations

from headgate.markup.readers.calls import CallFamily
from headgate.markup.readers.forms import Forms
from headgate.markup.readers.json_calls import Frame
from headgate.markup.thoughts import Pairs, Think

_NAME = "hyperclovax"
_END, _HEAD, _ROLE = "<|im_end|>", "<|im_start|>assistant", "-> tool/function_call\n"
_OPENERS = (f"{_HEAD} {_ROLE}", f"{_END}\n{_HEAD} {_ROLE}", f"{_END}{_HEAD} {_ROLE}")
_FRAME = Frame((_ROLE, *_OPENERS), closers=(f"{_END}<|stop|>", f"{_END}<|endofturn|>", _END, "<|stop|>"))
_BEGINS = ("[", "{")
_THOUGHTS = Pairs({"/think\n": (f"{_END}\n{_HEAD}\n",)})

FAMILY = Forms(
    _NAME,
    (
        CallFamily(_NAME, _OPENERS, _FRAME.reader, _BEGINS),
        CallFamily(_NAME, (_ROLE,), _FRAME.reader, _BEGINS, anywhere=False),
    ),
    when_named=(Think(_NAME, _THOUGHTS),),
)
