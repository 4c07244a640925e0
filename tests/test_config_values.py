from __future__ import annotations

import pytest

from headgate.config import Config, UpstreamConfig, check_door, request_headers, unique, upstream_from_flag
from headgate.errors import ConfigError
from headgate.limits import DEFAULTS


def test_two_flags_for_the_same_place_are_refused() -> None:
    upstream = upstream_from_flag("http://h")

    with pytest.raises(ConfigError, match="--upstream: two upstreams are called 'h'"):
        unique([upstream, upstream], "--upstream")


def test_the_key_comes_from_the_environment_that_is_passed() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key_env="KEY", headers=(("x-a", "b"),))

    headers = request_headers(upstream, {"KEY": " sesame\n"})

    assert (("x-a", "b"), ("authorization", "Bearer sesame")) == headers


def test_no_key_is_sent_where_none_is_named() -> None:
    assert () == request_headers(UpstreamConfig(name="u", url="http://h"), {"OPENAI_API_KEY": "sesame"})


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " "}])
def test_a_missing_key_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="upstream u: the environment variable KEY is not set"):
        request_headers(UpstreamConfig(name="u", url="http://h", api_key_env="KEY"), environ)


def test_a_key_that_is_given_twice_is_an_error() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key_env="KEY", headers=(("Authorization", "Basic x"),))

    with pytest.raises(ConfigError, match="given twice") as caught:
        request_headers(upstream, {"KEY": "sesame"})

    assert "sesame" not in str(caught.value)


def test_no_repr_shows_a_header_value() -> None:
    """A configuration ends up in tracebacks and logs."""
    upstream = UpstreamConfig(name="u", url="http://h", headers=(("authorization", "Bearer sesame"),))

    shown = repr(Config(upstreams=(upstream,))) + repr(upstream.__rich_repr__())

    assert "authorization" in shown
    assert "sesame" not in shown


def test_no_repr_shows_a_key() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key="sesame")

    shown = repr(Config(api_keys=("sesame",), upstreams=(upstream,))) + repr(Config().__rich_repr__())

    assert "sesame" not in shown


@pytest.mark.parametrize("key", ["", "a b", "a\n", "ü"])
def test_a_key_that_no_header_may_hold_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="the key in api_key is empty, or holds a space or a line end"):
        request_headers(UpstreamConfig(name="u", url="http://h", api_key=key), {})


def test_a_key_comes_from_one_place() -> None:
    upstream = UpstreamConfig(name="u", url="http://h", api_key="sesame", api_key_env="KEY")

    with pytest.raises(ConfigError, match="given twice, by api_key and api_key_env") as caught:
        request_headers(upstream, {"KEY": "open"})

    assert "sesame" not in str(caught.value)


def test_an_engine_has_deadlines_of_its_own() -> None:
    limits = UpstreamConfig(name="u", url="http://h", idle_s=7, total_s=9).limits(DEFAULTS)

    assert (DEFAULTS.connect_s, 7, 9) == (limits.connect_s, limits.idle_s, limits.total_s)
    assert UpstreamConfig(name="u", url="http://h").limits(DEFAULTS) is DEFAULTS


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST.", "a.localhost", "::1", "[::1]"])
def test_loopback_may_do_without_keys(host: str) -> None:
    check_door(Config(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gate.example", "127.0.0.1.example.com", "fe80::1%lo"])
def test_other_addresses_need_keys(host: str) -> None:
    check_door(Config(host=host, api_keys=("sesame",)))
    with pytest.raises(ConfigError, match=r"expected API keys, since .+ can be reached from other machines"):
        check_door(Config(host=host))
