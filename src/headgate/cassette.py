"""A cassette: one exchange with an engine, exact in bytes and in time, as the files of a folder.

Strategy: four flat files that people can read, diff and write by hand; whoever has the folder reads and writes it.

    meta.toml     engine, version, model, date, path (with its method unless that is POST), status, content_type,
                  shows (one sentence), source (recorded, seed or constructed), and what follows from them
    request.json  the body that was sent; request.raw where that is no JSON; neither where there was none
    response.raw  the body's bytes as they were read, without HTTP's framing
    chunks.txt    one line for each read: milliseconds since the request was sent, and its length in bytes

Spec: `tests/fixtures/README.md`, and https://toml.io/en/v1.0.0 for the first file
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from headgate.errors import UsageError

Flat: TypeAlias = str | int | float | bool | list[str]
"""What a key of `meta.toml` may hold."""

META, RESPONSE, CHUNKS = "meta.toml", "response.raw", "chunks.txt"
REQUEST, REQUEST_RAW = "request.json", "request.raw"
_is_bare = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_encode = msgspec.json.Encoder().encode


class Piece(NamedTuple):
    """One read: seconds since the request was sent, and the bytes."""

    at_s: float
    data: bytes


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What `meta.toml` says.

    `asks` are the questions that a replay answers with this cassette, in place of the one in its request; `fallback`
    makes it the answer to every other; `truncated` says that the connection broke before the body was over, and `ended`
    how, in a recording: `complete`, `cut`, `reset`, `client_gone`, or an error's code. The headers are `name: value` in
    their order; each of `masks` is a place, an offset and a length in bytes, and the kind of key that stood there.
    """

    engine: str = ""
    version: str = ""
    model: str = ""
    date: str = ""
    path: str = "/v1/chat/completions"
    status: int = 200
    content_type: str = "text/event-stream"
    shows: str = ""
    source: Literal["recorded", "seed", "constructed"] = "recorded"
    asks: tuple[str, ...] = ()
    fallback: bool = False
    truncated: bool = False
    ended: str = ""
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()


_KNOWN = frozenset(Meta.__struct_fields__)
_OPTIONAL = frozenset("asks fallback truncated ended request_headers response_headers masks".split())


class Cassette(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded exchange. `more` are keys of `meta.toml` that this version has no word for; they are kept."""

    meta: Meta
    more: dict[str, Flat] = {}
    request: bytes = b""
    pieces: tuple[Piece, ...] = ()

    @property
    def response(self) -> bytes:
        """The whole body."""
        return b"".join(piece.data for piece in self.pieces)

    @property
    def method(self) -> str:
        """The request's method."""
        return self.meta.path.rpartition(" ")[0] or "POST"

    @property
    def path(self) -> str:
        """The request's path, without its method."""
        return self.meta.path.rpartition(" ")[2]

    @classmethod
    def load(cls, files: Mapping[str, bytes], /) -> Cassette:
        """Read a cassette from its files, by name; others are ignored.

        Raises:
            UsageError: naming the file and the fault.
        """
        meta, more = _read_meta(_text(files, META))
        response = _file(files, RESPONSE)
        pieces = tuple(_cut(response, _text(files, CHUNKS)))
        return cls(meta=meta, more=more, request=files.get(REQUEST, files.get(REQUEST_RAW, b"")), pieces=pieces)

    def files(self) -> dict[str, bytes]:
        """Write the cassette's files; `load` reads them back to the same value.

        Raises:
            UsageError: if a key of `more` holds what a flat TOML file has no form for.
        """
        lines = [chunk_line(piece.at_s, len(piece.data)) for piece in self.pieces]
        files = {META: meta_file(self.meta, self.more), RESPONSE: self.response, CHUNKS: b"".join(lines)}
        if self.request:
            files[request_name(self.request)] = self.request
        return files


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise UsageError(f"{name} is missing. A cassette has {META}, {RESPONSE} and {CHUNKS}.")
    return files[name]


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        return _file(files, name).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: expected UTF-8, got another byte at offset {error.start:,}.") from error


def _read_meta(text: str) -> tuple[Meta, dict[str, Flat]]:
    try:
        table = tomllib.loads(text)
        meta = msgspec.convert(table, Meta)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{META}: {error}.") from error
    return meta, {key: _flat(key, value) for key, value in table.items() if key not in _KNOWN}


def _flat(key: str, value: object) -> Flat:
    try:
        flat: Flat = msgspec.convert(value, Flat)
    except msgspec.ValidationError as error:
        raise UsageError(f"{META}: {error} - at `$.{key}`.") from error
    return flat


def _cut(response: bytes, chunks: str) -> Iterator[Piece]:
    """Cut a response into the reads that `chunks.txt` lists."""
    start, before_ms = 0, 0.0
    for number, line in enumerate(chunks.splitlines(), 1):
        at_ms, length = _read_line(line, f"{CHUNKS}, line {number}")
        if at_ms < before_ms:
            raise UsageError(f"{CHUNKS}, line {number}: expected a time from {before_ms:g} ms on, got {at_ms:g} ms.")
        yield Piece(at_ms / 1000, response[start : start + length])
        start, before_ms = start + length, at_ms
    if start != len(response):
        raise UsageError(f"{CHUNKS}: the lengths sum to {start:,} bytes, but {RESPONSE} has {len(response):,}.")


def _read_line(line: str, where: str) -> tuple[float, int]:
    words = line.split()
    try:
        at_ms, length = float(words[0]), int(words[1])
    except (ValueError, IndexError) as error:
        raise UsageError(f"{where}: expected milliseconds and a length, got {line!r}.") from error
    if len(words) > 2 or length < 1 or not (math.isfinite(at_ms) and at_ms >= 0):
        raise UsageError(f"{where}: expected milliseconds from 0 on and a length from 1 on, got {line!r}.")
    return at_ms, length


def request_name(body: bytes) -> str:
    """The file that a request's body belongs into."""
    return REQUEST if _is_json(body) else REQUEST_RAW


def chunk_line(at_s: float, length: int) -> bytes:
    """A line of `chunks.txt`: seconds since the request was sent, and a length in bytes."""
    at_ms = round(at_s * 1000, 3)  # a microsecond is finer than any read
    return f"{at_ms} {length}\n".encode()


def meta_file(meta: Meta, more: Mapping[str, Flat]) -> bytes:
    """Write `meta.toml`. What replays and recordings alone say is left out where it says nothing.

    Raises:
        UsageError: if a key of `more` holds what a flat TOML file has no form for.
    """
    known = {key: getattr(meta, key) for key in Meta.__struct_fields__}
    table = {key: value for key, value in known.items() if value or key not in _OPTIONAL} | dict(more)
    return "".join(f"{_toml_key(key)} = {_toml(value)}\n" for key, value in table.items()).encode()


def _toml_key(key: str) -> str:
    return key if _is_bare(key) else _toml(key)


def _toml(value: Any) -> str:  # Any: the values of `getattr`, all of them Flat
    match value:
        case str():
            # JSON's escapes are TOML's, but for one character that JSON lets stand.
            return _encode(value).decode().replace("\x7f", "\\u007f")
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case _:
            raise UsageError(f"expected text, a number, true or false, or a list of texts, got {type(value).__name__}.")


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
