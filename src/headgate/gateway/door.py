"""A request's head -> who may come in, or why not: hosts, web pages, keys, names.

Strategy: plain decisions over headers, before anything is read or asked. A listener on loopback is reached by every
page of every browser on the machine, so a request that a page sent (`Origin`, `Sec-Fetch-Site`) is let in only for a
listed origin, and one whose `Host` is not ours (DNS rebinding) never.
Spec: https://fetch.spec.whatwg.org/#http-cors-protocol and https://www.w3.org/TR/fetch-metadata/
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache

from headgate.config import Config, check_door
from headgate.config.values import is_loopback, is_origin
from headgate.errors import ConfigError, RequestError
from headgate.messages import Spelling

Pairs = Sequence[tuple[bytes, bytes]]

ANONYMOUS = "anonymous"
"""Who asks where no keys are configured."""
STRANGER = "stranger"
"""Who asks without a known key where keys are configured; only `OPEN_PATHS` answer, and say no more than they must."""
OPEN_PATHS = frozenset({"/health", "/ready"})
"""What answers without a key: supervisors and load balancers should not have to know one."""

EXPOSED = (
    "x-headgate-upstream, x-headgate-model, x-headgate-answered-model, x-headgate-overhead-us, x-headgate-dropped, "
    "x-headgate-estimate, x-request-id, retry-after"
)
"""What a page's script may read of a reply, besides what every script may."""

_NAME_CHARS_MAX = 256
"""Of a model's name or an id. The longest names on Hugging Face have about 200 characters with owner and file."""
_PREFLIGHT_S = 600
"""How long a browser may remember a preflight; Chromium keeps none longer than two hours."""
_ASKED_HEADERS_MAX = 64
"""Names in one preflight; the OpenAI client asks for a dozen."""
_SHOWN_CHARS_MAX = 80

_is_host = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?").fullmatch
_is_token = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}").fullmatch
_own_sites = frozenset({b"none", b"same-origin"})


class Door:
    """Decides about request heads.

    Args:
        config: `host`, `allowed_hosts`, `cors_origins`, `api_keys` and `clients`.

    Raises:
        ConfigError: if it lets in everybody from everywhere, or names an origin that no browser sends.
    """

    def __init__(self, config: Config) -> None:
        check_door(config)
        self._hosts = frozenset(_plain(name) for name in (config.host, *config.allowed_hosts))
        self._any_address = _is_wildcard(config.host)
        self._origins = frozenset(_checked_origin(origin) for origin in config.cors_origins)
        # The digests' own key is drawn anew in every process: what leaks of them says nothing about any key.
        self._pepper = secrets.token_bytes(32)
        self._keys = {self._digest(key.encode()): f"key-{n}" for n, key in enumerate(config.api_keys, 1)}
        own: dict[str, Spelling | None] = {client.key: client.reasoning for client in config.clients}
        self._reasoning: dict[str, Spelling | None] = {
            f"key-{n}": own.get(key) for n, key in enumerate(config.api_keys, 1)
        }

    def origin(self, headers: Pairs) -> bytes | None:
        """The listed origin that a page's request comes from; None if no page sent it.

        Raises:
            RequestError: `forbidden`, if it comes from another page.
        """
        origins = _all(headers, b"origin")
        sites = _all(headers, b"sec-fetch-site")
        if not origins and all(site in _own_sites for site in sites):
            return None
        if len(origins) == 1 and origins[0] in self._origins:
            return origins[0]
        page = _shown(origins[0]) if origins else "a page of another origin"
        sentence = f"{page} may not ask this gateway. If it is yours, add its origin to cors_origins."
        raise RequestError("forbidden", sentence)

    def check_host(self, headers: Pairs) -> None:
        """Refuse a request that was meant for another server.

        None at all is let in: HTTP/1.0 and other ASGI hosts may have none, browsers always send one, and our own
        server refuses its absence (`guards.py`).

        Raises:
            RequestError: `invalid_request` if it is malformed or comes twice, `misdirected_host` if it is not ours.
        """
        hosts = _all(headers, b"host")
        if not hosts:
            return
        if len(hosts) > 1 or not is_host(hosts[0]):
            raise RequestError("invalid_request", "expected one Host header of the form NAME or NAME:PORT.")
        name = _plain(_without_port(hosts[0].decode("ascii")))
        if not (is_loopback(name) or name in self._hosts or (self._any_address and _is_address(name))):
            sentence = f"expected a Host that is this gateway's, got {_shown(hosts[0])}. Add it to allowed_hosts."
            raise RequestError("misdirected_host", sentence)

    def check_type(self, headers: Pairs) -> None:
        """Refuse a page's body that is not declared as JSON: any page may send text and forms without asking first.

        Raises:
            RequestError: `unsupported_media_type`.
        """
        types = _all(headers, b"content-type")
        if len(types) != 1 or types[0].partition(b";")[0].strip().lower() != b"application/json":
            got = _shown(types[0]) if types else "none"
            sentence = f"expected the content type application/json from a web page, got {got}."
            raise RequestError("unsupported_media_type", sentence)

    def principal(self, headers: Pairs) -> str:
        """Who asks, by the key in `authorization: Bearer KEY` or `x-api-key: KEY`.

        Raises:
            RequestError: `unauthorized`. It holds nothing of what was sent.
        """
        if not self._keys:
            return ANONYMOUS
        found = ""
        for given in _keys(headers):
            digest = self._digest(given)
            # Every key is compared, whichever fits: the time taken says nothing.
            for known, principal in self._keys.items():
                found = principal if hmac.compare_digest(known, digest) else found
        if found:
            return found
        got = "one that is not known here" if _keys(headers) else "none"
        sentence = f"expected an API key in `authorization: Bearer KEY` or `x-api-key: KEY`, got {got}."
        raise RequestError("unauthorized", sentence)

    def reasoning(self, principal: str) -> Spelling | None:
        """How somebody is written thoughts, as the configuration of their key says; None where it says nothing."""
        return self._reasoning.get(principal)

    def admit(self, method: str, path: str, headers: Pairs, origin: bytes | None) -> str:
        """Let somebody in whose host and origin are checked, and say what policies know them by.

        Raises:
            RequestError: as `principal` and `check_type` do.
        """
        try:
            principal = self.principal(headers)
        except RequestError:
            if path not in OPEN_PATHS:
                raise
            principal = STRANGER
        if origin is not None and method not in {"GET", "HEAD"}:
            self.check_type(headers)
        return principal

    def _digest(self, key: bytes) -> bytes:
        return hmac.digest(self._pepper, key, hashlib.sha256)


def is_host(value: bytes) -> bool:
    """Whether a Host header has the form of one."""
    return len(value) <= 255 and _is_host(value) is not None


def is_preflight(method: str, headers: Pairs) -> bool:
    """Whether a browser only asks what a page may do."""
    return method == "OPTIONS" and bool(_all(headers, b"access-control-request-method"))


def preflight_headers(methods: Iterable[str], headers: Pairs) -> list[tuple[bytes, bytes]]:
    """What answers a preflight of a listed origin, besides `cors_headers`: what it asked for, as far as names go.

    The names are repeated, since `*` would not cover `authorization`, and clients send names of their own
    (`x-stainless-lang`); a listed origin is trusted with them.
    """
    asked = b",".join(_all(headers, b"access-control-request-headers")).decode("latin-1").split(",")
    names = [name.strip().lower() for name in asked[:_ASKED_HEADERS_MAX] if _is_token(name.strip())]
    return [
        (b"access-control-allow-methods", ", ".join(methods).encode()),
        (b"access-control-allow-headers", ", ".join(names).encode()),
        (b"access-control-max-age", b"%d" % _PREFLIGHT_S),
    ]


def cors_headers(origin: bytes) -> list[tuple[bytes, bytes]]:
    """What every reply to a listed origin carries."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED.encode()),
        (b"vary", b"origin"),
    ]


@lru_cache(maxsize=256)
def check_name(name: str, param: str) -> None:
    """Refuse a model's name, or an id, that could not stand in a header or a log.

    Good names are remembered, which are short; what is refused is looked at again.

    Raises:
        RequestError: `invalid_request`.
    """
    if len(name) > _NAME_CHARS_MAX:
        sentence = f"expected at most {_NAME_CHARS_MAX} characters, got {len(name):,}."
    elif not name.isprintable():
        sentence = "expected no control characters, got at least one."
    else:
        return
    raise RequestError("invalid_request", f"{param}: {sentence}", param=param)


def _all(headers: Pairs, name: bytes) -> list[bytes]:
    return [value.strip() for given, value in headers if given.lower() == name]


def _keys(headers: Pairs) -> list[bytes]:
    bearers = [value.partition(b" ") for value in _all(headers, b"authorization")]
    found = [key.strip() for scheme, _, key in bearers if scheme.lower() == b"bearer"]
    return [key for key in (*found, *_all(headers, b"x-api-key")) if key]


def _without_port(host: str) -> str:
    return host.rpartition(":")[0] if re.search(r":[0-9]+$", host) and not host.endswith("]") else host


def _plain(host: str) -> str:
    """A host name as it is compared: lower case, no brackets, no final dot."""
    return host.lower().strip("[]").removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_wildcard(host: str) -> bool:
    """Whether a host stands for every address of the machine; then any address may be in a Host.

    No page can have an address that is not its server's: rebinding takes a name.
    """
    name = _plain(host)
    return not name or (_is_address(name) and ipaddress.ip_address(name).is_unspecified)


def _checked_origin(origin: str) -> bytes:
    if not is_origin(origin):
        example = "such as https://chat.example or http://localhost:3000, in lower case, without a path and without *"
        raise ConfigError(f"cors_origins: expected an origin {example}, got {origin[:_SHOWN_CHARS_MAX]!r}.")
    return origin.encode()


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN_CHARS_MAX].decode("latin-1"))
