"""What a row of a table of request fields promises, held to what is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from headgate.dialects.request_table import Rule
from headgate.errors import RequestError
from headgate.messages import HttpRequest


def check(name: str, rule: Rule, value: Any, ask: Callable[..., HttpRequest]) -> None:
    """The field, asked for with this value, is refused, or sent or left out as the rule says."""
    if rule.action == "refuse":
        with pytest.raises(RequestError) as refused:
            ask(**{name: value})
        assert ("unsupported", f"/{name}") == (refused.value.code, refused.value.param)
        return
    found = ask(**{name: value})
    body = json.loads(found.body)
    outer, _, inner = rule.to.partition(".")
    assert ((name,) if rule.action == "drop" else ()) == found.dropped
    match rule.action:
        case "pass":
            assert value == body[name]
        case "rename":
            assert ({inner: value} if inner else value) == body[outer]
        case "change":
            assert inner in body[outer] if inner else outer in body
        case "drop":
            assert name not in body
