"""A tool's JSON Schema -> which types each of its parameters may have.

Strategy: a schema's alternatives (`anyOf`, `oneOf`, `allOf`, local references) are flattened to a list, and what any of
them allows is allowed: a reader of text has to choose a type, not to validate.
Spec: https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

Types: TypeAlias = frozenset[str]

_NODES_MAX = 256
"""Alternatives of one schema that are looked at. Real ones have fewer than 20."""

_NAMES = {
    **dict.fromkeys(("string", "str", "text", "varchar", "char", "enum"), "string"),
    **dict.fromkeys(("integer", "int", "int32", "int64", "uint", "uint32", "uint64"), "integer"),
    **dict.fromkeys(("long", "short", "unsigned"), "integer"),
    **dict.fromkeys(("number", "num", "float", "float32", "float64", "double", "decimal"), "number"),
    **dict.fromkeys(("boolean", "bool", "binary"), "boolean"),
    **dict.fromkeys(("null", "none"), "null"),
    **dict.fromkeys(("object", "dict", "map"), "object"),
    **dict.fromkeys(("array", "arr", "list", "tuple", "sequence"), "array"),
    "any": "any",
}
"""JSON Schema's types, and what declarations call them otherwise (vLLM and SGLang know the same)."""


class Wanted(NamedTuple):
    """What a value should be: the types that are allowed, and the only values where the schema lists them."""

    types: Types = frozenset()
    values: tuple[Any, ...] = ()


class Schema:
    """A JSON Schema, or several of which one holds; one of which nothing is known where there is none.

    Args:
        schema: decoded, or as JSON text; anything that is no schema counts as none.
    """

    def __init__(self, schema: Any = None) -> None:
        self._root = _decoded(schema)
        self._nodes = tuple(_alternatives([self._root], self._root))

    def _of(self, schemas: Iterable[Any]) -> Schema:
        part = Schema.__new__(Schema)
        part._root = self._root
        part._nodes = tuple(_alternatives(list(schemas), self._root))
        return part

    def member(self, key: str) -> Schema:
        """The schema of an object's property; nothing is known of one that is not declared."""
        declared = [node["properties"][key] for node in self._nodes if key in _properties(node)]
        return self._of(declared or (node.get("additionalProperties") for node in self._nodes))

    def element(self, place: int) -> Schema:
        """The schema of a list's element at this place."""
        return self._of(_element(node, place) for node in self._nodes)

    def declares(self, key: str) -> bool | None:
        """Whether it has a property of this name; None if it tells of no properties at all."""
        named = [_properties(node) for node in self._nodes]
        return any(key in properties for properties in named) if any(named) else None

    @property
    def names(self) -> tuple[str, ...]:
        """The properties that it declares, in order."""
        return tuple(dict.fromkeys(key for node in self._nodes for key in _properties(node)))

    @property
    def wanted(self) -> Wanted:
        """What a value of it should be."""
        typed = [(_types(node), _values(node)) for node in self._nodes]
        listed = [values for types, values in typed if types]
        only = tuple(value for values in listed for value in values) if all(listed) else ()
        return Wanted(frozenset(name for types, _ in typed for name in types), only)


def _decoded(schema: Any) -> Any:
    if not isinstance(schema, bytes | msgspec.Raw | str):
        return schema
    try:
        return msgspec.json.decode(schema)
    except (ValueError, RecursionError):
        return None


def _alternatives(schemas: list[Any], root: Any) -> Iterator[Mapping[str, Any]]:
    """Every schema that may hold where these do, references resolved, each once."""
    waiting = schemas[::-1]
    known: set[int] = set()
    while waiting and len(known) < _NODES_MAX:
        node = waiting.pop()
        if not isinstance(node, Mapping) or id(node) in known:
            continue
        known.add(id(node))
        yield node
        for keyword in ("allOf", "oneOf", "anyOf"):
            branches = node.get(keyword)
            waiting += branches[::-1] if isinstance(branches, list) else []
        if isinstance(reference := node.get("$ref"), str):
            waiting.append(_resolved(reference, root))


def _resolved(reference: str, root: Any) -> Any:
    """What a reference inside the same document points at (RFC 6901); None for any other."""
    if not reference.startswith("#"):
        return None
    node = root
    for token in reference[1:].split("/")[1:]:
        node = node.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
    return node


def _properties(node: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = node.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _element(node: Mapping[str, Any], place: int) -> Any:
    first, rest = node.get("prefixItems"), node.get("items")
    if isinstance(rest, list):  # before draft 2020-12
        first, rest = rest, node.get("additionalItems")
    return first[place] if isinstance(first, list) and place < len(first) else rest


def _types(node: Mapping[str, Any]) -> set[str]:
    told = node.get("type")
    words = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    names = [_NAMES.get(word.strip().lower()) for word in words if isinstance(word, str)]
    found = {name for name in names if name} or {_type_of(value) for value in _values(node)}
    if not found:
        found = {"object"} if _properties(node) else {"array"} if "items" in node or "prefixItems" in node else set()
    return found | {"null"} if found and node.get("nullable") is True else found


def _values(node: Mapping[str, Any]) -> list[Any]:
    if "const" in node:
        return [node["const"]]
    listed = node.get("enum")
    return listed if isinstance(listed, list) else []


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "any"


_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before int, which it is too
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
