"""Content blocks of a request -> canonical parts, thoughts and calls.

Strategy: each kind of block has the fields that it needs and those that are read besides; whatever else a block holds
has no place here, and its name is noted. A part is written anew in OpenAI's form, which is what most engines are sent.
Spec: https://docs.claude.com/en/api/messages#body-messages-content
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from headgate.errors import RequestError
from headgate.messages import Part, ReasoningPart, ToolCall
from headgate.signatures import is_foreign
from headgate.strict_json import pointer
from headgate.surfaces.anthropic_ids import to_engine
from headgate.surfaces.anthropic_shapes import Block, Source
from headgate.surfaces.invalid import Path, invalid

_encode = msgspec.json.Encoder().encode


class _Kind(NamedTuple):
    """The fields of a kind of block: those that it must have, and those that are read if they are there."""

    required: tuple[str, ...]
    read: tuple[str, ...] = ()


_KINDS = {
    "text": _Kind(("text",)),
    "image": _Kind(("source",)),
    "document": _Kind(("source",), ("title",)),
    "tool_use": _Kind(("id", "name"), ("input",)),
    "tool_result": _Kind(("tool_use_id",), ("content", "is_error")),
    "thinking": _Kind(("thinking",), ("signature",)),
    "redacted_thinking": _Kind(("data",)),
}
_SOURCES = {
    ("image", "base64"): ("media_type", "data"),
    ("image", "url"): ("url",),
    ("document", "text"): ("data",),
    ("document", "base64"): ("media_type", "data"),
    ("document", "content"): ("content",),
}
PARTS = ("text", "image", "document")


class Reader:
    """Reads the blocks of one request; `dropped` names what they held beyond what has a place.

    Args:
        body: the whole request's value.
    """

    def __init__(self, body: Any) -> None:
        self.body = body
        self.dropped: list[str] = []

    def check(self, block: Block, kinds: Sequence[str], path: Path, place: str) -> None:
        """Check that a block is one of these kinds and has what it needs; `place` is how its fields are named.

        Raises:
            RequestError: `invalid_request`, with the JSON pointer of the field as `param`.
        """
        if block.type not in kinds:
            raise invalid((*path, "type"), f"one of {', '.join(kinds)}", self.body)
        kind = _KINDS[block.type]
        for name in kind.required:
            if getattr(block, name) is None:
                raise invalid((*path, name), "a value", self.body)
        self.note(path, place, {"type", *kind.required, *kind.read})

    def note(self, path: Path, place: str, known: set[str]) -> None:
        """Note the names of what stands at `path` and is not known, unless it says nothing."""
        given: Any = self.body
        for step in path:
            given = given[step]
        self.dropped += [
            f"{place}.{name}" for name in given if name not in known and given[name] not in (None, [], {}, "")
        ]

    def content(
        self, content: str | Sequence[Block], path: Path, place: str, kinds: Sequence[str] = PARTS
    ) -> str | tuple[Part, ...]:
        """Read what is nothing but parts; one text alone is a string.

        Raises:
            RequestError: naming the field.
        """
        if isinstance(content, str):
            return content
        parts: list[Part] = []
        for number, block in enumerate(content):
            self.check(block, kinds, (*path, number), f"{place}[]")
            parts += self.parts(block, (*path, number), f"{place}[]")
        return joined(parts)

    def parts(self, block: Block, path: Path, place: str) -> list[Part]:
        """Read a text, an image or a document, which may hold several; its kind is checked already.

        Raises:
            RequestError: naming the field.
        """
        source = block.source
        if source is None:
            return [_text(block.text or "")]
        self._check_source(block.type, source, (*path, "source"), f"{place}.source")
        if block.type == "image":
            return [self._image(source, (*path, "source"))]
        if source.type == "content":
            inner = self.content(source.content or "", (*path, "source", "content"), f"{place}.source.content", PARTS)
            parts = [_text(inner)] if isinstance(inner, str) else list(inner)
        else:
            parts = [_document(source, block.title)]
        if block.title and source.type != "base64":
            self.dropped.append(f"{place}.title")
        return parts

    def _check_source(self, kind: str, source: Source, path: Path, place: str) -> None:
        known = [other for taker, other in _SOURCES if taker == kind]
        if source.type in {"url", "file"} and source.type not in known:
            sentence = (
                f"expected {kind}s inside of the request, got one elsewhere. Send it as base64 at {pointer(*path)}."
            )
            raise RequestError("unsupported", sentence, param=pointer(*path, "type"))
        if source.type not in known:
            raise invalid((*path, "type"), f"one of {', '.join(known)}", self.body)
        needed = _SOURCES[kind, source.type]
        for name in needed:
            if getattr(source, name) is None:
                raise invalid((*path, name), "a value", self.body)
        self.note(path, place, {"type", "media_type", *needed})

    def _image(self, source: Source, path: Path) -> Part:
        url = source.url or ""
        if source.type == "base64":
            url = f"data:{source.media_type};base64,{source.data}"
        elif not url[:8].lower().startswith(("http:", "https:")):
            # An engine would read file:// on its own machine.
            raise invalid((*path, "url"), "an http(s) URL", self.body)
        return Part("image", url, Raw(_encode({"type": "image_url", "image_url": {"url": url}})))


def joined(parts: Sequence[Part]) -> str | tuple[Part, ...]:
    """A message's content: its parts, or the text of one that is alone, which every engine's template takes."""
    if len(parts) == 1 and parts[0].kind == "text":
        return parts[0].text
    return tuple(parts) or ""


def thought(block: Block) -> ReasoningPart:
    """Read a block of thinking. Only a signature that somebody will check again is kept."""
    if block.type == "redacted_thinking":
        return ReasoningPart("", signature=block.data, redacted=True)
    return ReasoningPart(block.thinking or "", signature=block.signature if is_foreign(block.signature) else None)


def call(block: Block) -> ToolCall:
    """Read a tool call; its arguments are the text that the model wrote."""
    given = b"{}" if block.input is UNSET or bytes(block.input) == b"null" else bytes(block.input)
    return ToolCall(to_engine(block.id or ""), block.name or "", given.decode())


def _text(text: str) -> Part:
    return Part("text", text, Raw(_encode({"type": "text", "text": text})))


def _document(source: Source, title: str | None) -> Part:
    if source.type == "text":
        return _text(source.data or "")
    file = {"filename": title or "document", "file_data": f"data:{source.media_type};base64,{source.data}"}
    return Part("other", "", Raw(_encode({"type": "file", "file": file})))
