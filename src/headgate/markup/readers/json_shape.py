"""What a JSON object must hold to be a tool call, in every spelling of the keys.

Spec: the chat templates of the families named in the files that use this one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME_KEYS = frozenset({"name", "function", "tool_name", "tool", "function_name"})
ARGUMENT_KEYS = frozenset({"arguments", "parameters", "args", "params", "input"})
ID_KEYS = frozenset({"id", "call_id", "tool_call_id"})
CALL_KEYS = NAME_KEYS | ARGUMENT_KEYS | ID_KEYS | {"type", "index"}
CALL_TYPES = frozenset({"function", "function_call", "tool_call", "tool_use"})
"""What a call's `type` says."""


_SPACE = re.compile(r"\s|^\Z")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an object must hold to be a call, and what stands behind it.

    Args:
        closers: what may end the block; an object that breaks off at one is over.
        argument_keys: the keys that its arguments may have.
        name_alone: whether an object that holds a tool's name and no arguments is a call.
        strict: whether, where no tools are known, it must be nothing but a call: see `may_have` and `may_say`.
    """

    closers: tuple[str, ...] = ()
    argument_keys: frozenset[str] = ARGUMENT_KEYS
    name_alone: bool = True
    strict: bool = False

    def may_have(self, key: str) -> bool:
        """Whether an object with this key may be a call of a tool that nobody declared."""
        return not self.strict or key in CALL_KEYS

    def may_say(self, key: str, value: str) -> bool:
        """Whether it may be one with this text at the key."""
        if not self.strict or key in ARGUMENT_KEYS:
            return True
        return value in CALL_TYPES if key == "type" else key not in NAME_KEYS or not _SPACE.search(value)
