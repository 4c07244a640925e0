from __future__ import annotations

from typing import NamedTuple

import pytest

from headgate.errors import RequestError
from headgate.routing import Target, choose


class Upstream(NamedTuple):
    name: str
    models: tuple[str, ...] = ()


ALONE = [Upstream("only", ("configured",))]
TWO = [Upstream("a", ("mine",)), Upstream("b", ("mine", "yours"))]
KNOWN = {"a": ["small", "yours", "b/odd"], "b": ["small", "large"]}


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("configured", Target("only", "configured")),
        ("anything", Target("only", "anything")),
        ("org/model", Target("only", "org/model")),
        ("only/org/model", Target("only", "org/model")),
        ("only/", Target("only", "only/")),
        ("", Target("only", "")),
    ],
)
def test_a_single_upstream_gets_everything(model: str, target: Target) -> None:
    assert target == choose(model, ALONE, {})


@pytest.mark.parametrize(
    ("model", "target", "why"),
    [
        ("b/small", Target("b", "small"), "a prefix names the upstream"),
        ("b/unheard-of", Target("b", "unheard-of"), "and is believed"),
        ("b/odd", Target("b", "odd"), "even where an engine has a model of that name"),
        ("a/b/odd", Target("a", "b/odd"), "which its own prefix reaches"),
        ("mine", Target("a", "mine"), "the first that was configured with it"),
        ("yours", Target("b", "yours"), "configured goes before reported"),
        ("small", Target("a", "small"), "the first that reported it"),
        ("large", Target("b", "large"), "the only one that reported it"),
    ],
)
def test_several_upstreams_are_told_apart(model: str, target: Target, why: str) -> None:
    assert target == choose(model, TWO, KNOWN), why


def test_an_unknown_model_is_refused_with_what_there_is() -> None:
    with pytest.raises(RequestError) as caught:
        choose("zzz", TWO, KNOWN)

    assert ("model_not_found", 404, "/model") == (caught.value.code, caught.value.status, caught.value.param)
    assert (
        "no engine serves the model 'zzz'. There are mine, small, yours, b/odd, large. "
        "UPSTREAM/model asks one engine (a, b)."
    ) == caught.value.message


def test_near_names_come_alone() -> None:
    with pytest.raises(RequestError, match=r"There are large and 4 more\."):
        choose("larger", TWO, KNOWN)


def test_a_hundred_names_are_not_listed() -> None:
    with pytest.raises(RequestError, match=r"There are mine, 0, 1, .*, 18 and 80 more\."):
        choose("zzz", TWO, {"a": [str(number) for number in range(98)]} | {"b": ["mine"]})


def test_when_no_engine_told_anything_the_message_asks_whether_they_run() -> None:
    with pytest.raises(RequestError, match=r"No engine reported any; are they running\?"):
        choose("m", [Upstream("a"), Upstream("b")], {})


ALIASES = {"fast": "b/small", "best": "large", "a/odd": "large"}


@pytest.mark.parametrize(
    ("model", "target", "why"),
    [
        ("fast", Target("b", "small"), "an alias may name the upstream"),
        ("best", Target("b", "large"), "or leave that to what is known"),
        ("a/odd", Target("b", "large"), "it goes before a prefix"),
        ("small", Target("a", "small"), "and changes nothing else"),
    ],
)
def test_an_alias_stands_for_its_model(model: str, target: Target, why: str) -> None:
    assert target == choose(model, TWO, KNOWN, ALIASES), why


def test_an_alias_counts_with_a_single_upstream_too() -> None:
    assert "large" == choose("best", ALONE, {}, ALIASES).model


def test_near_names_are_aliases_too() -> None:
    with pytest.raises(RequestError, match=r"There are fast and 7 more\."):
        choose("fasd", TWO, KNOWN, ALIASES)
