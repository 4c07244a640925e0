"""A model's name, and the name under which an engine answered -> whether another model answered.

llama-server answers under its own model's name, whatever it was asked for.
"""

from __future__ import annotations

from collections.abc import Collection

_LATEST = ":latest"


def is_other_model(asked: str | None, answered: str | None, also: Collection[str] = ()) -> bool:
    """Whether the model that answered is another one than was asked for, as far as names tell.

    Case does not count, nor does Ollama's tag for no tag, `:latest`; and who says no name says no other.

    Args:
        asked: what the engine was asked for.
        answered: what it calls itself in its reply.
        also: names that the engine uses for the model that was asked for.
    """
    if not asked or not answered or asked == answered:
        return False
    plain = _plain(answered)
    return plain != _plain(asked) and plain not in map(_plain, also)


def _plain(name: str) -> str:
    return name.casefold().removesuffix(_LATEST)
