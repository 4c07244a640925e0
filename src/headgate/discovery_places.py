"""Where engines may listen: the environment's word, the operator's, and the usual local ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from headgate.config.values import is_loopback

USUAL = (
    "http://127.0.0.1:11434",  # Ollama
    "http://127.0.0.1:8080",  # llama-server, mlx-lm
    "http://127.0.0.1:8000",  # vLLM
    "http://127.0.0.1:1234",  # LM Studio
    "http://127.0.0.1:30000",  # SGLang
)
"""Where engines listen on this machine when nobody tells them otherwise."""

_OLLAMA_PORT = 11434
_is_plain = re.compile(r"(?:(?![?#@])[!-~])+").fullmatch


class Place(NamedTuple):
    """Somewhere to look. `source` says who named it; `named` that it was a person, and not our own list."""

    url: str
    source: str
    named: bool = False


def places(environ: Mapping[str, str], look: Sequence[str] | None = None) -> list[Place]:
    """Where to look: what the environment names, then `look`, or else the usual local ports; each place once."""
    found: dict[str, Place] = {}
    for variable, url in _named(environ).items():
        found.setdefault(_address(url), Place(url.rstrip("/").removesuffix("/v1"), variable, named=True))
    for url in USUAL if look is None else look:
        found.setdefault(_address(url), Place(url.rstrip("/").removesuffix("/v1"), "look", named=look is not None))
    return [place for address, place in found.items() if address]


def unusable(environ: Mapping[str, str]) -> list[str]:
    """The variables that name something where nobody can look; what they hold may be a secret."""
    return [variable for variable, url in _named(environ).items() if not _address(url)]


def ollama_url(host: str) -> str:
    """The URL that `OLLAMA_HOST` means to a client, in all its spellings: host, host:port, :port, a URL, an address.

    Where it is written for the server (`0.0.0.0`), a client on this machine reaches it by loopback.
    """
    if host == "ollama.com":
        host = "https://ollama.com"
    scheme, found, rest = host.partition("://")
    if not found:
        scheme, rest = "http", host
    port = {"http": 80, "https": 443}.get(scheme, _OLLAMA_PORT) if found else _OLLAMA_PORT
    address, _, path = rest.partition("/")
    name, given = _split(address)
    if given.isascii() and given.isdigit() and int(given) < 65536:
        port = int(given)
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104 - recognised, not bound
    shown = f"[{name}]" if ":" in name else name
    return f"{scheme}://{shown}:{port}" + (f"/{path}".rstrip("/") if path else "")


def is_own(url: str, port: int) -> bool:
    """Whether a URL is that of a gateway on this machine which listens on `port`."""
    try:
        parts = urlsplit(url)
        asked = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return False
    return asked == port and is_loopback(parts.hostname or "")


def _named(environ: Mapping[str, str]) -> dict[str, str]:
    """The URLs that the environment names, by variable."""
    named: dict[str, str] = {}
    if url := environ.get("OPENAI_BASE_URL", "").strip():
        named["OPENAI_BASE_URL"] = url
    if host := environ.get("OLLAMA_HOST", "").strip(" \t\"'"):
        named["OLLAMA_HOST"] = ollama_url(host)
    return named


def _split(address: str) -> tuple[str, str]:
    """Host and port; an IPv6 address may have brackets or not."""
    try:
        return str(ipaddress.ip_address(address.strip("[]"))), ""
    except ValueError:
        name, found, port = address.rpartition(":")
        return (name.strip("[]"), port) if found else (address, "")


def _address(url: str) -> str:
    """What two URLs of one place have in common; "" for what is no URL that a path can be joined to."""
    if not _is_plain(url):
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host:
        return ""
    path = parts.path.rstrip("/").removesuffix("/v1")
    return f"{parts.scheme}://{'loopback' if is_loopback(host) else host}:{port}{path}"
