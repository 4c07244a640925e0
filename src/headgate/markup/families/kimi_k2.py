"""`<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{…}<|tool_call_end|>` -> tool calls (Kimi K2, K2.5).

Strategy: the header is the call's id, which the model wants back as it wrote it, and holds the tool's name. Where it is
a mere counter, the tool is the only one that was declared, or the only one that has all the arguments' names.
Spec: moonshotai/Kimi-K2-Instruct, docs/tool_call_guidance.md; vLLM parser/kimi_k2.py, SGLang function_call/
kimik2_detector.py and llama.cpp common/parsers/kimi-k2.cpp read the same.
"""

from __future__ import annotations

import json
import re

from headgate.markup.family import Settings
from headgate.markup.readers.calls import CallFamily, begins
from headgate.markup.readers.named_calls import Header, NamedCalls, begins_name
from headgate.markup.readers.schema import Schema

_SECTIONS = ("<|tool_calls_section_begin|>", "<|tool_call_section_begin|>")
_CALL, _ARGUMENTS = "<|tool_call_begin|>", "<|tool_call_argument_begin|>"
_HEADER = Header(
    (*_SECTIONS, _CALL),
    begins=(_CALL,),
    marks=(_ARGUMENTS,),
    ends=("<|tool_call_end|>",),
    closes=("<|tool_calls_section_end|>", "<|tool_call_section_end|>"),
)
_PREFIX = "functions."
_COUNTED = re.compile(r"(.+):\d+")
_COUNTER = re.compile(r"(?:call_)?\d+")


class KimiCalls(NamedCalls):
    """Reads a section of calls."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, _HEADER)

    def _resolve(self) -> tuple[str, str] | None:
        self._id = self._name
        tools = self._settings.tools
        if _COUNTER.fullmatch(self._name):
            return (next(iter(tools)) if len(tools) == 1 else "", self._id) if tools else None
        counted = _COUNTED.fullmatch(self._name)
        name = counted[1] if counted else self._name
        if tools is not None and name in tools:
            return name, self._id
        return (name.removeprefix(_PREFIX), self._id) if counted or tools is not None else None

    def _infer(self) -> str:
        """The only tool that declares every argument there is; "" if there is none."""
        tools = self._settings.tools or {}
        keys = _keys("".join(value for _, value in self._early))
        fitting = [name for name, schema in tools.items() if keys and _declares_all(Schema(schema), keys)]
        return fitting[0] if len(fitting) == 1 else ""


class KimiK2(CallFamily):
    """A section of calls, or a call without one."""

    def opens(self, rest: str, settings: Settings, /) -> bool | None:
        """Whether `rest` begins a section that holds a call, or a call; None while it may still."""
        del settings
        section = begins(rest, _SECTIONS, (_CALL,))
        return begins_name(rest, (_CALL,), ((_ARGUMENTS,),)) if section is False else section


FAMILY = KimiK2("kimi-k2", _HEADER.openers, KimiCalls)


def _keys(arguments: str) -> list[str]:
    """The names of a JSON object's members; none if it is no object."""
    try:
        value = json.loads(arguments, parse_int=float)
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


def _declares_all(schema: Schema, keys: list[str]) -> bool:
    return all(schema.declares(key) for key in keys)
