"""A model's description and tensors <-> the bytes of a GGUF file, version 3.

Only what the tiny model needs: little-endian, tensors of 32- and 16-bit floats.
Spec: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

MAGIC, VERSION = b"GGUF", 3
F32, F16 = 0, 1
_SIZES = {F32: 4, F16: 2}
_ALIGNMENT = 32


class U32(int):
    """A whole number without a sign, which most numbers of a description are."""


Value: TypeAlias = str | bool | U32 | float | Sequence[str] | Sequence[int]
"""A value of a description; plain numbers in a list are 32-bit integers with a sign."""


class Tensor(NamedTuple):
    """A tensor. `shape` has the dimension that changes fastest first; `data` is little-endian floats of `type`."""

    name: str
    shape: tuple[int, ...]
    type: int
    data: bytes


_BOOL, _F32, _U32, _I32, _TEXT, _LIST = 7, 6, 4, 5, 8, 9


def write(description: Mapping[str, Value], tensors: Sequence[Tensor]) -> bytes:
    """Write a file."""
    head = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(description))]
    for key, value in description.items():
        head += [_text(key), _value(value)]
    offset = 0
    for tensor in tensors:
        shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
        head += [_text(tensor.name), shape, struct.pack("<IQ", tensor.type, offset)]
        offset += len(_padded(tensor.data))
    return _padded(b"".join(head)) + b"".join(_padded(tensor.data) for tensor in tensors)


def read(data: bytes) -> tuple[dict[str, Value], list[Tensor]]:
    """Read a file of the kind that `write` writes.

    Raises:
        ValueError: if it is another kind.
    """
    reader = _Reader(data)
    version, tensor_count, key_count = reader.head()
    if version != VERSION:
        raise ValueError(f"expected GGUF version {VERSION}, got {version}.")
    description = {reader.text(): reader.value() for _ in range(key_count)}
    heads = [reader.tensor_head() for _ in range(tensor_count)]
    begin = len(_padded(data[: reader.at]))
    return description, [head._replace(data=_cut(data, begin + offset, head)) for head, offset in heads]


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", _BOOL, value)
        case U32():
            return struct.pack("<II", _U32, value)
        case float():
            return struct.pack("<If", _F32, value)
        case str():
            return struct.pack("<I", _TEXT) + _text(value)
        case _:
            return _list(cast("Sequence[object]", value))  # what is left


def _list(values: Iterable[object]) -> bytes:
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, int)]
    if texts:
        return struct.pack("<IIQ", _LIST, _TEXT, len(texts)) + b"".join(map(_text, texts))
    return struct.pack(f"<IIQ{len(numbers)}i", _LIST, _I32, len(numbers), *numbers)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGNMENT)


def _cut(data: bytes, begin: int, head: Tensor) -> bytes:
    return data[begin : begin + math.prod(head.shape) * _SIZES[head.type]]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = len(MAGIC)

    def head(self) -> tuple[int, int, int]:
        if self._data[: self.at] != MAGIC:
            raise ValueError("this is no GGUF file.")
        version, tensors, keys = self._unpack("IQQ")
        return int(version), int(tensors), int(keys)

    def text(self) -> str:
        (length,) = self._unpack("Q")
        begin, self.at = self.at, self.at + int(length)
        return self._data[begin : self.at].decode()

    def value(self) -> Value:
        (type_,) = self._unpack("I")
        if type_ != _LIST:
            return self._one(int(type_))
        item, count = self._unpack("IQ")
        if item == _TEXT:
            return [self.text() for _ in range(int(count))]
        return [int(number) for number in self._unpack(f"{int(count)}i")]

    def tensor_head(self) -> tuple[Tensor, int]:
        """A tensor without its data, and where that begins behind the head."""
        name = self.text()
        (dimensions,) = self._unpack("I")
        shape = tuple(int(size) for size in self._unpack(f"{int(dimensions)}Q"))
        type_, offset = self._unpack("IQ")
        return Tensor(name, shape, int(type_), b""), int(offset)

    def _one(self, type_: int) -> Value:
        match type_:
            case 8:
                return self.text()
            case 7:
                return bool(self._unpack("?")[0])
            case 6:
                return float(self._unpack("f")[0])
            case 4:
                return U32(self._unpack("I")[0])
            case _:
                raise ValueError(f"expected a type of value that the tiny model uses, got {type_}.")

    def _unpack(self, form: str) -> Sequence[float]:
        values = struct.unpack_from("<" + form, self._data, self.at)
        self.at += struct.calcsize("<" + form)
        return values


def floats(values: Iterable[float], type_: int) -> bytes:
    """Pack numbers as floats of a type."""
    listed = list(values)
    return struct.pack(f"<{len(listed)}{'e' if type_ == F16 else 'f'}", *listed)
