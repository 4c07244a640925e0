"""Who may come in: decisions over request heads, without a socket."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.config import Config
from headgate.errors import ConfigError, RequestError
from headgate.gateway.door import (
    ANONYMOUS,
    STRANGER,
    Door,
    Pairs,
    check_name,
    cors_headers,
    is_host,
    is_preflight,
    preflight_headers,
)

KEY, OTHER = "sk-first-of-two", "sk-second-of-two"
PAGE = "https://chat.example"


def pairs(**headers: str) -> Pairs:
    return [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]


def door(**config: Any) -> Door:
    return Door(Config(**config))


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(RequestError) as caught:
        call(*arguments)
    return caught.value.code


# Host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost:4283",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.9.9.9",
        "[::1]",
        "[::1]:80",
        "app.localhost",
    ],
)
def test_loopback_may_be_called_by_all_its_names(host: str) -> None:
    door().check_host(pairs(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "localhost.evil.test",
        "localhost.evil.test:4283",
        "127.0.0.1.evil.test",
        "evil-localhost",
        "0.0.0.0:4283",
        "[::]:4283",
        "192.168.1.5",
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
        "127.1",
        "gate.example.evil.test",
    ],
)
def test_another_name_is_misdirected_even_if_it_leads_here(host: str) -> None:
    """DNS rebinding: the page's own name, for a moment an address of ours."""
    assert "misdirected_host" == refusal(door(allowed_hosts=("gate.example",)).check_host, pairs(host=host))


@pytest.mark.parametrize(
    "host", ["", "a b", "localhost/x?", "user@localhost", "localhost#", "localhost:", "localhost:99999999", "[::1", "é"]
)
def test_a_malformed_host_is_a_400(host: str) -> None:
    assert "invalid_request" == refusal(door().check_host, pairs(host=host))


def test_two_hosts_are_a_400_even_if_they_agree() -> None:
    assert "invalid_request" == refusal(door().check_host, [*pairs(host="localhost"), *pairs(Host="localhost")])


def test_no_host_at_all_is_left_to_the_server() -> None:
    door().check_host([])


@pytest.mark.parametrize("host", ["gate.example", "Gate.Example:443", "gate.example."])
def test_a_listed_host_may_be_used(host: str) -> None:
    door(allowed_hosts=("GATE.example",)).check_host(pairs(host=host))


def test_the_configured_host_may_be_used() -> None:
    door(host="192.168.1.5", api_keys=(KEY,)).check_host(pairs(host="192.168.1.5:4283"))


@pytest.mark.parametrize(("host", "fits"), [("192.168.1.5:80", True), ("[fe80::1]", True), ("evil.test", False)])
def test_a_gateway_on_every_address_answers_to_every_address_but_to_no_name(host: str, *, fits: bool) -> None:
    """An address in a Host cannot be rebound."""
    anywhere = door(host="0.0.0.0", api_keys=(KEY,))

    if fits:
        anywhere.check_host(pairs(host=host))
    else:
        assert "misdirected_host" == refusal(anywhere.check_host, pairs(host=host))


def test_a_host_has_a_length() -> None:
    assert (True, False) == (is_host(b"a" * 255), is_host(b"a" * 256))


# Origin and Sec-Fetch-Site


@pytest.mark.parametrize("site", ["", "none", "same-origin"])
def test_what_no_page_sent_has_no_origin(site: str) -> None:
    assert door().origin(pairs(sec_fetch_site=site) if site else []) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:4283"},
        {"origin": "https://chat.example.evil.test"},
        {"origin": "https://chat.example:444"},
        {"origin": "http://chat.example"},
        {"origin": "HTTPS://CHAT.EXAMPLE"},
        {"origin": "https://chat.example/"},
        {"origin": "https://chat.example, https://evil.test"},
        {"origin": "https://evil.test", "sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "anything-new"},
        {"sec_fetch_site": ""},
    ],
)
def test_another_page_is_forbidden(headers: dict[str, str]) -> None:
    assert "forbidden" == refusal(door(cors_origins=(PAGE,)).origin, pairs(**headers))


@pytest.mark.parametrize("site", [{}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-origin"}])
def test_a_listed_page_is_let_in_exactly(site: dict[str, str]) -> None:
    assert PAGE.encode() == door(cors_origins=(PAGE,)).origin(pairs(origin=PAGE, **site))


def test_two_origins_are_forbidden_even_if_both_are_listed() -> None:
    assert "forbidden" == refusal(door(cors_origins=(PAGE,)).origin, [*pairs(origin=PAGE), *pairs(Origin=PAGE)])


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "", "https://*.example", "https://chat.example/", "chat.example", "https://", "https://Chat", "é"],
)
def test_an_origin_that_no_browser_sends_is_a_configuration_error(origin: str) -> None:
    with pytest.raises(ConfigError, match="cors_origins"):
        door(cors_origins=(origin,))


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "tauri://localhost", "chrome-extension://abcdef", "file://"]
)
def test_an_origin_of_a_program_can_be_listed(origin: str) -> None:
    assert origin.encode() == door(cors_origins=(origin,)).origin(pairs(origin=origin))


# Content types


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_page_may_send_json(kind: str) -> None:
    door().admit("POST", "/chat", pairs(content_type=kind), PAGE.encode())


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "application/json-seq",
        "*/*",
    ],
)
def test_a_page_may_send_nothing_else(kind: str) -> None:
    headers = pairs(content_type=kind) if kind else []

    assert "unsupported_media_type" == refusal(door().admit, "POST", "/chat", headers, PAGE.encode())


def test_a_page_may_not_send_two_types() -> None:
    headers = [*pairs(content_type="application/json"), *pairs(Content_Type="text/plain")]

    assert "unsupported_media_type" == refusal(door().admit, "POST", "/chat", headers, PAGE.encode())


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_program_may_send_any_type(kind: str) -> None:
    """`curl -d` says that it sends a form."""
    assert ANONYMOUS == door().admit("POST", "/chat", pairs(content_type=kind) if kind else [], None)


def test_a_page_reads_without_a_type() -> None:
    door().admit("GET", "/v1/models", [], PAGE.encode())


# Keys


@pytest.mark.parametrize(
    ("headers", "principal"),
    [
        ({"authorization": f"Bearer {KEY}"}, "key-1"),
        ({"authorization": f"bearer  {OTHER} "}, "key-2"),
        ({"x_api_key": KEY}, "key-1"),
        ({"x_api_key": OTHER, "authorization": "Bearer something else"}, "key-2"),
        ({"x_api_key": "something else", "authorization": f"BEARER {KEY}"}, "key-1"),
    ],
)
def test_a_key_is_known_in_either_header(headers: dict[str, str], principal: str) -> None:
    assert principal == door(api_keys=(KEY, OTHER)).admit("POST", "/chat", pairs(**headers), None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Bearer {KEY.upper()}"},
        {"authorization": f"Bearer {KEY}, Bearer {KEY}"},
        {"x_api_key": ""},
        {"x_api_key": f"Bearer {KEY}"},
        {"api_key": KEY},
        {"cookie": f"key={KEY}"},
    ],
)
def test_anything_else_is_unauthorized(headers: dict[str, str]) -> None:
    assert "unauthorized" == refusal(door(api_keys=(KEY, OTHER)).admit, "POST", "/chat", pairs(**headers), None)


def test_a_refusal_holds_nothing_of_a_key() -> None:
    with pytest.raises(RequestError) as caught:
        door(api_keys=(KEY,)).principal(pairs(authorization="Bearer hunter2"))

    assert "hunter2" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert KEY not in repr(vars(door(api_keys=(KEY,))))


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_need_no_key_and_are_told_from_those_who_have_one(path: str) -> None:
    """A load balancer has none."""
    closed = door(api_keys=(KEY,))

    assert STRANGER == closed.admit("GET", path, [], None)
    assert STRANGER == closed.admit("GET", path, pairs(x_api_key="sk-wrong"), None)
    assert "key-1" == closed.admit("GET", path, pairs(x_api_key=KEY), None)
    assert ANONYMOUS == door().admit("GET", path, [], None)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/openapi.json", "/nothing", "/health/", "/Health", "//health", "/ready/", "/READY"]
)
def test_everything_else_needs_one(path: str) -> None:
    assert "unauthorized" == refusal(door(api_keys=(KEY,)).admit, "GET", path, [], None)


def test_without_keys_everybody_on_this_machine_is_let_in() -> None:
    assert ANONYMOUS == door().admit("POST", "/chat", pairs(authorization="Bearer anything"), None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gate.example", ""])
def test_a_door_to_other_machines_needs_a_lock(host: str) -> None:
    with pytest.raises(ConfigError, match="api_keys"):
        door(host=host)

    door(host=host, api_keys=(KEY,))


# Preflights and names


@pytest.mark.parametrize(
    ("method", "headers", "asks"),
    [
        ("OPTIONS", {"access_control_request_method": "POST"}, True),
        ("OPTIONS", {}, False),
        ("POST", {"access_control_request_method": "POST"}, False),
    ],
)
def test_a_preflight_is_known_by_what_it_asks(method: str, headers: dict[str, str], *, asks: bool) -> None:
    assert asks == is_preflight(method, pairs(**headers))


def test_a_preflight_repeats_the_names_that_are_some() -> None:
    asked = pairs(access_control_request_headers="Authorization, x-stainless-lang,, a b, x:y, é")

    answer = dict(preflight_headers(("POST",), asked))

    assert (b"POST", b"authorization, x-stainless-lang") == (
        answer[b"access-control-allow-methods"],
        answer[b"access-control-allow-headers"],
    )


def test_no_reply_allows_everybody_or_credentials() -> None:
    names = {*dict(cors_headers(PAGE.encode())), *dict(preflight_headers(("POST",), []))}

    assert PAGE.encode() == dict(cors_headers(PAGE.encode()))[b"access-control-allow-origin"]
    assert set() == {b"access-control-allow-credentials", b"access-control-allow-private-network"} & names


@pytest.mark.parametrize("name", ["m", "qwen3:8b", "org/model-7B.gguf", "C:\\models\\My Model.gguf", "模型", "x" * 256])
def test_a_models_name_may_be_anything_that_can_be_shown(name: str) -> None:
    check_name(name, "model")


@pytest.mark.parametrize("name", ["a\r\nx-evil: 1", "a\0", "a\x1b[31m", "a\u202eb", "a\ud800", "x" * 257, "a\tb"])
def test_a_models_name_that_could_do_harm_in_a_log_is_a_400(name: str) -> None:
    assert "invalid_request" == refusal(check_name, name, "model")
