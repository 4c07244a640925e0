"""A request's or a reply's head -> the same without credentials, as `meta.toml` lists it.

Strategy: a header that is known to hold a credential is masked whole, but for its scheme; what it held is then looked
for everywhere else in the exchange. All other values, and the path, are masked like any text.
Spec: https://www.rfc-editor.org/rfc/rfc9110.html#section-11 and https://www.rfc-editor.org/rfc/rfc6265.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from headgate.record.masker import Mask, masked

Pairs = Iterable[tuple[str, str]]

_LEARNED_CHARS_MIN = 8
"""A shorter credential is not looked for elsewhere: it may be any word."""

_PLACEHOLDERS = frozenset(
    "lm-studio llama.cpp localhost not-needed not_needed no-key-required sk-no-key-required your_key".split()
)
"""What people send to engines that want no key; elsewhere these are words."""

_is_credential = re.compile(
    r".*(?:authoriz|cookie|credential|passw|secret|session|signature|token|(?:^|[-_])(?:api-?)?key(?:$|[-_])|apikey).*",
    re.IGNORECASE,
).fullmatch
_is_count = re.compile(r".*ratelimit.*", re.IGNORECASE).fullmatch  # "x-ratelimit-remaining-tokens: 149984"
_is_variable = re.compile(r".*(?:KEY|TOKEN|SECRET|PASSWORD)", re.IGNORECASE).fullmatch
_scheme = re.compile(r"(?:bearer|basic|token|digest|negotiate)[ \t]+", re.IGNORECASE)
_parameter = re.compile(r"([^=&]+)=([^&]*)")
_is_secret_parameter = re.compile(
    r"(?:.*[-_])?(?:key|apikey|token|secret|password|passwd|signature|sig|credential|auth|code)", re.IGNORECASE
).fullmatch


class Masked(NamedTuple):
    """A text without its keys, and where they stood in it, in bytes of UTF-8."""

    text: str
    masks: list[Mask]


def credentials(headers: Pairs, path: str = "") -> frozenset[str]:
    """The keys that a head holds, to be looked for in the rest of the exchange."""
    values = [value[start:] for name, value in headers for start in _credential_start(name, value)]
    values += [part for value in values for part in _cookies(value)]
    values += [path[begin:end] for begin, end in _secret_parameters(path)]
    values += [read(value) for value in values for read in (unquote, unquote_plus)]
    return frozenset(value for value in values if _is_telling(value))


def mask_header(name: str, value: str, secrets: Iterable[str]) -> Masked:
    """`name: value` as one line, its offsets counted from the line's first byte."""
    before = len(f"{name}: ".encode())
    for start in _credential_start(name, value):
        size = len(value[start:].encode())
        begin = before + len(value[:start].encode())
        return Masked(f"{name}: {value[:start]}{'*' * size}", [Mask(begin, size, "header")])
    return _masked(f"{name}: {value}", secrets)


def mask_path(path: str, secrets: Iterable[str]) -> Masked:
    """A path with its query; a parameter that is named like a key is masked whole."""
    text, masks = path, []
    for begin, end in _secret_parameters(path):
        text = f"{text[:begin]}{'*' * (end - begin)}{text[end:]}"
        masks.append(Mask(begin, end - begin, "query"))
    rest = _masked(text, secrets)
    return Masked(rest.text, sorted([*masks, *rest.masks]))


def keys_in(environ: Mapping[str, str]) -> frozenset[str]:
    """The keys that the environment holds, by the names of its variables (`OPENAI_API_KEY`, `HF_TOKEN`)."""
    return frozenset(
        value.strip() for name, value in environ.items() if _is_variable(name) and _is_telling(value.strip())
    )


def _credential_start(name: str, value: str) -> Iterator[int]:
    """Where the credential of a header begins, if it has one."""
    if _is_credential(name) and not _is_count(name) and value:
        scheme = _scheme.match(value)
        yield scheme.end() if scheme else 0


def _secret_parameters(path: str) -> Iterator[tuple[int, int]]:
    query = path.find("?") + 1
    for parameter in _parameter.finditer(path, query) if query else ():
        if _is_secret_parameter(unquote_plus(parameter[1])) and parameter[2]:
            yield parameter.span(2)


def _cookies(value: str) -> Iterator[str]:
    for pair in value.split(";"):
        yield pair.strip()
        yield pair.partition("=")[2].strip()


def _is_telling(value: str) -> bool:
    return len(value) >= _LEARNED_CHARS_MIN and value.lower() not in _PLACEHOLDERS


def _masked(text: str, secrets: Iterable[str]) -> Masked:
    data, masks = masked(text.encode(), secrets)
    return Masked(data.decode(), masks)
