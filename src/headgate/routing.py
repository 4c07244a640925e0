"""A model's name, and who serves what -> the upstream to ask, and the name to ask it for.

Strategy: what the operator said goes before what the engines said: an alias, a prefix, configured models, reported
models.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from headgate.errors import RequestError

_SHOWN_MAX = 20
"""Models that a message lists; a hundred names help nobody."""

_NONE: Mapping[str, str] = MappingProxyType({})


class Source(Protocol):
    """What a choice needs to know of an upstream."""

    @property
    def name(self) -> str:
        """What the operator calls it."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """The models that the operator says it serves."""
        ...


class Target(NamedTuple):
    """Where a request goes, and the model to ask for there."""

    upstream_name: str
    model: str


def choose(
    model: str,
    upstreams: Sequence[Source],
    known_models: Mapping[str, Sequence[str]],
    aliases: Mapping[str, str] = _NONE,
) -> Target:
    """Choose the upstream that serves a model.

    An alias stands for its model, once. A single upstream gets everything. Of several, the one that `NAME/model`
    names; else the first that was configured with the model; else the first that reported it.

    Args:
        model: what the client asked for.
        upstreams: in the order of configuration; at least one.
        known_models: the models that each upstream reported, by the upstream's name.
        aliases: names that stand for other models.

    Raises:
        RequestError: `model_not_found`, listing what there is.
    """
    model = aliases.get(model, model)
    name, slash, rest = model.partition("/")
    if slash and rest and any(upstream.name == name for upstream in upstreams):
        return Target(name, rest)
    if len(upstreams) == 1:
        return Target(upstreams[0].name, model)
    configured = (upstream.name for upstream in upstreams if model in upstream.models)
    reported = (upstream.name for upstream in upstreams if model in known_models.get(upstream.name, ()))
    chosen = next(configured, None) or next(reported, None)
    if chosen is None:
        raise not_found(model, upstreams, known_models, aliases)
    return Target(chosen, model)


def not_found(
    model: str,
    upstreams: Sequence[Source],
    known_models: Mapping[str, Sequence[str]],
    aliases: Mapping[str, str] = _NONE,
) -> RequestError:
    """The error for a model that nobody serves: near names, or else some of what there is."""
    served = (name for one in upstreams for name in (*one.models, *known_models.get(one.name, ())))
    names = dict.fromkeys((*aliases, *served))
    shown = difflib.get_close_matches(model, names, n=_SHOWN_MAX) or list(names)[:_SHOWN_MAX]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    there_is = f"There are {', '.join(shown)}{more}." if shown else "No engine reported any; are they running?"
    engines = ", ".join(upstream.name for upstream in upstreams)
    return RequestError(
        "model_not_found",
        f"no engine serves the model {model[:100]!r}. {there_is} UPSTREAM/model asks one engine ({engines}).",
        param="/model",
    )
