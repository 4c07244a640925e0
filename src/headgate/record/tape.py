"""One exchange on its way to disk: `Tape`, which writes a cassette's folder piece by piece.

Strategy: the reply goes to its file as it comes, through a `Masker`; `meta.toml` is written last and put in place at
once, so that a folder that has one is whole. Nothing is kept but what the masker holds back.
Spec: `headgate.cassette`
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from headgate.cassette import CHUNKS, META, RESPONSE, Meta, chunk_line, meta_file, request_name
from headgate.errors import UpstreamError
from headgate.messages import HttpRequest
from headgate.record.heads import Pairs, mask_header, mask_path
from headgate.record.masker import Mask, Masker, masked

Ended: TypeAlias = str
"""How an exchange ended: complete, cut, reset, client_gone, or the code of another error, such as upstream_connect."""

_MODEL_CHARS_MAX = 200
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class Tape:
    """One exchange. Call `head`, `data` and then `close` once; each may raise `OSError`, as the constructor does.

    Args:
        folder: is made, and must not exist.
        request: as it goes to the engine.
        engine: what configuration calls it.
        date: when it began, as `meta.toml` says it.
        secrets: keys that are known, those of the request's head included.
    """

    def __init__(self, folder: Path, request: HttpRequest, *, engine: str, date: str, secrets: frozenset[str]) -> None:
        self._folder = folder
        self._secrets = secrets
        self._masker = Masker(self._secrets)
        self._masks: list[str] = []
        self._written: list[BinaryIO] = []
        body, masks = masked(request.body, self._secrets)
        path = mask_path(request.path, self._secrets)
        self._list("path", path.masks)
        self._meta = Meta(
            engine=engine,
            model=_model(body),
            date=date,
            path=path.text if request.method == "POST" else f"{request.method} {path.text}",
            status=0,
            content_type="",
            request_headers=self._headers("request_headers", request.headers),
        )
        folder.mkdir(mode=_FOLDER_MODE)
        try:
            if body:
                self._list(request_name(body), masks)
                _write(folder / request_name(body), body)
            self._response, self._chunks = self._open(RESPONSE), self._open(CHUNKS)
        except OSError:
            self.discard()
            raise

    def head(self, status: int, headers: Sequence[tuple[str, str]], /) -> None:
        """The reply begins."""
        types = [value for name, value in headers if name == "content-type"]
        self._meta = msgspec.structs.replace(
            self._meta,
            status=status,
            content_type=mask_header("", types[0], self._secrets).text.removeprefix(": ") if types else "",
            response_headers=self._headers("response_headers", headers),
        )

    def data(self, at_s: float, data: bytes, /) -> None:
        """More of the body, `at_s` seconds after the request was sent."""
        self._chunks.write(chunk_line(at_s, len(data)))
        self._response.write(self._masker.feed(data))

    def close(self, ended: Ended) -> None:
        """Write what is left, and how it ended."""
        self._response.write(self._masker.close())
        for file in self._written:
            file.close()
        self._list(RESPONSE, self._masker.masks)
        more: dict[str, int] = {"masks_unlisted": self._masker.unlisted} if self._masker.unlisted else {}
        meta = msgspec.structs.replace(self._meta, ended=ended, truncated=ended != "complete", masks=tuple(self._masks))
        unfinished = self._folder / f"{META}.part"
        _write(unfinished, meta_file(meta, more))
        unfinished.replace(self._folder / META)

    def discard(self) -> None:
        """Take away what was written so far, as far as that goes: it is not whole."""
        for file in self._written:
            with contextlib.suppress(OSError):  # what is buffered has no room, and is not wanted
                file.close()
        with contextlib.suppress(OSError):
            for path in list(self._folder.iterdir()):
                path.unlink()
            self._folder.rmdir()

    def _open(self, name: str) -> BinaryIO:
        file = _private(self._folder / name)
        self._written.append(file)
        return file

    def _headers(self, where: str, headers: Pairs) -> tuple[str, ...]:
        lines: list[str] = []
        for name, value in headers:
            line = mask_header(name, value, self._secrets)
            self._list(f"{where}[{len(lines)}]", line.masks)
            lines.append(line.text)
        return tuple(lines)

    def _list(self, where: str, masks: Iterable[Mask]) -> None:
        self._masks += [f"{where} {mask.offset} {mask.length} {mask.kind}" for mask in masks]


def ending(error: UpstreamError) -> Ended:
    """How an exchange ended that failed so."""
    if error.code != "upstream_truncated":
        return error.code
    return "reset" if error.reset else "cut"


class _Asked(msgspec.Struct):
    model: str = ""


def _model(body: bytes) -> str:
    """The model that a request names; "" if it is no such request."""
    try:
        return msgspec.json.decode(body, type=_Asked).model[:_MODEL_CHARS_MAX]
    except (msgspec.DecodeError, RecursionError):
        return ""


def _private(path: Path) -> BinaryIO:
    """Open a new file that only this user can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _FILE_MODE), "wb")


def _write(path: Path, data: bytes) -> None:
    with _private(path) as file:
        file.write(data)
