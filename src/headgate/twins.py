"""An object that reads or writes a response -> another one in the same state.

Strategy: such classes have slots and no dictionary, since one of each is made for every response and kept until its
end; so there is no dictionary to copy, and the slots are copied one by one. What a slot holds is shared by both: a
class that changes what it holds copies that itself.
Spec: ours (`docs/adding.md`)
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def twin(value: T) -> T:
    """Return another object of the same class with the same attributes, in slots (each must be set) or not."""
    kind: Any = type(value)
    copied: T = kind.__new__(kind)
    for slot in _slots(kind):
        setattr(copied, slot, getattr(value, slot))
    if hasattr(value, "__dict__"):
        copied.__dict__.update(value.__dict__)
    return copied


@cache
def _slots(kind: type) -> tuple[str, ...]:
    """The slots of a class and of those that it is made of."""
    return tuple(slot for base in kind.__mro__ for slot in base.__dict__.get("__slots__", ()))
