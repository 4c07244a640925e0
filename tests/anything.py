"""Bodies with anything anywhere: whatever a client sends is served, or refused with a pointer to where the fault is."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st


def anything(words: list[str], keys: list[str]) -> st.SearchStrategy[Any]:
    """Any JSON; its strings are these words, and its keys these keys."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from([10**400, -1, 0.5, "", "x", *words]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(keys), inner),
        max_leaves=4,
    )


def changed_somewhere(body: dict[str, Any], data: st.DataObject, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """A copy of the body with one of these values in the place of one of its own."""
    changed: dict[str, Any] = json.loads(json.dumps(body))
    container, key = data.draw(st.sampled_from(_places(changed)))
    container[key] = data.draw(values)
    return changed


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key or index in it, so that `container[key] = other` changes the value."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]
